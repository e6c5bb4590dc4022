from __future__ import annotations

import io
import shutil
import stat
import tarfile
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotci.dind.extract import Bounds, extract
from spotci.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

_Member: TypeAlias = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def file(name: str, content: bytes = b"content", **fields: Any) -> _Member:
    return member(name, size=len(content), **fields), content


def link(name: str, target: str) -> _Member:
    return member(name, tarfile.SYMTYPE, linkname=target), b""


def hard(name: str, target: str) -> _Member:
    return member(name, tarfile.LNKTYPE, linkname=target), b""


def folder(name: str, mode: int = 0o755) -> _Member:
    return member(name, tarfile.DIRTYPE, mode=mode), b""


def archive(*members: _Member) -> io.BytesIO:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as made:
        for info, content in members:
            made.addfile(info, io.BytesIO(content))
    data.seek(0)
    return data


def found(root: Path) -> dict[str, str | bytes | None]:
    """Return what is in a folder: contents, targets of links, None for folders."""
    entries: dict[str, str | bytes | None] = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            entries[name] = str(path.readlink())
        else:
            entries[name] = None if path.is_dir() else path.read_bytes()
    return entries


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder beside the destination that nothing may touch."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"untouched")
    return outside


def test_files_folders_and_links_come_out(tmp_path: Path) -> None:
    stream = archive(
        folder("./"),
        folder("./a"),
        file("./a/b", b"1"),
        link("./c", "a/b"),
        hard("./d", "./a/b"),
        folder("empty"),
    )

    extract(stream, tmp_path / "out")

    assert found(tmp_path / "out") == {
        "a": None,
        "a/b": b"1",
        "c": "a/b",
        "d": b"1",
        "empty": None,
    }


def test_permissions_and_times_are_kept_without_set_user_id(tmp_path: Path) -> None:
    stream = archive(
        folder("private", 0o500), file("private/run", mode=0o6755, mtime=1_600_000_000)
    )

    extract(stream, tmp_path)

    info = (tmp_path / "private/run").stat()
    assert (stat.S_IMODE(info.st_mode), info.st_mtime) == (0o755, 1_600_000_000)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([file("../outside/x")], id="name leads up"),
        pytest.param([file("a/../../outside/x")], id="name leads up later"),
        pytest.param([link("l", "../outside"), file("l/x")], id="through a link"),
        pytest.param([link("l", "../outside/x"), file("l")], id="over a link"),
        pytest.param([file("l"), link("l", "../outside/x")], id="link over a file"),
        pytest.param(
            [link("l", "../outside"), link("l/x", "y")], id="link through a link"
        ),
        pytest.param(
            [link("l", "../outside"), link("l/x", "/etc/hostname")],
            id="link outside through a link",
        ),
        pytest.param([hard("h", "../outside/x"), file("h")], id="hard link leads up"),
        pytest.param(
            [link("l", "../outside/x"), hard("h", "l"), file("h")],
            id="hard link to a link",
        ),
        pytest.param(
            [
                folder("d/e"),
                link("d/e/up", "../.."),
                link("m", "d/e/up/../outside/x"),
            ],
            id="links that lead outside together",
        ),
        pytest.param(
            [link("a", "b"), link("b", "../outside"), file("a/x")], id="chain of links"
        ),
    ],
)
def test_nothing_outside_is_touched(
    tmp_path: Path, canary: Path, members: list[_Member]
) -> None:
    destination = tmp_path / "out"

    extract(archive(*members), destination)

    assert found(canary) == {"x": b"untouched"}
    base = destination.resolve()
    for path in destination.rglob("*"):
        assert path.resolve().is_relative_to(base)


def test_absolute_names_lie_below_the_folder(tmp_path: Path) -> None:
    extract(archive(file("/etc/spotci-test", b"1")), tmp_path)

    assert found(tmp_path) == {"etc": None, "etc/spotci-test": b"1"}


@pytest.mark.parametrize(
    "kind",
    [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    ids=["character device", "block device", "pipe"],
)
def test_what_is_no_file_is_left_out(tmp_path: Path, kind: bytes) -> None:
    extract(archive((member("x", kind), b""), file("y", b"1")), tmp_path)

    assert found(tmp_path) == {"y": b"1"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([file("a", b"1"), file("a", b"2")], {"a": b"2"}, id="twice"),
        pytest.param(
            [file("a/b", b"1"), file("a", b"2")],
            {"a": None, "a/b": b"1"},
            id="file over folder",
        ),
        pytest.param(
            [file("a", b"1"), file("a/b", b"2")], {"a": b"1"}, id="folder over file"
        ),
        pytest.param([hard("a", "none")], {}, id="hard link to nothing"),
        pytest.param([link("a", "")], {}, id="link to nothing at all"),
    ],
)
def test_members_that_contradict_one_another(
    tmp_path: Path,
    members: list[_Member],
    expected: dict[str, object],
) -> None:
    extract(archive(*members), tmp_path)

    assert found(tmp_path) == expected


def test_names_need_not_be_text(tmp_path: Path) -> None:
    name = "a\n-\udcff" + "x" * 150

    extract(archive(file(name, b"1"), link("l", name)), tmp_path)

    assert found(tmp_path) == {name: b"1", "l": name}


@pytest.mark.parametrize(
    ("members", "bounds", "expected"),
    [
        pytest.param(
            [file(str(number)) for number in range(4)],
            Bounds(members=3),
            "copy files to the record: more than 3 files",
            id="too many",
        ),
        pytest.param(
            [file("a", bytes(600)), file("b", bytes(500))],
            Bounds(bytes=1000),
            "copy files to the record: more than 1000 bytes",
            id="too much in all",
        ),
        pytest.param(
            [folder("/".join("d" * 201))],
            Bounds(),
            "copy files to the record: folders deeper than 200",
            id="too deep",
        ),
        pytest.param(
            [file("a")],
            Bounds(leave_free=1 << 60),
            "copy files to the record: the disk is nearly full",
            id="no room would stay",
        ),
    ],
)
def test_what_is_beyond_the_bounds_is_refused(
    tmp_path: Path, members: list[_Member], bounds: Bounds, expected: str
) -> None:
    with pytest.raises(EngineError) as caught:
        extract(archive(*members), tmp_path / "out", bounds)

    assert str(caught.value) == expected


def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """Its header says a terabyte; what came of it until now is a block."""
    head = member("zeros", size=1 << 40).tobuf(tarfile.GNU_FORMAT)

    with pytest.raises(EngineError, match="more than 21474836480 bytes"):
        extract(io.BytesIO(head + bytes(512)), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_names_that_differ_in_case_do_not_meet_outside(
    tmp_path: Path, canary: Path
) -> None:
    stream = archive(
        link("Dir", "../outside"), folder("dir"), file("dir/x"), file("DIR/x")
    )

    extract(stream, tmp_path / "out")

    assert found(canary) == {"x": b"untouched"}
    assert (tmp_path / "out/dir/x").read_bytes() == b"content"


def test_paths_that_are_too_long_for_the_kernel_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="File name too long"):
        extract(archive(file("n" * 300)), tmp_path)


def test_paths_longer_than_the_kernel_takes_at_once_come_out(tmp_path: Path) -> None:
    name = "/".join(["n" * 200] * 30)

    extract(archive(file(name, b"1")), tmp_path / "out")

    shutil.rmtree(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_names_with_a_nul_end_there(tmp_path: Path) -> None:
    stream = archive(file("a\0/../../outside", b"1"))

    extract(stream, tmp_path / "out")

    assert found(tmp_path / "out") == {"a": b"1"}


def test_a_damaged_stream_is_an_error(tmp_path: Path) -> None:
    data = archive(file("a", bytes(10_000))).getvalue()

    with pytest.raises(EngineError):
        extract(io.BytesIO(data[:3000]), tmp_path)


_PARTS = st.sampled_from(["a", "b", "..", ".", "", "outside", "x"])
_NAMES = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_MEMBERS = st.one_of(
    st.builds(file, _NAMES),
    st.builds(folder, _NAMES),
    st.builds(link, _NAMES, _NAMES),
    st.builds(hard, _NAMES, _NAMES),
)


@pytest.mark.property
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(members=st.lists(_MEMBERS, max_size=8))
def test_no_archive_touches_what_is_outside(
    tmp_path_factory: pytest.TempPathFactory,
    members: list[_Member],
) -> None:
    root = tmp_path_factory.mktemp("extract")
    (root / "outside").mkdir()
    (root / "outside/x").write_bytes(b"untouched")

    extract(archive(*members), root / "out")

    assert found(root / "outside") == {"x": b"untouched"}
    assert sorted(path.name for path in root.iterdir()) == ["out", "outside"]
