"""Snapshots on the real engine: what a job finds after the tree was changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.dind.agent import open_agent
from spotci.dind.backend import open_backend
from spotci.dind.quota import Quota, collect
from spotci.executor.backend import WorkspaceSpec
from spotci.tree import SourceTree, TreeEntry
from tests.engine.real import quiet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spotci.dind.engine import DindEngine
    from spotci.executor.backend import Backend, Workspaces

pytestmark = pytest.mark.engine


@pytest.fixture
async def port(engine: DindEngine) -> AsyncIterator[Workspaces]:
    async with open_backend(engine.settings, "snapshot", progress=quiet) as backend:
        yield backend.workspaces


def tree(root: Path) -> SourceTree:
    entries = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*files, *links):
            path = Path(folder, name)
            info = path.lstat()
            entries.append(
                TreeEntry(
                    path=path.relative_to(root).as_posix(),
                    mode=info.st_mode,
                    size=info.st_size,
                    mtime_ns=info.st_mtime_ns,
                )
            )
    return SourceTree(root=root, entries=tuple(entries))


async def check(port: Workspaces, root: Path) -> str:
    """Snapshot the tree, compare what a job finds with it, return what travelled."""
    said: list[str] = []
    source = tree(root)
    snapshot = await port.snapshot(
        source, progress=lambda text, _done, _total: said.append(text)
    )
    workspace = await port.open(
        WorkspaceSpec(name="x", project_dir="/builds/a/b", snapshot=snapshot)
    )
    listed = await port.listing(workspace)
    assert sorted(listed) == sorted(entry.path for entry in source.entries)
    layer = await port.collect(workspace, tuple(listed))
    await port.close(workspace)
    out = root.parent / f"out-{layer}"
    await port.export(layer, out)
    for entry in source.entries:
        original, copy = root / entry.path, out / entry.path
        assert copy.is_symlink() == original.is_symlink()
        if original.is_symlink():
            assert copy.readlink() == original.readlink()
        else:
            assert copy.read_bytes() == original.read_bytes()
            assert int(copy.stat().st_mtime) == int(original.stat().st_mtime)
    return said[-1]


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (1_600_000_000, 1_600_000_000 + len(text)))


async def test_changes_travel_and_nothing_else(
    port: Workspaces, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    for number in range(20):
        write(root, f"d{number % 3}/f{number}", "x")
    (root / "link").symlink_to("d0/f0")
    # What was made just now may change unseen, and so travels again.
    os.utime(root / "link", (1_600_000_000,) * 2, follow_symlinks=False)
    write(root, "-odd\nname\udcff" + "y" * 120, "odd")

    await check(port, root)
    assert (await check(port, root)).startswith("0 of ")

    write(root, "d0/f0", "changed")
    (root / "d1/f1").unlink()
    assert (await check(port, root)).startswith("1 of ")


async def test_files_and_folders_take_each_others_place(
    port: Workspaces, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    write(root, "a/b/c", "1")
    write(root, "kept", "1")
    await check(port, root)

    (root / "a/b/c").unlink()
    (root / "a/b").rmdir()
    (root / "a").rmdir()
    write(root, "a", "a file now")
    await check(port, root)

    (root / "a").unlink()
    write(root, "a/new", "a folder again")
    await check(port, root)

    (root / "a/new").unlink()
    (root / "a").rmdir()
    await check(port, root)


async def test_many_changes_are_linked_into_one_layer(
    port: Workspaces, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    write(root, "kept", "0")

    for number in range(20):
        write(root, "changed", "x" * (number + 1))
        write(root, f"new{number}", "1")
        if number:
            (root / f"new{number - 1}").unlink()
        await check(port, root)


async def test_two_runs_of_one_project_do_not_disturb_one_another(
    engine: DindEngine, port: Workspaces, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    write(root, "a", "1")
    await check(port, root)

    async with open_backend(engine.settings, "other", progress=quiet) as other:
        await _check_other(other, root)

    await check(port, root)


async def _check_other(other: Backend, root: Path) -> None:
    write(root, "a", "22")
    await check(other.workspaces, root)


async def test_collecting_garbage_keeps_what_was_just_made(
    engine: DindEngine, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    write(root, "a", "1")
    async with open_backend(engine.settings, "first", progress=quiet) as backend:
        await check(backend.workspaces, root)

    async with open_agent(engine) as agent:
        # Layers of the tests before are garbage, too: wait until they are gone.
        await agent.run("rm -f /spotci/collected")
        await collect(agent, Quota(caches=1 << 40, leave_free=0), minutes=0)
        with anyio.fail_after(20):
            while await agent.run("ls /spotci/x"):  # noqa: ASYNC110 - another process
                await anyio.sleep(0.1)

    async with open_backend(engine.settings, "second", progress=quiet) as backend:
        assert (await check(backend.workspaces, root)).startswith("0 of ")
