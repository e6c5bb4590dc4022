from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spotci.project import source_tree
from tests.project.repositories import GitFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotci.project import SourceKind


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def job_git(
    repository: GitFolder,
    scratch: Path,
    *arguments: str,
    depth: int = 20,
    source: SourceKind = "worktree",
) -> str:
    """Run git as a job would: with the prepared folder over the source tree."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    tree = source_tree(repository.open(), source, folder)
    assert tree.git is not None
    directory = tree.git.prepare(depth)
    return repository.git(
        f"--git-dir={directory}", f"--work-tree={tree.root}", *arguments
    )


def job_status(
    repository: GitFolder, scratch: Path, source: SourceKind = "worktree"
) -> list[str]:
    """Return the lines of ``git status`` in a job, sorted and trimmed."""
    status = job_git(repository, scratch, "status", "--porcelain", source=source)
    return sorted(line.strip() for line in status.splitlines())


def test_head_is_detached_at_the_commit(repository: GitFolder, scratch: Path) -> None:
    sha = repository.commit({"a": "1"})

    assert job_git(repository, scratch, "rev-parse", "HEAD") == sha
    assert job_git(repository, scratch, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert job_git(repository, scratch, "branch", "-r") == "origin/main"


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (2, 2), (20, 4), (0, 4)])
def test_depth_is_the_number_of_commits(
    repository: GitFolder, scratch: Path, depth: int, count: int
) -> None:
    for number in range(4):
        repository.commit({"a": str(number)})

    log = job_git(repository, scratch, "log", "--format=%H", depth=depth)

    assert len(log.splitlines()) == count


def test_tags_within_the_depth_are_there(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "0"})
    repository.git("tag", "v0")
    repository.commit({"a": "1"})
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.commit({"a": "2"})

    assert job_git(repository, scratch, "describe", depth=2).startswith("v1-1-g")
    assert job_git(repository, scratch, "tag", depth=2) == "v1"
    assert job_git(repository, scratch, "tag", depth=0) == "v0\nv1"


def test_changes_of_the_developer_are_changes_and_nothing_else_is(
    repository: GitFolder, scratch: Path
) -> None:
    repository.commit({"a": "1", "b": "1", "c": "1", "gone": "1", ".gitignore": "x"})
    repository.write({"a": "2", "staged": "1", "new": "1", "x": "1"})
    repository.git("add", "staged")
    (repository.root / "gone").unlink()

    status = job_status(repository, scratch)

    assert status == ["?? new", "?? staged", "D gone", "M a"]


def test_a_change_in_the_second_of_the_commit_is_seen(
    repository: GitFolder, scratch: Path
) -> None:
    repository.commit({"a": "1"})
    file = repository.root / "a"
    moment = file.stat().st_mtime_ns
    repository.write({"a": "2"})
    for path in (file, repository.root / ".git/index"):
        os.utime(path, ns=(moment, moment))

    assert job_status(repository, scratch) == ["M a"]


def test_files_that_did_not_change_need_not_be_read(
    repository: GitFolder, scratch: Path
) -> None:
    repository.commit({"a": "1"})
    hour = 3_600 * 10**9
    for path in (repository.root / "a", repository.root / ".git/index"):
        os.utime(path, ns=(hour, hour))
    repository.git("update-index", "--refresh")

    entries = job_git(repository, scratch, "ls-files", "--debug")

    assert "mtime: 3600:0" in entries
    assert "size: 1" in entries


@pytest.mark.parametrize(
    ("source", "expected"), [("index", ["M b"]), ("head", [])], ids=["index", "head"]
)
def test_other_sources_are_compared_with_the_commit(
    repository: GitFolder, scratch: Path, source: SourceKind, expected: list[str]
) -> None:
    repository.commit({"a": "1", "b": "1"})
    repository.write({"a": "2", "b": "2"})
    repository.git("add", "b")

    assert job_status(repository, scratch, source) == expected


def test_a_conflict_does_not_stand_in_the_way(
    repository: GitFolder, scratch: Path
) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "-q", "-b", "other")
    repository.commit({"a": "2"})
    repository.git("checkout", "-q", "main")
    repository.commit({"a": "3"})
    with pytest.raises(AssertionError):
        repository.git("merge", "-q", "other")

    assert job_status(repository, scratch) == ["M a"]


def test_a_split_index_is_taken_over(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "1", "b": "1"})
    repository.git("update-index", "--split-index")
    repository.write({"b": "2"})

    assert job_status(repository, scratch) == ["M b"]
    assert job_status(repository, scratch, "index") == []


def test_the_remote_has_no_credentials(repository: GitFolder, scratch: Path) -> None:
    repository.git(
        "remote", "set-url", "origin", "https://ada:canary@gitlab.com/acme/shop.git"
    )
    repository.commit()

    config = job_git(repository, scratch, "config", "--list")

    assert "remote.origin.url=https://gitlab.com/acme/shop.git" in config
    assert "canary" not in config


def test_nothing_is_shared_with_the_developer(
    repository: GitFolder, scratch: Path
) -> None:
    repository.commit({"a": "1"})
    hook = repository.root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    tree = source_tree(repository.open(), "worktree", scratch)
    assert tree.git is not None

    directory = tree.git.prepare(20)

    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    assert all(path.stat().st_nlink == 1 for path in files)
    assert not list(directory.rglob("hooks/*"))
    assert not (directory / "objects/info/alternates").exists()


def test_a_shallow_repository_is_enough(
    repository: GitFolder, tmp_path: Path, scratch: Path
) -> None:
    for number in range(4):
        repository.commit({"a": str(number)})
    repository.git(
        "clone", "-q", "--depth=2", f"file://{repository.root}", str(tmp_path / "copy")
    )
    copy = GitFolder(tmp_path / "copy", repository.environ)

    for depth in (20, 0):
        log = job_git(copy, scratch, "log", "--format=%H", depth=depth)
        assert len(log.splitlines()) == 2


def test_a_worktree_has_its_own_head(
    repository: GitFolder, tmp_path: Path, scratch: Path
) -> None:
    repository.commit({"a": "1"})
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    other = GitFolder(tmp_path / "other", repository.environ)
    sha = other.commit({"b": "1"})
    other.write({"b": "2"})

    assert job_git(other, scratch, "rev-parse", "HEAD") == sha
    assert job_status(other, scratch) == ["M b"]


def test_before_the_first_commit_there_is_an_empty_repository(
    repository: GitFolder, scratch: Path
) -> None:
    repository.write({"a": "1"})

    assert job_status(repository, scratch) == ["?? a"]


def test_a_detached_head_can_be_prepared(repository: GitFolder, scratch: Path) -> None:
    sha = repository.commit({"a": "1"})
    repository.git("checkout", "-q", "--detach")

    assert job_git(repository, scratch, "rev-parse", "HEAD") == sha


def test_it_is_made_once_though_many_ask(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "1"})
    tree = source_tree(repository.open(), "worktree", scratch)
    assert tree.git is not None

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(tree.git.prepare, [20, 20, 20, 1]))

    assert len(set(found)) == 2


def test_a_repository_of_sha256(
    tmp_path: Path, environ: dict[str, str], scratch: Path
) -> None:
    root = tmp_path / "sha256"
    root.mkdir()
    folder = GitFolder(root, environ)
    folder.git("init", "-q", "-b", "main", "--object-format=sha256")
    sha = folder.commit({"a": "1"})

    assert len(sha) == 64
    assert job_git(folder, scratch, "rev-parse", "HEAD") == sha


def _key(repository: GitFolder, scratch: Path, depth: int = 20) -> str:
    tree = source_tree(repository.open(), "worktree", scratch)
    assert tree.git is not None
    return tree.git.key(depth)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: folder.commit({"b": "1"}), id="commit"),
        pytest.param(lambda folder: folder.git("tag", "v2"), id="tag"),
        pytest.param(
            lambda folder: folder.git("tag", "-a", "-m", "x", "v1.1", "HEAD~1"),
            id="tag on an older commit",
        ),
        pytest.param(lambda folder: folder.git("tag", "-d", "v1"), id="tag removed"),
        pytest.param(lambda folder: folder.git("checkout", "-qb", "x"), id="branch"),
        pytest.param(
            lambda folder: (folder.write({"a": "2"}), folder.git("add", "a")),
            id="index",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_folder_that_would_differ_has_another_key(
    repository: GitFolder,
    scratch: Path,
    change: Callable[[GitFolder], object],
    *,
    packed: bool,
) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "1", "c": "1"})
    repository.git("tag", "v1")
    if packed:
        repository.git("pack-refs", "--all")
    before = _key(repository, scratch)

    assert _key(repository, scratch) == before
    assert _key(repository, scratch, depth=1) != before
    change(repository)
    assert _key(repository, scratch) != before


def test_nothing_is_prepared_for_a_key(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "1"})

    _key(repository, scratch)

    assert list(scratch.iterdir()) == []
