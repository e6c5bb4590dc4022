"""Brings the sources of a run into the engine, as its jobs ask for them."""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.dataclass import dataclass
from spotci.errors import EngineError, SpotciError
from spotci.executor.progress import LastProgress, telling
from spotci.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from spotci.executor.backend import Backend, LayerId, SnapshotId, Workspaces
    from spotci.executor.emit import Emit
    from spotci.executor.plan import RunPlan
    from spotci.executor.sources import Sources
    from spotci.tree import LfsFiles, SourceTree

__all__ = ["Snapshots", "bring_in"]

_NONE: frozenset[str] = frozenset()


async def bring_in(plan: RunPlan, backend: Backend, emit: Emit) -> SnapshotId:
    """Bring the source tree into the engine, and say how much travels.

    It comes without submodules: that is what most jobs ask for, see Snapshots.
    """
    progress = LastProgress("snapshot", "source tree")
    tree = plan.tree.with_submodules(_NONE)
    async with telling(progress, emit):
        return await backend.workspaces.snapshot(tree, progress=progress.note)


@dataclass(slots=True)
class Snapshots:
    """The source tree of a run as each job asks for it, with submodules or without.

    ``plain`` is the snapshot without any; others are taken once a job wants them.
    """

    tree: SourceTree
    workspaces: Workspaces
    plain: SnapshotId | None
    _taken: dict[frozenset[str], SnapshotId] = field(default_factory=dict)
    _folders: dict[frozenset[str], LayerId] = field(default_factory=dict)
    _git: dict[tuple[frozenset[str], int], LayerId] = field(default_factory=dict)
    _pointers: LayerId | None = None
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def take(
        self, sources: Sources
    ) -> tuple[SnapshotId | None, tuple[LayerId, ...]]:
        """Return the snapshot that a job begins with, and what lies just over it.

        That is an empty folder for each submodule that it does not ask for, as git
        leaves it: one that is missing would be a deletion. Those that it asks for have
        a ``.git``. Then there are the pointers of Git LFS, where it asks for them.
        Raises EngineError.
        """
        if not sources.has_files:
            return None, ()
        async with self._lock:
            snapshot = await self._snapshot(sources.submodules)
            layers = [
                await self._empty_folders(sources.submodules),
                await self._submodule_git(sources.submodules, sources.submodule_depth),
                await self._lfs_pointers() if sources.lfs_pointers else None,
            ]
        return snapshot, tuple(layer for layer in layers if layer is not None)

    async def _snapshot(self, submodules: frozenset[str]) -> SnapshotId | None:
        if not submodules:
            return self.plain
        if submodules not in self._taken:
            tree = self.tree.with_submodules(submodules)
            self._taken[submodules] = await self.workspaces.snapshot(tree)
        return self._taken[submodules]

    async def _empty_folders(self, submodules: frozenset[str]) -> LayerId | None:
        empty: list[str] = []
        for submodule in self.tree.submodules:
            filled = submodule.path in submodules and submodule.checked_out
            inside = any(submodule.path.startswith(f"{path}/") for path in empty)
            if not filled and not inside:
                empty.append(submodule.path)
        if empty and submodules not in self._folders:
            self._folders[submodules] = await self._adopt(partial(_make_folders, empty))
        return self._folders.get(submodules)

    async def _submodule_git(
        self, submodules: frozenset[str], depth: int
    ) -> LayerId | None:
        git = self.tree.submodule_git
        if git is None or not submodules:
            return None
        key = (submodules, depth)
        if key not in self._git:
            self._git[key] = await self._adopt(
                lambda root: git.fill(root, submodules, depth)
            )
        return self._git[key]

    async def _lfs_pointers(self) -> LayerId | None:
        if self._pointers is None and self.tree.lfs is not None:
            self._pointers = await self._adopt(partial(_write_pointers, self.tree.lfs))
        return self._pointers

    async def _adopt(self, fill: Callable[[Path], None]) -> LayerId:
        """Make a layer of what a function writes into a folder."""

        def write(root: Path) -> None:
            root.mkdir()
            fill(root)
            for path in root.rglob("*"):
                # Any user of the job may write there, as in all that the runner makes.
                path.chmod(0o777 if path.is_dir() else 0o666)

        with scratch_folder("files") as scratch:
            try:
                await to_thread.run_sync(write, scratch / "layer")
            except (OSError, SpotciError) as error:
                raise EngineError(str(error), operation="prepare sources") from error
            return await self.workspaces.adopt(scratch / "layer")


def _make_folders(paths: Sequence[str], root: Path) -> None:
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)


def _write_pointers(files: LfsFiles, root: Path) -> None:
    for path, content in files.pointers().items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
