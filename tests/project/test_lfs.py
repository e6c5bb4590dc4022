"""Files of Git LFS, with pointers as its clean filter makes them.

The filter itself is not needed: what git holds is the pointer, and what the working
tree holds is the content, or the pointer where nothing was fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.project import source_tree

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.project import SourceKind
    from tests.project.repositories import GitFolder

POINTER = """\
version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""
WHOLE = "in git since before it was tracked by LFS\n"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def assets(repository: GitFolder) -> GitFolder:
    """A repository with LFS files: one was fetched, one not, one is older than LFS."""
    repository.commit(
        {
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            "plain.txt": "text",
            "here.bin": POINTER,
            "sub dir/there.bin": POINTER,
            "old.bin": WHOLE,
        }
    )
    repository.write({"here.bin": "the content"})
    return repository


@pytest.mark.parametrize(
    ("source", "absent"),
    [
        pytest.param("worktree", ("sub dir/there.bin",), id="worktree"),
        pytest.param("head", ("here.bin", "sub dir/there.bin"), id="head"),
    ],
)
def test_files_are_as_they_are_on_disk_and_pointers_can_be_had(
    assets: GitFolder, scratch: Path, source: SourceKind, absent: tuple[str, ...]
) -> None:
    tree = source_tree(assets.open(), source, scratch)

    assert tree.lfs is not None
    assert tree.lfs.absent == absent
    assert tree.lfs.pointers() == {
        "here.bin": POINTER.encode(),
        "sub dir/there.bin": POINTER.encode(),
    }
    if source == "worktree":
        assert (tree.root / "here.bin").read_text() == "the content"


def test_attributes_of_folders_count(repository: GitFolder, scratch: Path) -> None:
    repository.commit({"data/.gitattributes": "* filter=lfs\n.gitattributes !filter\n"})
    repository.commit({"data/x": POINTER, "y": POINTER})

    tree = source_tree(repository.open(), "worktree", scratch)

    assert tree.lfs is not None
    assert tree.lfs.absent == ("data/x",)


@pytest.mark.parametrize("attributes", [None, "*.bin binary\n"])
def test_a_project_without_lfs(
    repository: GitFolder, scratch: Path, attributes: str | None
) -> None:
    files = {} if attributes is None else {".gitattributes": attributes}
    repository.commit({"a.bin": POINTER, **files})

    assert source_tree(repository.open(), "worktree", scratch).lfs is None
