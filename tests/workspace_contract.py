"""What every implementation of backend.Workspaces must do: one suite for all of them.

Each check takes the port and a scratch folder of the host. Run it with::

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    async def test_contract(check: Check, tmp_path: Path) -> None:
        async with open_backend() as backend:
            await check(backend.workspaces, tmp_path)
"""

from __future__ import annotations

import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from spotci.errors import EngineError
from spotci.executor.backend import Workspaces, WorkspaceSpec
from spotci.tree import SourceTree, TreeEntry

if TYPE_CHECKING:
    from spotci.executor.backend import LayerId, SnapshotId, Workspace

Check: TypeAlias = Callable[[Workspaces, Path], Awaitable[None]]


def name_of(check: Check) -> str:
    """Return the name of a check for the ids of a test."""
    return getattr(check, "__name__", "check").replace("_", " ")


async def layers_lie_over_the_snapshot_in_order(port: Workspaces, root: Path) -> None:
    snapshot = await _snapshot(port, root, "kept", "over", "twice")
    low = await _layer(port, root / "1", over="low", twice="low")
    high = await _layer(port, root / "2", twice="high", new="high")

    workspace = await _open(port, snapshot, low, high)

    assert sorted(await port.listing(workspace)) == ["kept", "new", "over", "twice"]
    assert await port.read(workspace, "over", limit=9) == b"low"
    assert await port.read(workspace, "twice", limit=9) == b"high"


async def an_empty_workspace_has_the_layers_alone(port: Workspaces, root: Path) -> None:
    await _snapshot(port, root, "source")
    layer = await _layer(port, root / "1", a="1")

    workspace = await _open(port, None, layer)

    assert sorted(await port.listing(workspace)) == ["a"]


async def listings_can_be_limited(port: Workspaces, root: Path) -> None:
    layer = await _layer(
        port,
        root / "1",
        **{"dist/a": "1", "dist/b/c": "22", "dist-other/d": "", "e": ""},
    )
    workspace = await _open(port, None, layer)

    async def listed(*under: str) -> list[str]:
        return sorted(await port.listing(workspace, under=under))

    assert await listed("dist") == ["dist/a", "dist/b/c"]
    assert await listed("dist/b", "e") == ["dist/b/c", "e"]
    assert await listed("none", "e/none") == []
    assert await listed() == []
    assert (await port.listing(workspace))["dist/b/c"].size == 2


async def collected_paths_are_a_layer_of_their_own(
    port: Workspaces, root: Path
) -> None:
    layer = await _layer(port, root / "1", **{"a/x": "1", "b": "2", "c": "3"})
    workspace = await _open(port, None, layer)

    collected = await port.collect(workspace, ["a/x", "c"])
    await port.close(workspace)
    again = await _open(port, None, collected)

    assert sorted(await port.listing(again)) == ["a/x", "c"]
    assert await port.read(collected, "a/x", limit=9) == b"1"


async def empty_folders_are_adopted(port: Workspaces, root: Path) -> None:
    (root / "1" / "a" / "empty").mkdir(parents=True)
    layer = await _layer(port, root / "1", **{"a/file": "1"})

    workspace = await _open(port, None, layer)

    found = await port.listing(workspace)
    assert sorted(found) == ["a/empty", "a/file"]
    assert stat.S_ISDIR(found["a/empty"].mode)


async def what_another_layer_brought_is_changed(port: Workspaces, root: Path) -> None:
    layer = await _layer(port, root / "1", **{"a/x": "1", "b": "2"})
    other = await _layer(port, root / "2", b="3")

    workspace = await _open(port, None, layer, other)

    assert not await port.unchanged(workspace, ["a/x", "b"], layer)
    assert not await port.unchanged(workspace, ["a/x"], other)


async def reads_are_bounded_and_stay_inside(port: Workspaces, root: Path) -> None:
    layer = await _layer(port, root / "1", a="0123456789")
    workspace = await _open(port, None, layer)

    assert await port.read(workspace, "a", limit=4) == b"0123"
    for path in ("none", "../a", "/etc/hostname"):
        with pytest.raises(EngineError):
            await port.read(workspace, path, limit=4)


async def exports_make_their_folder(port: Workspaces, root: Path) -> None:
    layer = await _layer(port, root / "1", **{"a/x": "1"})
    destination = root / "out" / "deep"

    await port.export(layer, destination)

    assert (destination / "a/x").read_bytes() == b"1"


async def caches_have_generations(port: Workspaces, root: Path) -> None:
    first = await _layer(port, root / "1", a="first")
    second = await _layer(port, root / "2", a="second")
    # Caches outlive a run: the key is this test's own.
    key = f"{root}:../%2e%2e/ключ " + "x" * 300

    assert await port.cached(key) is None
    await port.store_cache(key, first)
    held = await port.cached(key)
    await port.store_cache(key, second)
    newest = await port.cached(key)

    assert held is not None
    assert newest is not None
    assert await port.read(held, "a", limit=9) == b"first"
    assert await port.read(newest, "a", limit=9) == b"second"
    assert await port.cached(key + "y") is None


async def closing_and_dropping_twice_is_no_error(port: Workspaces, root: Path) -> None:
    layer = await _layer(port, root / "1", a="1")
    workspace = await _open(port, None, layer)

    for _ in range(2):
        await port.close(workspace)
    for _ in range(2):
        await port.drop(layer)


async def layers_that_are_there_survive(port: Workspaces, root: Path) -> None:
    layer = await _layer(port, root / "1", a="1")
    other = await _layer(port, root / "2", a="2")

    assert await port.survivors((layer, other)) == {layer, other}
    assert await port.survivors(()) == frozenset()


CHECKS: tuple[Check, ...] = (
    layers_that_are_there_survive,
    layers_lie_over_the_snapshot_in_order,
    an_empty_workspace_has_the_layers_alone,
    listings_can_be_limited,
    collected_paths_are_a_layer_of_their_own,
    empty_folders_are_adopted,
    what_another_layer_brought_is_changed,
    reads_are_bounded_and_stay_inside,
    exports_make_their_folder,
    caches_have_generations,
    closing_and_dropping_twice_is_no_error,
)


async def _snapshot(port: Workspaces, root: Path, *names: str) -> SnapshotId:
    folder = root / "source"
    entries = []
    for name in names:
        _write(folder / name, name)
        status = (folder / name).stat()
        entries.append(
            TreeEntry(
                path=name,
                mode=status.st_mode,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
            )
        )
    return await port.snapshot(SourceTree(root=folder, entries=tuple(entries)))


async def _layer(port: Workspaces, folder: Path, **files: str) -> LayerId:
    for path, content in files.items():
        _write(folder / path, content)
    return await port.adopt(folder)


async def _open(
    port: Workspaces, snapshot: SnapshotId | None, *layers: LayerId
) -> Workspace:
    return await port.open(
        WorkspaceSpec(
            name="contract",
            project_dir="/builds/group/project",
            snapshot=snapshot,
            layers=layers,
        )
    )


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
