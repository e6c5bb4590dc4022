"""One run of a pipeline from its first event to its last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from spotci.events import PipelineStarted, PlannedJob, Progress
from spotci.executor.job import JobRunner
from spotci.executor.scheduler import run_pipeline

if TYPE_CHECKING:
    import anyio

    from spotci.events import PipelineFinished
    from spotci.executor.backend import Backend, SnapshotId
    from spotci.executor.emit import Emit
    from spotci.executor.plan import RunPlan

__all__ = ["execute"]


async def execute(
    plan: RunPlan, backend: Backend, emit: Emit, *, stop: anyio.Event | None = None
) -> PipelineFinished:
    """Run a pipeline on a backend, and return how it ended.

    ``emit`` gets a PipelineStarted first and a PipelineFinished last. When ``stop`` is
    set the running jobs are canceled, their ``after_script`` runs, and the record is
    completed. Raises EngineError where not even the source tree can be brought in.
    """
    await emit(_started(plan))
    snapshot = await _snapshot(plan, backend, emit)
    async with JobRunner(plan, backend, emit, snapshot) as runner:
        finished = await run_pipeline(plan, runner.run, emit, stop=stop)
    await emit(finished)
    return finished


def _started(plan: RunPlan) -> PipelineStarted:
    pipeline = plan.pipeline
    return PipelineStarted(
        at=time.time(),
        run=plan.run,
        name=pipeline.name,
        source=pipeline.source,
        ref=pipeline.ref,
        sha=plan.sha,
        stages=tuple(stage for stage in pipeline.stages if pipeline.stage_jobs(stage)),
        jobs=tuple(
            PlannedJob(
                name=job.name,
                stage=job.stage,
                when=job.when,
                needs=pipeline.waits_for(job),
                allow_failure=job.allow_failure.allowed,
            )
            for job in pipeline.jobs.values()
        ),
        record=str(plan.record),
    )


async def _snapshot(plan: RunPlan, backend: Backend, emit: Emit) -> SnapshotId:
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
