"""Unpacks a tar stream from the engine on the host. What is in it is hostile.

Nothing outside the folder is written, through whatever names and links: folders are
opened one by one without following links, files are made anew, and links are made when
all else is there. Links that lead outside, alone or through others, are left out, as
are devices, pipes, sockets and set-user-id bits. What has no end does not fill the
disk: files, bytes and depth are bounded, and some room stays free.
"""

from __future__ import annotations

import os
import tarfile
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Bounds", "extract"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_COPY = 1 << 20
#: Bytes between two looks at how full the disk is.
_LOOK_EVERY = 64 << 20

_Parts = tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be unpacked. A tree much deeper than ``depth`` is hard to remove."""

    bytes: int = 20 * 1024**3
    members: int = 1_000_000
    depth: int = 200
    #: Bytes that stay free on the disk.
    leave_free: int = 256 * 1024**2


def extract(stream: IO[bytes], destination: Path, bounds: Bounds | None = None) -> None:
    """Unpack a stream into a folder, which is made. Blocking.

    Raises EngineError where the stream is damaged or beyond the bounds, or the disk
    does not take it; what was unpacked until then is there.
    """
    try:
        destination.mkdir(parents=True, exist_ok=True)
        root = os.open(destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            links = _extract(stream, root, _Meter(root, bounds or Bounds()))
            _remove_leading_outside(root, os.fsencode(destination), links)
        finally:
            os.close(root)
    except (OSError, tarfile.TarError) as fault:
        raise EngineError(
            str(fault), operation="copy files to", subject=str(destination)
        ) from fault


class _Meter:
    """Counts what is unpacked, and raises EngineError beyond the bounds."""

    def __init__(self, root: int, bounds: Bounds) -> None:
        self._root, self._bounds = root, bounds
        self._members = self._bytes = 0
        #: Bytes until the disk is looked at again.
        self._until_look = 0

    def member(self, parts: _Parts) -> None:
        """Count a member."""
        self._members += 1
        if self._members > self._bounds.members:
            raise _beyond(f"more than {self._bounds.members} files")
        if len(parts) > self._bounds.depth:
            raise _beyond(f"folders deeper than {self._bounds.depth}")

    def announced(self, size: int) -> None:
        """Look whether a file of this size may come at all."""
        if self._bytes + size > self._bounds.bytes:
            raise _beyond(f"more than {self._bounds.bytes} bytes")

    def content(self, size: int) -> None:
        """Count bytes that are about to be written."""
        self.announced(size)
        self._bytes += size
        self._until_look -= size
        if self._until_look < 0:
            disk = os.fstatvfs(self._root)
            spare = disk.f_bavail * disk.f_frsize - self._bounds.leave_free
            if spare < size:
                raise _beyond("the disk is nearly full")
            self._until_look = min(spare // 2, _LOOK_EVERY)


def _beyond(what: str) -> EngineError:
    return EngineError(what, operation="copy files to the record")


def _extract(stream: IO[bytes], root: int, meter: _Meter) -> list[_Parts]:
    """Unpack all, and return where links were made."""
    links: list[tuple[_Parts, bytes]] = []
    folders: list[tuple[_Parts, tarfile.TarInfo]] = []
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            parts = _parts(member.name)
            if not parts:
                continue
            meter.member(parts)
            if member.isdir():
                folders.append((parts, member))
                with suppress(NotADirectoryError), _opened(root, parts):
                    pass
            elif member.issym():
                links.append((parts, os.fsencode(member.linkname)))
            elif member.islnk():
                _link(root, parts, _parts(member.linkname))
            elif content := archive.extractfile(member):
                _write(root, parts, member, content, meter)
    made = [
        parts for parts, target in links if target and _symlink(root, parts, target)
    ]
    # The deepest first: a folder that is read-only takes no more files.
    for parts, member in reversed(folders):
        with suppress(OSError), _opened(root, parts, make=False) as folder:
            os.fchmod(folder, member.mode & 0o777 | 0o700)
            os.utime(folder, (member.mtime, member.mtime))
    return made


def _remove_leading_outside(root: int, destination: bytes, links: list[_Parts]) -> None:
    # All are there: only now can be told where a link through other links leads.
    base = os.path.realpath(destination)
    for parts in links:
        target = os.path.realpath(b"/".join((destination, *parts)))
        if target != base and not target.startswith(base + b"/"):
            with (
                suppress(FileNotFoundError),
                _opened(root, parts[:-1], make=False) as folder,
            ):
                os.unlink(parts[-1], dir_fd=folder)


def _parts(name: str) -> _Parts:
    """Return the components of a name, none where it leads outside."""
    parts = tuple(
        part for part in os.fsencode(name).split(b"/") if part not in (b"", b".")
    )
    return () if b".." in parts else parts


def _write(
    root: int,
    parts: _Parts,
    member: tarfile.TarInfo,
    content: IO[bytes],
    meter: _Meter,
) -> None:
    with _place(root, parts) as folder:
        if folder is None:
            return
        meter.announced(member.size)
        handle = os.open(parts[-1], _NEW, 0o600, dir_fd=folder)
        with os.fdopen(handle, "wb") as file:
            while data := content.read(_COPY):
                meter.content(len(data))
                file.write(data)
            file.flush()
            os.fchmod(handle, member.mode & 0o777)
            os.utime(handle, (member.mtime, member.mtime))


def _symlink(root: int, parts: _Parts, target: bytes) -> bool:
    with _place(root, parts) as folder:
        if folder is None:
            return False
        os.symlink(target, parts[-1], dir_fd=folder)
        return True


def _link(root: int, parts: _Parts, source: _Parts) -> None:
    """Make a hard link to a file that came before, if there is one."""
    if not source:
        return
    with (
        suppress(FileNotFoundError, NotADirectoryError, PermissionError),
        _opened(root, source[:-1], make=False) as origin,
        _place(root, parts) as folder,
    ):
        if folder is not None:
            os.link(
                source[-1],
                parts[-1],
                src_dir_fd=origin,
                dst_dir_fd=folder,
                follow_symlinks=False,
            )


@contextmanager
def _place(root: int, parts: _Parts) -> Iterator[int | None]:
    """Give the folder for a new file, whose name is free; None where that cannot be."""
    try:
        folder = _open(root, parts[:-1], make=True)
    except NotADirectoryError:
        yield None
        return
    try:
        try:
            os.unlink(parts[-1], dir_fd=folder)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            yield None
            return
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _opened(root: int, parts: _Parts, *, make: bool = True) -> Iterator[int]:
    """Give a folder below the root."""
    folder = _open(root, parts, make=make)
    try:
        yield folder
    finally:
        os.close(folder)


def _open(root: int, parts: _Parts, *, make: bool) -> int:
    """Open a folder below the root, step by step; a link on the way is an error."""
    current = os.dup(root)
    for part in parts:
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=current)
        try:
            following = os.open(part, _FOLDER, dir_fd=current)
        except OSError:
            os.close(current)
            raise
        os.close(current)
        current = following
    return current
