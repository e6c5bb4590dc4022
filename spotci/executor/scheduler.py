"""Runs a pipeline: starts each job the moment that GitLab would, until all have ended.

There are no waves. One loop owns the state (:class:`Processing`); jobs run as tasks
that send one message each when an attempt ends, so that the loop can neither hang nor
spin, and no lock is needed.
"""

from __future__ import annotations

import math
import time
from dataclasses import field, replace
from typing import TYPE_CHECKING, TypeAlias

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineUnavailableError
from spotci.events import (
    FailureReason,
    JobFinished,
    JobResult,
    JobStatus,
    JobStatusChanged,
    PipelineFinished,
)
from spotci.executor.decide import Processing, may_fail, should_retry
from spotci.executor.pending import PendingJobs
from spotci.executor.slots import Slots
from spotci.pipeline import When
from spotci.variables import effective, expand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from spotci.executor.emit import Emit
    from spotci.executor.manual import Player
    from spotci.executor.plan import RunPlan
    from spotci.executor.slots import Resource
    from spotci.pipeline import Job, JobName, Pipeline

__all__ = ["RunJob", "run_pipeline"]

#: Runs one attempt of a job, numbered from 1, and returns how it ended.
RunJob: TypeAlias = "Callable[[Job, int], Awaitable[JobResult]]"

_OPEN = (
    JobStatus.CREATED,
    JobStatus.PENDING,
    JobStatus.WAITING_FOR_RESOURCE,
    JobStatus.SCHEDULED,
)


@dataclass(frozen=True, slots=True)
class _Due:
    """The time of a delayed job has come."""

    job: JobName


@dataclass(frozen=True, slots=True)
class _Stop:
    """The user, a time-out of the run or a failed job stops everything."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Freed:
    """A job of the run has ended: its slot is free, and the resource that it held."""

    resource: Resource | None


@dataclass(frozen=True, slots=True)
class _Played:
    """The player has chosen among the manual jobs."""

    jobs: tuple[JobName, ...]


_Message: TypeAlias = "JobResult | _Due | _Stop | _Freed | _Played"


async def run_pipeline(
    plan: RunPlan,
    run_job: RunJob,
    emit: Emit,
    *,
    stop: anyio.Event | None = None,
    slots: Slots | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> PipelineFinished:
    """Run every job that may run, and return how the pipeline ended.

    A job that fails is a result, not an exception: the others go on. Where ``run_job``
    raises EngineUnavailableError the run is stopped, as no job can run any more; all
    else that it raises is a fault of ours, and cancels every job. When ``stop`` is set
    no further job starts, the running ones are canceled, and their cleanup is waited
    for; the record is complete then, too. ``slots`` bound how many jobs run at once;
    pipelines of one run share them. ``sleep`` waits for delayed jobs, in seconds. When
    nothing is left but manual jobs, the plan's player is asked which of them begin.
    """
    started = time.monotonic()
    slots = slots or Slots(plan.options.concurrency)
    scheduler = _Scheduler(plan, run_job, emit, slots, sleep)
    results = await scheduler.run(stop)
    coverages = [r.coverage for r in results.values() if r.coverage is not None]
    state = scheduler.state
    status = state.pipeline_status()
    return PipelineFinished(
        at=time.time(),
        status=status,
        results=results,
        coverage=round(math.fsum(coverages) / len(coverages), 2) if coverages else None,
        duration=time.monotonic() - started,
        passed_with_warnings=status is JobStatus.SUCCESS and state.has_warnings(),
    )


@dataclass(slots=True)
class _Scheduler:
    plan: RunPlan
    run_job: RunJob
    emit: Emit
    slots: Slots
    sleep: Callable[[float], Awaitable[None]]
    state: Processing = field(init=False)
    results: dict[JobName, JobResult] = field(default_factory=dict)
    #: Scopes of the attempts that run now.
    running: dict[JobName, anyio.CancelScope] = field(default_factory=dict)
    queue: PendingJobs = field(init=False)
    known: dict[JobName, JobStatus] = field(default_factory=dict)
    delayed: set[JobName] = field(default_factory=set)
    #: Resource group of each job that has one, expanded.
    groups: dict[JobName, Resource] = field(init=False)
    stopping: str | None = None
    #: Manual jobs that the player was asked about, and whether an answer is awaited.
    offered: set[JobName] = field(default_factory=set)
    asking: bool = False

    def __post_init__(self) -> None:
        self.state = Processing(_as_asked(self.plan))
        self.groups = {
            name: (
                self.plan.project_path,
                expand(
                    job.resource_group, effective(job.variables), keep_undefined=False
                ),
            )
            for name, job in self.plan.pipeline.jobs.items()
            if job.resource_group is not None
        }
        self.queue = PendingJobs(self.slots, self.groups)

    async def run(self, stop: anyio.Event | None) -> dict[JobName, JobResult]:
        send, receive = anyio.create_memory_object_stream[_Message](math.inf)
        async with send, receive, anyio.create_task_group() as tasks:
            if stop is not None:
                tasks.start_soon(_forward, stop, send)
            if self.plan.options.timeout is not None:
                limit = self.plan.options.timeout.total_seconds()
                tasks.start_soon(_expire, limit, send)
            with self.slots.watched(lambda freed: send.send_nowait(_Freed(freed))):
                await self._loop(tasks, send, receive)
            tasks.cancel_scope.cancel()
        order = [name for name in self.plan.pipeline.jobs if name in self.results]
        return {name: self.results[name] for name in order}

    async def _loop(
        self,
        tasks: TaskGroup,
        send: MemoryObjectSendStream[_Message],
        receive: MemoryObjectReceiveStream[_Message],
    ) -> None:
        while True:
            await self._advance(tasks, send)
            idle = not self.running and not self.queue and not self.delayed
            if idle and not self._offer_manual(tasks, send):
                break
            await self._take(await receive.receive())
        for left in self.state.in_status(JobStatus.MANUAL):
            if left.name in self.results:
                continue  # a bridge whose pipeline waits for a manual job
            await self._finish(JobResult(job=left.name, status=JobStatus.MANUAL))

    async def _take(self, message: _Message) -> None:
        """Let a message change the state."""
        match message:
            case JobResult() as result:
                await self._ended(result)
                job = self.plan.pipeline.jobs[result.job]
                # Only now that the end is told: who counts what runs counts right.
                self.slots.give_back(
                    self.groups.get(job.name), counts=not job.is_bridge
                )
            case _Due(job):
                if job in self.delayed:
                    self.delayed.discard(job)
                    self.state.set(job, JobStatus.PENDING)
            case _Stop(reason):
                await self._stop(reason)
            case _Freed(resource):
                self.queue.freed(resource)
            case _Played(jobs):
                self.asking = False
                for name in jobs:
                    self.state.apply("play", name)

    async def _advance(
        self, tasks: TaskGroup, send: MemoryObjectSendStream[_Message]
    ) -> None:
        """Tell what changed, play what is to be played, start what can be started."""
        await self._notice_changes(tasks, send)
        while (candidate := self.queue.take()) is not None:
            self._start(*candidate, tasks, send)
        for job, attempt in self.queue.take_newly_held():
            if self.known[job.name] is not JobStatus.WAITING_FOR_RESOURCE:
                self.known[job.name] = JobStatus.WAITING_FOR_RESOURCE
                self.state.set(job.name, JobStatus.WAITING_FOR_RESOURCE)
                await self._tell(job.name, JobStatus.WAITING_FOR_RESOURCE, attempt)

    async def _notice_changes(
        self, tasks: TaskGroup, send: MemoryObjectSendStream[_Message]
    ) -> None:
        while changed := self.state.take_changed():
            for name, status in changed:
                if self.known.get(name, JobStatus.CREATED) is status:
                    continue
                self.known[name] = status
                job = self.plan.pipeline.jobs[name]
                match status:
                    case JobStatus.PENDING:
                        self.queue.add(job, 1)
                        await self._tell(name, status)
                    case JobStatus.MANUAL if self._is_played(job):
                        self.state.apply("play", name)
                    case JobStatus.SCHEDULED:
                        self.delayed.add(name)
                        tasks.start_soon(self._delay, job, send)
                        await self._tell(name, status)
                    case JobStatus.SKIPPED:
                        await self._finish(JobResult(job=name, status=status))
                    case JobStatus.MANUAL:
                        await self._tell(name, status)
                    case _:
                        pass

    def _start(
        self,
        job: Job,
        attempt: int,
        tasks: TaskGroup,
        send: MemoryObjectSendStream[_Message],
    ) -> None:
        scope = anyio.CancelScope()
        self.running[job.name] = scope
        # A bridge holds no slot while it waits for its pipeline.
        self.slots.take(self.groups.get(job.name), counts=not job.is_bridge)
        self.known[job.name] = JobStatus.RUNNING
        self.state.set(job.name, JobStatus.RUNNING)
        tasks.start_soon(
            self._attempt, job, attempt, scope, send, name=f"job {job.name}"
        )

    async def _attempt(
        self,
        job: Job,
        attempt: int,
        scope: anyio.CancelScope,
        send: MemoryObjectSendStream[_Message],
    ) -> None:
        started = time.time()
        result = None
        with scope:
            await self._tell(job.name, JobStatus.RUNNING, attempt)
            try:
                result = await self.run_job(job, attempt)
            except EngineUnavailableError as error:
                # No job can run any more.
                send.send_nowait(_Stop(error.message))
                result = JobResult(
                    job=job.name,
                    status=JobStatus.FAILED,
                    failure_reason=FailureReason.RUNNER_SYSTEM_FAILURE,
                    message=error.message,
                    attempt=attempt,
                    started_at=started,
                    finished_at=time.time(),
                )
        if result is None:
            result = JobResult(
                job=job.name,
                status=JobStatus.CANCELED,
                attempt=attempt,
                started_at=started,
                finished_at=time.time(),
                message=self.stopping,
            )
        send.send_nowait(result)

    async def _ended(self, result: JobResult) -> None:
        job = self.plan.pipeline.jobs[result.job]
        del self.running[job.name]
        if self.stopping is None and should_retry(job, result):
            attempt = result.attempt + 1
            self.known[job.name] = JobStatus.PENDING
            self.state.set(job.name, JobStatus.PENDING)
            self.queue.add(job, attempt)
            message = f"attempt {result.attempt} of {job.retry.max + 1} failed"
            if result.failure_reason is not None:
                message += f" ({result.failure_reason})"
            await self._tell(job.name, JobStatus.PENDING, attempt, message)
            return
        allowed = may_fail(job.allow_failure, result.exit_code)
        if result.status is JobStatus.FAILED:
            result = replace(result, allow_failure=allowed)
        self.known[job.name] = result.status
        await self._finish(result)
        self.state.set(job.name, result.status, allow_failure=allowed)
        if result.status is JobStatus.FAILED and not allowed and self._fails_fast():
            await self._stop(f"job {job.name} failed")

    async def _stop(self, reason: str) -> None:
        """Cancel all that has not ended; GitLab cancels created jobs just so."""
        if self.stopping is not None:
            return
        self.stopping = reason
        self.asking = False
        self.queue.clear()
        self.delayed.clear()
        for scope in self.running.values():
            scope.cancel()
        for name, status in self.state.statuses().items():
            if status in _OPEN:
                self.known[name] = JobStatus.CANCELED
                self.state.set(name, JobStatus.CANCELED)
                await self._finish(
                    JobResult(job=name, status=JobStatus.CANCELED, message=reason)
                )

    async def _finish(self, result: JobResult) -> None:
        self.results[result.job] = result
        await self.emit(JobFinished(at=time.time(), result=result))

    async def _tell(
        self,
        job: JobName,
        status: JobStatus,
        attempt: int = 1,
        message: str | None = None,
    ) -> None:
        await self.emit(
            JobStatusChanged(
                at=time.time(), job=job, status=status, attempt=attempt, message=message
            )
        )

    async def _delay(self, job: Job, send: MemoryObjectSendStream[_Message]) -> None:
        if job.start_in is not None and not self.plan.options.no_delay:
            await self.sleep(job.start_in.total_seconds())
        send.send_nowait(_Due(job.name))

    def _offer_manual(
        self, tasks: TaskGroup, send: MemoryObjectSendStream[_Message]
    ) -> bool:
        """Let the player choose among the manual jobs; return whether it is asked."""
        player = self.plan.options.player
        if player is None or self.stopping is not None or self.asking:
            return self.asking
        waiting = [
            job
            for job in self.state.in_status(JobStatus.MANUAL)
            if job.name not in self.results and job.name not in self.offered
        ]
        if waiting:
            self.asking = True
            self.offered.update(job.name for job in waiting)
            tasks.start_soon(_ask, player, waiting, send)
        return self.asking

    def _is_played(self, job: Job) -> bool:
        manual = self.plan.options.manual
        return "all" in manual or job.name in manual or job.base_name in manual

    def _fails_fast(self) -> bool:
        return (
            self.plan.options.fail_fast
            or self.plan.pipeline.auto_cancel_on_job_failure == "all"
        )


def _as_asked(plan: RunPlan) -> Pipeline:
    """Return the pipeline in which the jobs that the user named run by themselves."""
    jobs = {
        name: replace(job, when=When.ON_SUCCESS)
        if name in plan.options.named and job.when in (When.MANUAL, When.DELAYED)
        else job
        for name, job in plan.pipeline.jobs.items()
    }
    return replace(plan.pipeline, jobs=jobs)


async def _ask(
    player: Player, jobs: list[Job], send: MemoryObjectSendStream[_Message]
) -> None:
    send.send_nowait(_Played(tuple(await player.choose(jobs))))


async def _forward(stop: anyio.Event, send: MemoryObjectSendStream[_Message]) -> None:
    await stop.wait()
    send.send_nowait(_Stop("interrupted"))


async def _expire(limit: float, send: MemoryObjectSendStream[_Message]) -> None:
    await anyio.sleep(limit)
    send.send_nowait(_Stop(f"the run took longer than {limit:g} s"))
