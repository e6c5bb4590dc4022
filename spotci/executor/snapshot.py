"""Brings the sources of a run into the engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from spotci.events import Progress

if TYPE_CHECKING:
    from spotci.executor.backend import Backend, SnapshotId
    from spotci.executor.emit import Emit
    from spotci.executor.plan import RunPlan

__all__ = ["bring_in"]


async def bring_in(plan: RunPlan, backend: Backend, emit: Emit) -> SnapshotId:
    """Bring the source tree into the engine, and say how much travelled."""
    last: tuple[str, int, int | None] = ("", 0, None)

    def note(text: str, done: int, total: int | None) -> None:
        nonlocal last
        last = (text, done, total)

    snapshot = await backend.workspaces.snapshot(plan.tree, progress=note)
    text, done, total = last
    await emit(
        Progress(
            at=time.time(),
            what="snapshot",
            subject="source tree",
            text=text,
            done=done,
            total=total,
            finished=True,
        )
    )
    return snapshot
