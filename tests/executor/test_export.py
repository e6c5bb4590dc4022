from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.executor.export import copy_into, export_layer
from tests.fakes import FakeBackend

if TYPE_CHECKING:
    from pathlib import Path


def test_files_links_and_modes_are_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "a/b").mkdir(parents=True)
    (source / "a/b/run").write_bytes(b"new")
    (source / "a/b/run").chmod(0o755)
    (source / "a/link").symlink_to("b/run")
    (target / "a/b").mkdir(parents=True)
    (target / "a/b/run").write_bytes(b"old")
    (target / "kept").write_bytes(b"1")

    assert copy_into(source, target) == 2

    assert (target / "a/b/run").read_bytes() == b"new"
    assert (target / "a/b/run").stat().st_mode & 0o777 == 0o755
    assert (target / "a/link").readlink().as_posix() == "b/run"
    assert (target / "kept").exists()


def test_nothing_is_written_through_a_link_of_the_target(tmp_path: Path) -> None:
    source, target, outside = (tmp_path / name for name in ("s", "t", "outside"))
    for folder in (source / "dir", target, outside):
        folder.mkdir(parents=True)
    (source / "dir/file").write_bytes(b"evil")
    (source / "file").write_bytes(b"evil")
    (outside / "victim").write_bytes(b"safe")
    (target / "dir").symlink_to(outside)
    (target / "file").symlink_to(outside / "victim")

    copy_into(source, target)

    assert list(outside.iterdir()) == [outside / "victim"]
    assert (outside / "victim").read_bytes() == b"safe"
    assert (target / "file").read_bytes() == b"evil"
    assert not (target / "file").is_symlink()


def test_git_is_left_alone_and_folders_are_not_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    (source / ".GIT/hooks").mkdir(parents=True)
    (source / ".GIT/hooks/pre-commit").write_bytes(b"evil")
    (source / "folder").write_bytes(b"file")
    (target / "folder").mkdir(parents=True)

    assert copy_into(source, target) == 0

    assert not (target / ".GIT").exists()
    assert (target / "folder").is_dir()


def test_no_target(tmp_path: Path) -> None:
    assert copy_into(tmp_path, tmp_path / "none") == 0


async def test_an_export_replaces_what_was_there(tmp_path: Path) -> None:
    workspaces = FakeBackend().workspaces
    layer = workspaces.layer({"a/x": b"1"})
    destination = tmp_path / "artifacts"
    destination.mkdir()
    (destination / "old").write_bytes(b"")

    await export_layer(workspaces, layer, destination)

    assert [path.name for path in destination.iterdir()] == ["a"]
