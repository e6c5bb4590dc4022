"""Brings the sources of a run into the engine, as its jobs ask for them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.executor.progress import LastProgress, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.executor.backend import Backend, LayerId, SnapshotId, Workspaces
    from spotci.executor.emit import Emit
    from spotci.executor.plan import RunPlan
    from spotci.executor.sources import Sources
    from spotci.tree import SourceTree

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
    """The source tree of a run with the submodules that each job asks for.

    ``plain`` is the snapshot without any; others are taken once a job wants them.
    """

    tree: SourceTree
    workspaces: Workspaces
    plain: SnapshotId | None
    _taken: dict[frozenset[str], SnapshotId] = field(default_factory=dict)
    _folders: dict[frozenset[str], LayerId] = field(default_factory=dict)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def take(
        self, sources: Sources
    ) -> tuple[SnapshotId | None, tuple[LayerId, ...]]:
        """Return the snapshot that a job begins with, and what lies just over it.

        That is an empty folder for each submodule that it does not ask for, as git
        leaves it: one that is missing would be a deletion. Raises EngineError.
        """
        if not sources.has_files:
            return None, ()
        submodules = sources.submodules
        if not self.tree.submodules:
            return self.plain, ()
        async with self._lock:
            snapshot = self.plain
            if submodules:
                if submodules not in self._taken:
                    tree = self.tree.with_submodules(submodules)
                    self._taken[submodules] = await self.workspaces.snapshot(tree)
                snapshot = self._taken[submodules]
            empty = self._empty(submodules)
            if not empty:
                return snapshot, ()
            if submodules not in self._folders:
                self._folders[submodules] = await self._adopt_folders(empty)
            return snapshot, (self._folders[submodules],)

    def _empty(self, submodules: frozenset[str]) -> list[str]:
        """Return the folders of submodules that have no files then."""
        empty: list[str] = []
        for submodule in self.tree.submodules:
            filled = submodule.path in submodules and submodule.checked_out
            inside = any(submodule.path.startswith(f"{path}/") for path in empty)
            if not filled and not inside:
                empty.append(submodule.path)
        return empty

    async def _adopt_folders(self, paths: Sequence[str]) -> LayerId:
        with tempfile.TemporaryDirectory(prefix="spotci-") as scratch:
            await to_thread.run_sync(_make_folders, Path(scratch), paths)
            return await self.workspaces.adopt(Path(scratch))


def _make_folders(root: Path, paths: Sequence[str]) -> None:
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)
    for folder in root.rglob("*"):
        # Any user of the job may write there, as in all that the runner makes.
        folder.chmod(0o777)
