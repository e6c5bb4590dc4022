from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import UsageError
from spotci.project import source_tree
from spotci.project.tree import _blob_id
from spotci.tree import Submodule
from tests.project.repositories import GitFolder

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.project import SourceKind
    from spotci.tree import SourceTree


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def contents(tree: SourceTree) -> dict[str, str]:
    return {
        entry.path: (tree.root / entry.path).read_text()
        for entry in tree.entries
        if stat.S_ISREG(entry.mode)
    }


def test_the_working_tree_is_as_it_is_on_disk(
    repository: GitFolder, scratch: Path
) -> None:
    sha = repository.commit(
        {"edited": "1", "deleted": "1", "run": "#!", ".gitignore": "*.log\n/out/\n"}
    )
    repository.write(
        {"edited": "22", "new/file": "3", "x.log": "", "out/y": "", ".spotci/z": ""}
    )
    (repository.root / "deleted").unlink()
    (repository.root / "run").chmod(0o755)
    (repository.root / "link").symlink_to("new")
    (repository.root / "broken").symlink_to("/nowhere")

    tree = source_tree(repository.open(), "worktree", scratch)

    entries = {entry.path: entry for entry in tree.entries}
    assert set(entries) == {".gitignore", "edited", "run", "new/file", "link", "broken"}
    assert tree.root == repository.root
    assert tree.sha == sha
    assert tree.tracked == {".gitignore", "edited", "deleted", "run"}
    found = (repository.root / "edited").stat()
    assert (entries["edited"].size, entries["edited"].mtime_ns) == (
        2,
        found.st_mtime_ns,
    )
    assert stat.S_IMODE(entries["run"].mode) == 0o755
    assert stat.S_ISLNK(entries["link"].mode)
    assert stat.S_ISLNK(entries["broken"].mode)


def test_the_index_is_what_is_staged(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "1", "b": "1", "run": "#!"})
    repository.write({"a": "2", "c": "3"})
    repository.git("update-index", "--chmod=+x", "run")
    repository.git("add", "a", "c")
    repository.write({"a": "worktree", "d": "4"})
    before = (repository.root / ".git/index").read_bytes()

    tree = source_tree(repository.open(), "index", scratch)

    assert contents(tree) == {"a": "2", "b": "1", "c": "3", "run": "#!"}
    modes = {entry.path: entry.mode for entry in tree.entries}
    assert modes["run"] & stat.S_IXUSR
    assert tree.tracked == {"a", "b", "c", "run"}
    assert (repository.root / ".git/index").read_bytes() == before


def test_head_is_what_is_committed(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "1", "sub/b": "1"})
    repository.write({"a": "2", "c": "3"})
    repository.git("add", "-A")
    (repository.root / "sub/b").unlink()

    tree = source_tree(repository.open(), "head", scratch)

    assert contents(tree) == {"a": "1", "sub/b": "1"}


@pytest.mark.parametrize("source", ["index", "head"])
def test_before_the_first_commit_and_staging_there_is_nothing(
    repository: GitFolder, scratch: Path, source: SourceKind
) -> None:
    repository.write({"a": "1"})

    tree = source_tree(repository.open(), source, scratch)

    assert (tree.entries, tree.sha) == ((), "")


@pytest.fixture
def nested(repository: GitFolder, tmp_path: Path, environ: dict[str, str]) -> GitFolder:
    """A repository with a submodule that has one itself, and a new file in it."""
    deep = GitFolder.create(tmp_path / "deep", environ)
    deep.commit({"y": "1"})
    lib = GitFolder.create(tmp_path / "lib", environ)
    lib.commit({"x": "1"})
    lib.git("submodule", "--quiet", "add", str(deep.root), "deep")
    lib.commit()
    repository.commit({"a": "1"})
    repository.git("submodule", "--quiet", "add", str(lib.root), "lib")
    repository.git("submodule", "--quiet", "update", "--init", "--recursive")
    repository.commit()
    repository.write({"lib/new": "1"})
    return repository


@pytest.mark.parametrize(
    ("source", "new"),
    [
        pytest.param("worktree", {"lib/new"}, id="worktree"),
        pytest.param("index", set(), id="index"),
        pytest.param("head", set(), id="head"),
    ],
)
def test_submodules_are_part_of_the_tree(
    nested: GitFolder, scratch: Path, source: SourceKind, new: set[str]
) -> None:
    tree = source_tree(nested.open(), source, scratch)

    committed = {".gitmodules", "a", "lib/.gitmodules", "lib/x", "lib/deep/y"}
    assert {entry.path for entry in tree.entries} == committed | new


@pytest.mark.parametrize(
    ("kept", "seen"),
    [
        (set(), set()),
        ({"lib"}, {"lib/.gitmodules", "lib/x"}),
        ({"lib", "lib/deep"}, {"lib/.gitmodules", "lib/x", "lib/deep/y"}),
    ],
)
@pytest.mark.parametrize("source", ["worktree", "index", "head"])
def test_a_tree_with_some_of_its_submodules(
    nested: GitFolder,
    scratch: Path,
    source: SourceKind,
    kept: set[str],
    seen: set[str],
) -> None:
    tree = source_tree(nested.open(), source, scratch)

    assert tree.submodules == (
        Submodule(path="lib"),
        Submodule(path="lib/deep", nested=True),
    )
    files = {entry.path for entry in tree.with_submodules(kept).entries}
    assert {path for path in files if path.startswith("lib/")} - {"lib/new"} == seen


@pytest.mark.parametrize("source", ["worktree", "head"])
def test_submodules_have_git_folders_where_git_has_them(
    nested: GitFolder, tmp_path: Path, scratch: Path, source: SourceKind
) -> None:
    tree = source_tree(nested.open(), source, scratch)
    workspace = GitFolder(tmp_path / "workspace", nested.environ)
    for entry in tree.entries:
        file = workspace.root / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree.root / entry.path, file)
    assert tree.git is not None
    assert tree.submodule_git is not None
    shutil.copytree(tree.git.prepare(1), workspace.root / ".git")

    tree.submodule_git.fill(workspace.root, {"lib", "lib/deep"}, 1)

    def heads(folder: GitFolder) -> list[str]:
        paths = (".", "lib", "lib/deep")
        return [folder.git("-C", path, "rev-parse", "HEAD") for path in paths]

    assert heads(workspace) == heads(nested)
    expected = "?? new" if source == "worktree" else ""
    assert workspace.git("-C", "lib", "status", "--short") == expected
    assert workspace.git("-C", "lib/deep", "status", "--short") == ""
    status = workspace.git("submodule", "status", "--recursive")
    assert [line.split()[1] for line in status.splitlines()] == ["lib", "lib/deep"]


def test_a_submodule_that_is_not_checked_out_is_left_out(
    repository: GitFolder, tmp_path: Path, environ: dict[str, str], scratch: Path
) -> None:
    lib = GitFolder.create(tmp_path / "lib", environ)
    lib.commit({"x": "1"})
    repository.git("submodule", "--quiet", "add", str(lib.root), "lib")
    repository.commit({"a": "1"})
    repository.git("submodule", "--quiet", "deinit", "-f", "lib")

    tree = source_tree(repository.open(), "worktree", scratch)

    assert {entry.path for entry in tree.entries} == {".gitmodules", "a"}
    assert tree.submodules == (Submodule(path="lib", checked_out=False),)


def test_a_repository_inside_that_is_no_submodule_is_left_out(
    repository: GitFolder, environ: dict[str, str], scratch: Path
) -> None:
    repository.commit({"a": "1"})
    GitFolder.create(repository.root / "inner", environ).commit({"x": "1"})

    tree = source_tree(repository.open(), "worktree", scratch)

    assert {entry.path for entry in tree.entries} == {"a"}


@pytest.mark.parametrize("source", ["worktree", "index", "head"])
def test_a_root_below_the_top_has_its_own_files_alone(
    repository: GitFolder, scratch: Path, source: SourceKind
) -> None:
    repository.commit({"other": "1", "shop/.gitlab-ci.yml": "x", "shop/a/b": "1"})
    project = GitFolder(repository.root / "shop", repository.environ).open()

    tree = source_tree(project, source, scratch)

    assert contents(tree) == {".gitlab-ci.yml": "x", "a/b": "1"}
    assert tree.git is None


def test_a_conflict_is_listed_once(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "-q", "-b", "other")
    repository.commit({"a": "2"})
    repository.git("checkout", "-q", "main")
    repository.commit({"a": "3"})
    with pytest.raises(AssertionError):
        repository.git("merge", "-q", "other")

    tree = source_tree(repository.open(), "worktree", scratch)

    assert [entry.path for entry in tree.entries] == ["a"]


def test_odd_names_survive(repository: GitFolder, scratch: Path) -> None:
    names = {"mit Leer", "ä", "new\nline", "-dash", "tab\t", "*", os.fsdecode(b"\xff")}
    repository.commit(dict.fromkeys(names, "1"))
    repository.write({"also\nnew": "1"})

    for source in ("worktree", "head"):
        folder = scratch / source
        folder.mkdir()
        tree = source_tree(repository.open(), source, folder)
        assert {entry.path for entry in tree.entries} - {"also\nnew"} == names


def test_without_git_all_files_are_walked(
    tmp_path: Path, environ: dict[str, str], scratch: Path
) -> None:
    folder = GitFolder(tmp_path / "plain", environ)
    folder.write({"a": "1", "b/c": "1", ".spotci/x": "1", "b/.spotci/y": "1"})
    (folder.root / "to-b").symlink_to("b")

    tree = source_tree(folder.open(), "worktree", scratch)

    assert [entry.path for entry in tree.entries] == ["a", "b/c", "to-b"]
    assert tree.tracked == frozenset()
    assert tree.git is None
    with pytest.raises(UsageError, match="--source head needs a git repository"):
        source_tree(folder.open(), "head", scratch)


def test_sockets_and_pipes_are_left_out(
    tmp_path: Path, environ: dict[str, str], scratch: Path
) -> None:
    folder = GitFolder(tmp_path / "plain", environ)
    folder.write({"a": "1"})
    os.mkfifo(folder.root / "pipe")

    tree = source_tree(folder.open(), "worktree", scratch)

    assert [entry.path for entry in tree.entries] == ["a"]


def test_blob_ids_are_those_of_git(repository: GitFolder, scratch: Path) -> None:
    repository.write({"a": "text\n", "empty": "", "folder/b": "1"})
    (repository.root / "link").symlink_to("a")
    repository.commit()
    tree = source_tree(repository.open(), "worktree", scratch)
    assert tree.blob_ids is not None

    found = tree.blob_ids(("a", "empty", "link", "folder", "none", "nul\0"))

    assert found == {
        name: repository.git("rev-parse", f"HEAD:{name}")
        for name in ("a", "empty", "link")
    }


@given(st.lists(st.binary()))
def test_a_blob_id_does_not_depend_on_the_chunks(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)

    assert _blob_id(chunks, len(whole)) == _blob_id([whole])
