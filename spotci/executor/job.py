"""Runs jobs: each attempt in a container of its own, in the phases of GitLab Runner.

A job that fails is a :class:`~spotci.events.JobResult`. What is canceled stops its
container, runs its ``after_script`` and cleans up before the cancellation goes on.
"""

from __future__ import annotations

import itertools
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import anyio

from spotci.errors import EngineError, EngineUnavailableError
from spotci.events import (
    ArtifactsSaved,
    FailureReason,
    JobResult,
    JobStatus,
    Notice,
)
from spotci.executor.elsewhere import ProjectNeeds
from spotci.executor.end import End, failed
from spotci.executor.export import copy_into, export_layer, write_dotenv
from spotci.executor.handover import Handover, HandoverStore
from spotci.executor.phases import JobPhases
from spotci.executor.runner_services import RunnerServices
from spotci.executor.snapshot import Snapshots, bring_in
from spotci.job_inputs import JobInputError, with_inputs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from anyio.abc import TaskGroup

    from spotci.executor.artifacts import Archive
    from spotci.executor.backend import Backend, LayerId, SnapshotId
    from spotci.executor.emit import Emit
    from spotci.executor.outputs import JobOutputs
    from spotci.executor.plan import RunPlan
    from spotci.executor.revival import RunBackend
    from spotci.pipeline import Job

__all__ = ["JobRunner"]

#: Seconds for removing what a job leaves in the engine, and for copying its artifacts.
_CLEANUP_LIMIT = 60.0
_EXPORT_LIMIT = 600.0
_JOB_IDS_PER_RUN = 1000
_NO_BRIDGE = "spotci does not start downstream pipelines: run that pipeline itself"
_NO_STEPS = "spotci does not execute `run`: write `script` instead"


class JobRunner:
    """Runs the jobs of one plan; it lives as long as its context.

    Copies to the record and removals go on in the background when a job has ended.
    Leaving the context waits for them, bounded, even when it is canceled.
    """

    def __init__(
        self,
        plan: RunPlan,
        backend: Backend,
        emit: Emit,
        snapshot: SnapshotId | None,
        *,
        upstream: Mapping[str, HandoverStore] | None = None,
        revival: RunBackend | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plan = plan
        #: Opens the backend again where its engine dies; None: then all is over.
        self._revival = revival
        self._emit = emit
        self._clock = clock
        self._store = HandoverStore(plan, backend.workspaces, upstream or {})
        self._hurry = anyio.Event()
        self._services = RunnerServices(
            plan=plan,
            backend=backend,
            emit=emit,
            clock=clock,
            snapshots=Snapshots(plan.tree, backend.workspaces, snapshot),
            store=self._store,
            needs=ProjectNeeds(plan, backend.workspaces),
            hurry=self._hurry,
        )
        self._ids = itertools.count(_first_id(plan))
        self._slots: set[int] = set()
        self._moving = anyio.Lock()
        self._stack = AsyncExitStack()
        self._background: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._background = await self._stack.enter_async_context(
            anyio.create_task_group()
        )
        if self._revival is not None:
            self._revival.follow(self._move)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._stack.__aexit__(kind, error, traceback)
        finally:
            self._background = None
            if self._revival is not None:
                self._revival.unfollow(self._move)
            with (
                anyio.move_on_after(_CLEANUP_LIMIT, shield=True),
                suppress(EngineError),
            ):
                await self._store.drop()

    @property
    def store(self) -> HandoverStore:
        """What the jobs have handed on so far."""
        return self._store

    @property
    def backend(self) -> Backend:
        """The backend that the jobs run on now."""
        return self._services.backend

    @property
    def snapshot(self) -> SnapshotId | None:
        """The source tree in that backend."""
        return self._services.snapshots.plain

    def hurry(self) -> None:
        """Skip what canceled jobs still want to do, ``after_script`` above all."""
        self._hurry.set()

    async def run(self, job: Job, attempt: int = 1) -> JobResult:
        """Run one attempt of a job, numbered from 1, and return how it ended.

        Where the engine has died the attempt begins when it runs again; raises
        EngineUnavailableError where it never will.

        When it is canceled, the job's container has been stopped and its
        ``after_script`` has run by the time the cancellation goes on.
        """
        if self._background is None:
            raise RuntimeError("a JobRunner runs jobs inside of its context")
        started = self._clock()
        unable = _unable(job)
        if unable is not None:
            # Neither passed nor failed: what waits for it by needs is skipped, too.
            end = End(status=JobStatus.SKIPPED, message=unable)
            return self._result(job, attempt, started, end)
        try:
            job = with_inputs(job)
        except JobInputError as error:
            end = failed(FailureReason.RUNNER_SYSTEM_FAILURE, str(error))
            return self._result(job, attempt, started, end)
        try:
            services = await self._ready()
        except EngineUnavailableError:
            raise
        except EngineError as error:
            end = failed(FailureReason.RUNNER_SYSTEM_FAILURE, str(error))
            return self._result(job, attempt, started, end)
        needed = await services.needs.find(job)
        slot = next(number for number in itertools.count() if number not in self._slots)
        self._slots.add(slot)
        phases = JobPhases(
            services=services,
            job=job,
            number=attempt,
            id=next(self._ids),
            slot=slot,
            started=started,
            needed=needed,
        )
        try:
            end = await phases.run()
        except BaseException:
            self._tidy(phases, None)
            raise
        finally:
            self._slots.discard(slot)
        self._tidy(phases, end)
        return self._result(job, attempt, started, end)

    async def _ready(self) -> RunnerServices:
        """Return what attempts share, on an engine that runs."""
        if self._revival is not None:
            await self._move(await self._revival.ready())
        return self._services

    async def _move(self, backend: Backend) -> None:
        """Go over to a backend in the place of one whose engine died.

        The source tree is brought in again, at the cost of what is not there any more,
        and what jobs handed on is looked for. Raises EngineError.
        """
        async with self._moving:
            old = self._services
            if backend is old.backend:
                return
            plain = None
            if old.snapshots.plain is not None:
                plain = await bring_in(self._plan, backend, self._emit)
            gone = await self._store.move(backend.workspaces)
            self._services = replace(
                old,
                backend=backend,
                snapshots=Snapshots(self._plan.tree, backend.workspaces, plain),
                needs=ProjectNeeds(self._plan, backend.workspaces),
            )
        if gone:
            await self._warn(
                f"the artifacts of {', '.join(gone)} went with the engine, before they "
                "were copied to the record"
            )

    def _result(self, job: Job, attempt: int, started: float, end: End) -> JobResult:
        return JobResult(
            job=job.name,
            status=end.status,
            exit_code=end.exit_code,
            failure_reason=end.reason,
            message=end.message,
            attempt=attempt,
            started_at=started,
            finished_at=self._clock(),
            coverage=end.coverage,
            tests=end.tests,
            environment_url=end.environment_url,
            release=end.release,
            last_lines=end.last_lines,
        )

    def _tidy(self, phases: JobPhases, end: End | None) -> None:
        """Hand on what there is, and copy and remove the rest in the background."""
        job = phases.job
        archive = phases.outputs.archive
        if end is not None:
            self._store.put(
                job.name,
                Handover(
                    id=phases.id,
                    layer=None if archive is None else archive.layer,
                    variables=phases.outputs.variables,
                ),
            )
        if archive is not None:
            self._start(self._export, job, archive, end, limit=_EXPORT_LIMIT)
        if phases.outputs.variables:
            self._start(self._record_dotenv, job, phases.outputs, limit=_EXPORT_LIMIT)
        reports = phases.outputs.reports
        if reports is not None:
            self._start(self._export_reports, job, reports, limit=_EXPORT_LIMIT)
        passed = end is not None and end.passed
        if passed or not self._plan.options.keep:
            self._start(phases.release, limit=_CLEANUP_LIMIT)

    def _start(
        self,
        function: Callable[..., Awaitable[None]],
        *args: object,
        limit: float,
    ) -> None:
        """Run something behind the jobs, to its end whatever is canceled meanwhile."""

        async def run() -> None:
            with anyio.move_on_after(limit, shield=True):
                await function(*args)

        if self._background is None:
            raise RuntimeError("a JobRunner runs jobs inside of its context")
        self._background.start_soon(run)

    async def _export(self, job: Job, archive: Archive, end: End | None) -> None:
        plan = self._plan
        folder = plan.record / "artifacts" / plan.slug(job.name)
        try:
            await self._copy(archive.layer, folder)
            self._store.copied(archive.layer, folder)
            passed = end is not None and end.passed
            if plan.options.artifacts_to_source and passed:
                await anyio.to_thread.run_sync(copy_into, folder, plan.tree.root)
        except (EngineError, OSError) as error:
            await self._warn(f"the artifacts of {job.name} are not kept: {error}")
            return
        await self._emit(
            ArtifactsSaved(
                at=self._clock(),
                job=job.name,
                path=self._shown(folder),
                files=archive.files,
                bytes=archive.bytes,
                name=archive.name,
            )
        )

    def _shown(self, folder: Path) -> str:
        """Return the path relative to the project, where the record lies in it."""
        root = self._plan.tree.root
        return str(folder.relative_to(root) if folder.is_relative_to(root) else folder)

    async def _export_reports(self, job: Job, reports: Archive) -> None:
        folder = self._plan.record / "reports" / self._plan.slug(job.name)
        try:
            await self._copy(reports.layer, folder)
        except (EngineError, OSError) as error:
            await self._warn(f"the reports of {job.name} are not kept: {error}")
        with suppress(EngineError):
            await self.backend.workspaces.drop(reports.layer)

    async def _copy(self, layer: LayerId, folder: Path) -> None:
        """Copy a layer to the record; where the engine dies, from the next one."""
        workspaces = self.backend.workspaces
        try:
            await export_layer(workspaces, layer, folder)
        except EngineError:
            services = await self._ready()
            if services.backend.workspaces is workspaces:
                raise
            await export_layer(services.backend.workspaces, layer, folder)

    async def _record_dotenv(self, job: Job, outputs: JobOutputs) -> None:
        plan = self._plan
        path = plan.record / "dotenv" / f"{plan.slug(job.name)}.env"
        try:
            await anyio.to_thread.run_sync(write_dotenv, path, outputs.variables)
        except OSError as error:
            await self._warn(f"the variables of {job.name} are not kept: {error}")

    async def _warn(self, text: str) -> None:
        await self._emit(Notice(at=self._clock(), text=text, level="warning"))


def _unable(job: Job) -> str | None:
    """Return why a job is none that spotci can run, or None where it can."""
    if job.is_bridge:
        return _NO_BRIDGE
    return _NO_STEPS if job.run and not job.script else None


def _first_id(plan: RunPlan) -> int:
    """Return the first ``CI_JOB_ID`` of the run: other runs have others."""
    for variable in plan.variables:
        if variable.name == "CI_PIPELINE_ID" and variable.value.isdecimal():
            return int(variable.value) * _JOB_IDS_PER_RUN + 1
    return 1
