from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.dind import tar

_PARTS = st.binary(min_size=1, max_size=120).filter(
    lambda part: not set(part) & {0, ord("/")} and part not in (b".", b"..")
)
_NAMES = st.lists(_PARTS, min_size=1, max_size=4).map(b"/".join)


def read(*members: bytes) -> list[tarfile.TarInfo]:
    stream = io.BytesIO(b"".join([*members, tar.END]))
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        return archive.getmembers()


@given(
    name=_NAMES,
    content=st.binary(max_size=2000),
    mode=st.integers(0, 0o7777),
    mtime=st.integers(-5, 2**33 - 1),
)
@pytest.mark.property
def test_a_file_is_read_as_it_was_written(
    name: bytes, content: bytes, mode: int, mtime: int
) -> None:
    size = len(content)
    head = tar.file_head(name, mode=mode, size=size, mtime=mtime)
    stream = io.BytesIO(head + content + tar.padding(size) + tar.END)

    with tarfile.open(fileobj=stream, mode="r:") as archive:
        (member,) = archive.getmembers()
        extracted = archive.extractfile(member)
        assert extracted is not None
        assert extracted.read() == content
    assert member.name.encode("utf-8", "surrogateescape") == name
    assert (member.mode, member.mtime) == (mode, max(mtime, 0))
    assert (member.uid, member.gid) == (0, 0)


@given(name=_NAMES, target=st.binary(min_size=1, max_size=300))
@pytest.mark.property
def test_a_link_is_read_as_it_was_written(name: bytes, target: bytes) -> None:
    target = target.replace(b"\0", b"x")

    (member,) = read(tar.symlink(name, target, mtime=7))

    assert member.issym()
    assert member.linkname.encode("utf-8", "surrogateescape") == target


def test_folders_and_whiteouts() -> None:
    folder, whiteout = read(
        tar.directory(b"a", mode=0o755, mtime=1), tar.whiteout(b"gone")
    )

    assert (folder.name, folder.isdir(), folder.mode) == ("a", True, 0o755)
    assert whiteout.ischr()
    assert (whiteout.devmajor, whiteout.devminor) == (0, 0)


def test_sizes_have_no_limit() -> None:
    head = tar.file_head(b"big", mode=0o644, size=9 * 1024**3, mtime=0)

    assert tarfile.TarInfo.frombuf(head, "utf-8", "strict").size == 9 * 1024**3
