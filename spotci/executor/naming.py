"""The jobs of a run as its events name them: a child's bear the name of its bridge."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotci.events import (
    ArtifactsSaved,
    ChildPipelineFinished,
    ChildPipelineStarted,
    JobFinished,
    JobLog,
    JobStatusChanged,
    PlannedJob,
    SectionFinished,
    SectionStarted,
)
from spotci.pipeline import JobName

if TYPE_CHECKING:
    from spotci.events import Event
    from spotci.executor.emit import Emit
    from spotci.pipeline import Pipeline

__all__ = ["below", "planned_jobs", "prefixed", "used_stages"]

_JOINT = " / "
_OF_JOBS = (
    *(ArtifactsSaved, ChildPipelineFinished, JobLog, JobStatusChanged),
    *(SectionFinished, SectionStarted),
)


def below(bridge: JobName, job: JobName) -> JobName:
    """Return the name of a job in the pipeline that a bridge started."""
    return JobName(f"{bridge}{_JOINT}{job}")


def planned_jobs(pipeline: Pipeline) -> tuple[PlannedJob, ...]:
    """Return what reports need to know of the jobs of a pipeline."""
    before = pipeline.predecessors()
    return tuple(
        PlannedJob(
            name=job.name,
            stage=job.stage,
            when=job.when,
            needs=before[job.name],
            allow_failure=job.allow_failure.allowed,
        )
        for job in pipeline.jobs.values()
    )


def used_stages(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the stages that have jobs, in order."""
    return tuple(stage for stage in pipeline.stages if pipeline.stage_jobs(stage))


def prefixed(emit: Emit, bridge: JobName) -> Emit:
    """Return an ``emit`` for the pipeline of a bridge: it completes the names."""

    async def emit_below(event: Event) -> None:
        await emit(_renamed(event, bridge))

    return emit_below


def _renamed(event: Event, bridge: JobName) -> Event:
    if isinstance(event, _OF_JOBS):
        return replace(event, job=below(bridge, event.job))
    if isinstance(event, JobFinished):
        name = below(bridge, event.result.job)
        return replace(event, result=replace(event.result, job=name))
    if isinstance(event, ChildPipelineStarted):
        jobs = tuple(
            replace(
                job,
                name=below(bridge, job.name),
                needs=tuple(below(bridge, need) for need in job.needs),
            )
            for job in event.jobs
        )
        return replace(event, job=below(bridge, event.job), jobs=jobs)
    return event
