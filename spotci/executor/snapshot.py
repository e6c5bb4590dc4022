"""Brings the sources of a run into the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.executor.progress import LastProgress, telling

if TYPE_CHECKING:
    from spotci.executor.backend import Backend, SnapshotId
    from spotci.executor.emit import Emit
    from spotci.executor.plan import RunPlan

__all__ = ["bring_in"]


async def bring_in(plan: RunPlan, backend: Backend, emit: Emit) -> SnapshotId:
    """Bring the source tree into the engine, and say how much travels."""
    progress = LastProgress("snapshot", "source tree")
    async with telling(progress, emit):
        return await backend.workspaces.snapshot(plan.tree, progress=progress.note)
