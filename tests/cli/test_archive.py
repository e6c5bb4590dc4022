from __future__ import annotations

import os
import stat
import zipfile
from typing import TYPE_CHECKING

from spotci.cli.archive import archive_paths, write_archive
from spotci.pipeline import JobName

if TYPE_CHECKING:
    from pathlib import Path


def test_an_archive_holds_what_the_folder_holds(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    (folder / "bin").mkdir(parents=True)
    (folder / "empty").mkdir()
    tool = folder / "bin" / "tool"
    tool.write_bytes(b"#!" + bytes(3_000_000))
    tool.chmod(0o755)
    (folder / "latest").symlink_to("bin/tool")
    (folder / "out").symlink_to(tmp_path)
    target = tmp_path / "new" / "app.zip"

    write_archive(folder, target)

    with zipfile.ZipFile(target) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert archive.testzip() is None
        assert archive.read("bin/tool") == tool.read_bytes()
        assert archive.read("latest") == b"bin/tool"
    assert sorted(modes) == ["bin/", "bin/tool", "empty/", "latest", "out"]
    assert stat.S_IMODE(modes["bin/tool"]) == 0o755
    assert stat.S_ISLNK(modes["latest"])
    assert [path.name for path in target.parent.iterdir()] == ["app.zip"]


def test_files_before_1980_can_be_archived(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "old").touch()
    os.utime(folder / "old", (0, 0))

    write_archive(folder, tmp_path / "a.zip")

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.getinfo("old").date_time == (1980, 1, 1, 0, 0, 0)


def test_archives_of_one_name_are_told_apart(tmp_path: Path) -> None:
    jobs = [JobName(name) for name in ("build: [a]", "build: [b]", "docs")]
    names = dict(zip(jobs, ("artifacts", "artifacts", "docs-main"), strict=True))
    slugs = dict(zip(jobs, ("build-a", "build-b", "docs"), strict=True))

    paths = archive_paths(tmp_path, names, slugs)

    assert [path.name for path in paths.values()] == [
        "build-a-artifacts.zip",
        "build-b-artifacts.zip",
        "docs-main.zip",
    ]
