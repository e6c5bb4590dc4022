"""One run of a pipeline from its first event to its last."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from spotci.errors import EngineUnavailableError
from spotci.events import FailureReason, JobStatus, PipelineStarted
from spotci.executor.bridges import Lineage, Shared, run_whole
from spotci.executor.naming import planned_jobs, used_stages
from spotci.executor.revival import open_run_backend
from spotci.executor.slots import Slots
from spotci.executor.snapshot import bring_in

if TYPE_CHECKING:
    import anyio

    from spotci.events import PipelineFinished
    from spotci.executor.backend import Backend
    from spotci.executor.downstream import Downstream
    from spotci.executor.emit import Emit
    from spotci.executor.plan import RunPlan
    from spotci.executor.revival import RunBackend

__all__ = ["execute"]


async def execute(
    plan: RunPlan,
    backend: Backend,
    emit: Emit,
    *,
    downstream: Downstream | None = None,
    stop: anyio.Event | None = None,
) -> PipelineFinished:
    """Run a pipeline on a backend, and return how it ended.

    ``emit`` gets a PipelineStarted first and a PipelineFinished last. ``downstream``
    compiles what ``trigger`` jobs start; without it they are skipped. When ``stop`` is
    set the running jobs are canceled, their ``after_script`` runs, and the record is
    completed. Where the engine dies meanwhile, it is started again for the jobs that
    still can run; see ``revival``.

    Raises EngineError where not even the source tree can be brought in, and at the end
    where the pipeline failed because the engine died.
    """
    await emit(_started(plan))
    snapshot = await bring_in(plan, backend, emit)
    timeout = plan.options.timeout
    limit = math.inf if timeout is None else timeout.total_seconds()
    async with open_run_backend(backend, emit) as opened:
        finished = await run_whole(
            plan,
            Shared(
                backend=opened,
                slots=Slots(plan.options.concurrency),
                ends_at=time.monotonic() + limit,
            ),
            emit,
            backend=backend,
            snapshot=snapshot,
            downstream=downstream,
            lineage=Lineage(projects=(plan.project_path,)),
            stop=stop,
        )
        await emit(finished)
        fault = await _fault(finished, opened)
    if fault is not None:
        raise EngineUnavailableError(fault)
    return finished


async def _fault(finished: PipelineFinished, backend: RunBackend) -> str | None:
    """Return how the engine is to blame for the end of a pipeline, if it is."""
    if backend.given_up is not None:
        return backend.given_up
    failed = [
        result.job
        for result in finished.results.values()
        if result.status is JobStatus.FAILED
        and result.failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE
        and not result.allow_failure
    ]
    if not failed or not await backend.has_died():
        return None
    return (
        f"the engine died while {', '.join(failed)} ran; "
        "spotci rerun --failed runs again what did not pass"
    )


def _started(plan: RunPlan) -> PipelineStarted:
    pipeline = plan.pipeline
    return PipelineStarted(
        at=time.time(),
        run=plan.run,
        name=pipeline.name,
        source=pipeline.source,
        ref=pipeline.ref,
        sha=plan.sha,
        stages=used_stages(pipeline),
        jobs=planned_jobs(pipeline),
        record=str(plan.record),
    )
