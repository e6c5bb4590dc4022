"""The files of a project that Git LFS keeps: in git there are pointers to them.

Which they are is told by the attribute ``filter=lfs``. Nothing is fetched, and no
program of Git LFS is needed: the working tree has the content, or it has not.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from spotci.project.git import git_output
from spotci.tree import LfsFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from spotci.project.project import Project

__all__ = ["find_lfs_files"]

_ATTRIBUTES = ".gitattributes"
_FILTER = b"filter=lfs"
#: How a pointer begins, and the bytes that it has at most.
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_LARGEST = 1024


def find_lfs_files(
    project: Project, root: Path, tracked: Iterable[str]
) -> LfsFiles | None:
    """Return the LFS files of a project, None where no attribute speaks of LFS.

    ``root`` is where the files of the tree are, ``tracked`` their paths.
    """
    if project.git is None or not _uses_lfs(root, tracked):
        return None
    staged = _staged(project)
    absent = tuple(path for path in staged if _is_pointer(root / path))
    return LfsFiles(absent=absent, pointers=partial(_pointers, project, staged))


def _uses_lfs(root: Path, tracked: Iterable[str]) -> bool:
    for path in tracked:
        if path == _ATTRIBUTES or path.endswith(f"/{_ATTRIBUTES}"):
            try:
                if _FILTER in (root / path).read_bytes():
                    return True
            except OSError:
                continue
    return False


def _staged(project: Project) -> dict[str, str]:
    """Return the blobs of the LFS files, by path."""
    output = project.git_output(
        *("ls-files", "-z", "--stage", "--", ":(attr:filter=lfs)"),
        # Everywhere else a path is taken as it is written.
        extra={"GIT_LITERAL_PATHSPECS": "0"},
    )
    blobs: dict[str, str] = {}
    for record in os.fsdecode(output).split("\0"):
        head, tab, path = record.partition("\t")
        if tab:
            blobs[path] = head.split(" ")[1]
    return blobs


def _is_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as content:
            data = content.read(_LARGEST + 1)
    except OSError:
        return False
    return len(data) <= _LARGEST and data.startswith(_POINTER)


def _pointers(project: Project, staged: Mapping[str, str]) -> dict[str, bytes]:
    """Read the pointers; what is in git whole, as before it was tracked, is none."""
    output = git_output(
        project.root,
        project.environ,
        "cat-file",
        "--batch",
        stdin="".join(f"{blob}\n" for blob in staged.values()).encode(),
    )
    found: dict[str, bytes] = {}
    for path in staged:
        head, _, output = output.partition(b"\n")
        size = int(head.rsplit(b" ", 1)[1])
        content, output = output[:size], output[size + 1 :]
        if size <= _LARGEST and content.startswith(_POINTER):
            found[path] = content
    return found
