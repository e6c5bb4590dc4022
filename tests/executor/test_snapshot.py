"""Which files a job begins with, on a backend that has real folders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.executor.backend import WorkspaceSpec
from spotci.executor.shell import open_shell_backend
from spotci.executor.snapshot import Snapshots
from spotci.executor.sources import Sources
from spotci.tree import LfsFiles, SourceTree, Submodule, TreeEntry

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("a", "lib/x", "lib/deep/y", "docs/z")


def make_tree(root: Path, *submodules: Submodule) -> SourceTree:
    """Make a tree of FILES on disk."""
    entries = []
    for path in FILES:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        entries.append(TreeEntry(path=path, mode=0o100644, size=1, mtime_ns=0))
    return SourceTree(root=root, entries=tuple(entries), submodules=submodules)


async def seen(root: Path, tree: SourceTree, *asked: Sources) -> list[list[str]]:
    """Return the files and empty folders of workspaces that begin so."""
    found = []
    async with open_shell_backend(caches=root / "caches") as backend:
        workspaces = backend.workspaces
        plain = await workspaces.snapshot(tree.with_submodules(frozenset()))
        snapshots = Snapshots(tree, workspaces, plain)
        for sources in asked:
            snapshot, folders = await snapshots.take(sources)
            spec = WorkspaceSpec(
                name="w", project_dir="/builds/a/b", snapshot=snapshot, layers=folders
            )
            workspace = await workspaces.open(spec)
            found.append(sorted(await workspaces.listing(workspace)))
    return found


LIBRARY = Submodule(path="lib")
DEEP = Submodule(path="lib/deep", nested=True)
DOCS = Submodule(path="docs")


async def test_jobs_see_the_submodules_that_they_ask_for(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", LIBRARY, DEEP, DOCS)

    none, normal, recursive = await seen(
        tmp_path,
        tree,
        Sources(),
        Sources(submodules=frozenset({"lib", "docs"})),
        Sources(submodules=frozenset({"lib", "lib/deep", "docs"})),
    )

    assert none == ["a", "docs", "lib"]
    assert normal == ["a", "docs/z", "lib/deep", "lib/x"]
    assert recursive == sorted(FILES)


async def test_each_choice_of_submodules_is_taken_once(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", LIBRARY, DEEP)
    asked = Sources(submodules=frozenset({"lib"}))
    async with open_shell_backend(caches=tmp_path / "caches") as backend:
        snapshots = Snapshots(tree, backend.workspaces, None)
        taken: list[object] = []

        async def take() -> None:
            taken.append(await snapshots.take(asked))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(take)

    assert taken[1:] == taken[:1] * 2


async def test_files_of_git_lfs_are_pointers_where_a_job_asks_for_them(
    tmp_path: Path,
) -> None:
    tree = replace(
        make_tree(tmp_path / "tree"),
        lfs=LfsFiles(pointers=lambda: {"docs/z": b"pointer"}),
    )
    async with open_shell_backend(caches=tmp_path / "caches") as backend:
        workspaces = backend.workspaces
        snapshots = Snapshots(tree, workspaces, await workspaces.snapshot(tree))
        found = []
        for sources in (Sources(), Sources(lfs_pointers=True)):
            snapshot, layers = await snapshots.take(sources)
            spec = WorkspaceSpec(
                name="w", project_dir="/builds/a/b", snapshot=snapshot, layers=layers
            )
            workspace = await workspaces.open(spec)
            found.append(await workspaces.read(workspace, "docs/z", limit=99))

    assert found == [b"docs/z", b"pointer"]


@pytest.mark.parametrize(
    "sources", [Sources(has_files=False), Sources(has_files=False, runs_hooks=False)]
)
async def test_without_sources_there_is_nothing(
    tmp_path: Path, sources: Sources
) -> None:
    tree = make_tree(tmp_path / "tree", LIBRARY)

    assert await seen(tmp_path, tree, sources) == [[]]
