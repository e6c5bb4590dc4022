"""Runs ``trigger`` jobs: the pipeline that each starts goes on within the same run.

With ``strategy`` a bridge follows its pipeline; without, it has succeeded once the
pipeline is created. The run ends when all its pipelines have. A pipeline has a
JobRunner of its own; what they share are slots and resource groups.
"""

from __future__ import annotations

import math
import time
from contextlib import AsyncExitStack
from dataclasses import field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.events import (
    ChildPipelineFinished,
    ChildPipelineStarted,
    FailureReason,
    JobLog,
    JobResult,
    JobStatus,
    Notice,
)
from spotci.executor.downstream import (
    DownstreamError,
    DownstreamUnavailableError,
    forwarded,
)
from spotci.executor.elsewhere import mirror_status
from spotci.executor.end import End, failed
from spotci.executor.job import JobRunner
from spotci.executor.naming import below, planned_jobs, prefixed, used_stages
from spotci.executor.neutral import neutralise_text
from spotci.executor.scheduler import run_pipeline
from spotci.executor.snapshot import bring_in
from spotci.pipeline import TriggerStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from anyio.abc import TaskGroup

    from spotci.events import PipelineFinished
    from spotci.executor.backend import Backend, SnapshotId
    from spotci.executor.downstream import Downstream, DownstreamPipeline
    from spotci.executor.emit import Emit
    from spotci.executor.handover import HandoverStore
    from spotci.executor.plan import RunPlan
    from spotci.executor.revival import RunBackend
    from spotci.executor.slots import Slots
    from spotci.pipeline import Job, JobName, Trigger

__all__ = ["Lineage", "run_whole"]

#: A child pipeline may have children, and those none.
_MAX_DEPTH = 2
#: How often a project may come up among the ancestors of a pipeline: A, B, A is no
#: loop yet.
_MAX_TURNS = 2
#: GitLab takes no larger configuration.
_CONFIG_LIMIT = 2 * 1024 * 1024
_TOO_DEEP = "You reached the maximum depth of child pipelines"
_LOOP = "Pipeline loop detected: projects trigger each other in a circle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a pipeline stands among those of its run.

    ``depth`` counts its parents in the same project, ``projects`` are those of its
    ancestors and its own, ``stores`` what its ancestors hand on, by their ids.
    """

    depth: int = 0
    projects: tuple[str, ...] = ()
    stores: Mapping[str, HandoverStore] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all pipelines of a run share; ``ends_at`` is of the monotonic clock."""

    backend: RunBackend
    slots: Slots
    ends_at: float = math.inf


async def run_whole(
    plan: RunPlan,
    shared: Shared,
    emit: Emit,
    *,
    backend: Backend,
    snapshot: SnapshotId | None,
    downstream: Downstream | None,
    lineage: Lineage,
    stop: anyio.Event | None,
) -> PipelineFinished:
    """Run a pipeline with all that its bridges start, and return how it ended.

    ``backend`` is the one that the ``snapshot`` was taken in. The results are those of
    all pipelines, under the names that the events have.
    """
    runner = JobRunner(
        *(plan, backend, emit, snapshot),
        upstream=lineage.stores,
        revival=shared.backend,
    )
    async with (
        runner,
        Bridges(
            plan=plan,
            shared=shared,
            emit=emit,
            runner=runner,
            downstream=downstream,
            lineage=lineage,
        ) as bridges,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_hurry_when_canceled, runner)
        if stop is not None:
            tasks.start_soon(bridges.stop_after, stop)
        finished = await run_pipeline(
            plan, bridges.run, emit, stop=stop, slots=shared.slots
        )
        if plan.options.fail_fast and finished.status is JobStatus.FAILED:
            bridges.stop()
        await bridges.ended()
        tasks.cancel_scope.cancel()
    return replace(finished, results=bridges.with_children(finished.results))


async def _hurry_when_canceled(runner: JobRunner) -> None:
    """Let canceled jobs skip what they still want to do once the run is canceled."""
    try:
        await anyio.sleep_forever()
    finally:
        runner.hurry()


@dataclass(slots=True, eq=False)
class _Child:
    """A pipeline that a bridge started."""

    plan: RunPlan
    stop: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    finished: PipelineFinished | None = None


@dataclass(slots=True, kw_only=True)
class Bridges:
    """Runs the bridges of one pipeline; it lives as long as its context."""

    plan: RunPlan
    shared: Shared
    emit: Emit
    runner: JobRunner
    downstream: Downstream | None
    lineage: Lineage
    _children: dict[JobName, _Child] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

    async def run(self, job: Job, attempt: int) -> JobResult:
        """Run a job; one that is no bridge runs as ever."""
        started = time.time()
        if not job.is_bridge or (job.trigger is not None and self.downstream is None):
            return await self.runner.run(job, attempt)
        if job.trigger is None or self.downstream is None:
            end = await mirror_status(job, self.plan.elsewhere)
        else:
            end = await self._bridge(job, job.trigger, self.downstream)
        return JobResult(
            job=job.name,
            status=end.status,
            failure_reason=end.reason,
            message=end.message,
            attempt=attempt,
            started_at=started,
            finished_at=time.time(),
        )

    def stop(self) -> None:
        """Stop all pipelines that were started."""
        for child in self._children.values():
            child.stop.set()

    async def stop_after(self, stop: anyio.Event) -> None:
        """Stop all pipelines once the run is to be stopped."""
        await stop.wait()
        self.stop()

    async def ended(self) -> None:
        """Wait for all pipelines that were started."""
        for child in tuple(self._children.values()):
            await child.done.wait()

    def with_children(
        self, results: Mapping[JobName, JobResult]
    ) -> Mapping[JobName, JobResult]:
        """Return the results with those of each child behind its bridge."""
        found: dict[JobName, JobResult] = {}
        for name, result in results.items():
            found[name] = result
            child = self._children.get(name)
            if child is not None and child.finished is not None:
                found |= {
                    below(name, inner): replace(each, job=below(name, inner))
                    for inner, each in child.finished.results.items()
                }
        return MappingProxyType(found)

    async def _bridge(self, job: Job, trigger: Trigger, downstream: Downstream) -> End:
        if (refused := self._refused(trigger)) is not None:
            return refused
        try:
            child = await self._start(job, trigger, downstream)
        except DownstreamUnavailableError as error:
            return End(status=JobStatus.SKIPPED, message=error.message)
        except DownstreamError as error:
            if error.details:
                await self.emit(
                    JobLog(
                        at=time.time(),
                        job=job.name,
                        text=neutralise_text(error.details).rstrip("\n"),
                        kind="runner",
                    )
                )
            reason = FailureReason.DOWNSTREAM_PIPELINE_CREATION_FAILED
            return failed(reason, error.message)
        except EngineError as error:
            return failed(FailureReason.RUNNER_SYSTEM_FAILURE, str(error))
        if trigger.strategy is None:
            return End(status=JobStatus.SUCCESS)
        finished = await self._follow(child)
        return _end(finished, trigger.strategy)

    def _refused(self, trigger: Trigger) -> End | None:
        """Return the end of a bridge that stands too deep, or None."""
        if trigger.include and self.lineage.depth >= _MAX_DEPTH:
            reason = FailureReason.REACHED_MAX_DESCENDANT_PIPELINES_DEPTH
            return failed(reason, _TOO_DEEP)
        projects = self.lineage.projects
        if not trigger.include and any(
            projects.count(project) > _MAX_TURNS for project in projects
        ):
            return failed(FailureReason.PIPELINE_LOOP_DETECTED, _LOOP)
        return None

    async def _start(
        self, job: Job, trigger: Trigger, downstream: Downstream
    ) -> _Child:
        """Compile the pipeline of a bridge, and let it run beside this one."""
        store = self.runner.store
        dotenv = store.variables(store.sources(job))
        variables = forwarded(job, trigger, self.plan.variables, dotenv)
        made = await downstream.compile(trigger, job, variables, self._read_artifact)
        child = _Child(self._plan_of(job, made))
        emit = prefixed(self.emit, job.name)
        place = self.runner.backend, self.runner.snapshot
        if made.tree is not None:
            backend = await self.shared.backend.ready()
            place = backend, await bring_in(child.plan, backend, self.emit)
        for text in made.warnings:
            await self.emit(
                Notice(at=time.time(), text=f"{job.name}: {text}", level="warning")
            )
        await self.emit(
            ChildPipelineStarted(
                at=time.time(),
                job=job.name,
                name=made.pipeline.name,
                stages=used_stages(made.pipeline),
                jobs=tuple(
                    replace(
                        planned,
                        name=below(job.name, planned.name),
                        needs=tuple(below(job.name, need) for need in planned.needs),
                    )
                    for planned in planned_jobs(made.pipeline)
                ),
            )
        )
        if self._tasks is None:
            raise RuntimeError("bridges run inside of their context")
        self._children[job.name] = child
        self._tasks.start_soon(self._run_child, job, child, emit, made, place)
        return child

    async def _run_child(
        self,
        job: Job,
        child: _Child,
        emit: Emit,
        made: DownstreamPipeline,
        place: tuple[Backend, SnapshotId | None],
    ) -> None:
        try:
            child.finished = finished = await run_whole(
                child.plan,
                self.shared,
                emit,
                backend=place[0],
                snapshot=place[1],
                downstream=made.downstream,
                lineage=self._lineage_of(made),
                stop=child.stop,
            )
            await self.emit(
                ChildPipelineFinished(
                    at=time.time(),
                    job=job.name,
                    status=finished.status,
                    duration=finished.duration,
                    passed_with_warnings=finished.passed_with_warnings,
                )
            )
        finally:
            child.done.set()

    def _lineage_of(self, made: DownstreamPipeline) -> Lineage:
        is_child = made.tree is None
        number = _pipeline_id(self.plan)
        return Lineage(
            depth=self.lineage.depth + 1 if is_child else 0,
            projects=self.lineage.projects
            if is_child
            else (*self.lineage.projects, made.project_path),
            # The hierarchy of ``needs:pipeline`` is that of one project.
            stores={**self.lineage.stores, number: self.runner.store}
            if is_child
            else {},
        )

    def _plan_of(self, job: Job, made: DownstreamPipeline) -> RunPlan:
        left = self.shared.ends_at - time.monotonic()
        slug = self.plan.slug(job.name)
        return replace(
            self.plan,
            pipeline=made.pipeline,
            tree=made.tree or self.plan.tree,
            sha=made.sha,
            project_path=made.project_path,
            protected=made.protected,
            variables=made.variables,
            base_images=made.base_images or self.plan.base_images,
            elsewhere=made.elsewhere,
            earlier={},
            # No slug has a dot, so that these are no job's of the parent.
            slugs={name: f"{slug}.{own}" for name, own in made.slugs.items()},
            options=replace(
                self.plan.options,
                manual=self.plan.options.manual & {"all"},
                player=None,
                named=frozenset(),
                timeout=None if math.isinf(left) else timedelta(seconds=max(0.0, left)),
                artifacts_to_source=self.plan.options.artifacts_to_source
                and made.tree is None,
            ),
        )

    async def _follow(self, child: _Child) -> PipelineFinished:
        """Wait for a pipeline; when the bridge is canceled, so is the pipeline."""
        try:
            await child.done.wait()
        except anyio.get_cancelled_exc_class():
            child.stop.set()
            with anyio.CancelScope(shield=True):
                await child.done.wait()
            raise
        if child.finished is None:
            # It was canceled with all else, and so is who waits for it.
            await anyio.sleep_forever()
            raise AssertionError
        return child.finished

    async def _read_artifact(self, job: str, path: str) -> bytes:
        backend = await self.shared.backend.ready()
        layers = [
            handover.layer
            for handover in self.runner.store.of_job(job).values()
            if handover.layer is not None
        ]
        if not layers:
            raise DownstreamError(
                f"Job `{job}` not found in parent pipeline or does not have artifacts!"
            )
        try:
            content = await backend.workspaces.read(
                layers[-1], path, limit=_CONFIG_LIMIT
            )
        except EngineError as error:
            raise DownstreamError(
                f"Path `{path}` does not exist inside the `{job}` artifacts archive!"
            ) from error
        if not content.strip():
            raise DownstreamError(f"File `{path}` is empty!")
        return content


def _pipeline_id(plan: RunPlan) -> str:
    return next(
        (item.value for item in plan.variables if item.name == "CI_PIPELINE_ID"), ""
    )


def _end(finished: PipelineFinished, strategy: TriggerStrategy) -> End:
    """Return how a bridge ends whose pipeline has ended.

    Where it waits for a manual job GitLab leaves a bridge that depends on it running,
    and with it the pipeline; here nobody comes to play that job.
    """
    status = finished.status
    if status is JobStatus.SUCCESS:
        return End(status=status)
    skipped = status is JobStatus.SKIPPED
    if status is JobStatus.FAILED or (skipped and strategy is TriggerStrategy.DEPEND):
        return failed(
            FailureReason.UNKNOWN_FAILURE, f"the downstream pipeline {_WORDS[status]}"
        )
    return End(status=status, message=f"the downstream pipeline {_WORDS[status]}")


_WORDS = {
    JobStatus.FAILED: "failed",
    JobStatus.SKIPPED: "was skipped",
    JobStatus.CANCELED: "was canceled",
    JobStatus.MANUAL: "waits for a manual job",
}
