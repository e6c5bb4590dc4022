"""One attempt of a job, phase by phase, as GitLab Runner runs it.

::

    prepare_executor   image, workspace, services and container, made at once
    prepare_script     where it runs
    get_sources        what the workspace holds; hooks:pre_get_sources_script
    restore_cache      ┐ layers of the workspace: they cost nothing here, and are
    download_artifacts ┘ told where the runner tells them
    step_script        before_script and script, in one shell
    after_script       in a new shell of the same container
    archive_cache, upload_artifacts, cleanup_file_variables
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from spotci import __version__
from spotci.dataclass import dataclass
from spotci.errors import EngineError, ImagePullError
from spotci.events import FailureReason, JobStatus
from spotci.executor.concurrency import first_error, together
from spotci.executor.elsewhere import Needed
from spotci.executor.end import (
    End,
    ended,
    failed,
    system_failure,
    tell_end,
    with_full_disk,
)
from spotci.executor.inputs import JobInputs, find_inputs
from spotci.executor.job_variables import Attempt, expand_url, job_variables
from spotci.executor.masking import MINIMUM_LENGTH, Secrets
from spotci.executor.outputs import JobOutputs
from spotci.executor.preparation import plan_resources
from spotci.executor.release import record_release
from spotci.executor.resources import WorkspaceRequest
from spotci.executor.script import ScriptOptions, build_script
from spotci.executor.sources import plan_sources, project_dir, tell_sources
from spotci.executor.timeouts import go_duration, plan_timeouts
from spotci.executor.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from spotci.executor.backend import Exit
    from spotci.executor.debug import JobDebug, Scene
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.resources import JobResources
    from spotci.executor.runner_services import RunnerServices
    from spotci.executor.sources import Sources
    from spotci.executor.timeouts import Timeouts
    from spotci.pipeline import Job
    from spotci.variables import Variable

__all__ = ["JobPhases"]

_TIMED_OUT = (
    "{} could not run to completion because the timeout was exceeded. For more "
    "control over job and script timeouts see: https://docs.gitlab.com/ci/runners/"
    "configure_runners/#set-script-and-after-script-timeouts"
)
_NO_PARENT = (
    "needs:pipeline: no parent pipeline is part of this run, so that nothing is "
    "downloaded from one"
)


@dataclass(slots=True, kw_only=True)
class JobPhases:
    """One attempt; afterwards its fields hold what it hands on."""

    services: RunnerServices
    job: Job
    number: int
    id: int
    slot: int
    started: float
    needed: Needed = field(default_factory=Needed)
    outputs: JobOutputs = field(init=False)
    _trace: Trace = field(init=False)
    _attempt: Attempt = field(init=False)
    _variables: JobVariables = field(init=False)
    _inherited: tuple[Variable, ...] = field(init=False)
    _timeouts: Timeouts = field(init=False)
    _sources: Sources = field(init=False)
    _resources: JobResources | None = None
    _inputs: JobInputs = field(default_factory=JobInputs)
    #: Where a person looks into the job, if one does.
    _debug: JobDebug | None = None
    #: Whether the script began: only then there is an after_script.
    _began: bool = False
    _after_ran: bool = False
    #: Why the project cannot lie where the job wants it.
    _misplaced: str | None = None
    _release: str | None = None

    def __post_init__(self) -> None:
        plan, job = self._plan, self.job
        self._trace = Trace(
            job.name,
            self.services.emit,
            limit=plan.options.output_limit,
            coverage=job.coverage,
            clock=self.services.clock,
        )
        self.outputs = JobOutputs(
            job=job,
            plan=plan,
            workspaces=self.services.backend.workspaces,
            trace=self._trace,
        )
        timeout = (job.timeout or plan.options.job_timeout).total_seconds()
        self._attempt = Attempt(
            id=self.id,
            builds_dir=plan.builds_dir,
            project_dir=plan.project_dir,
            started_at=self.started,
            timeout=timeout,
            slot=self.slot,
            image="" if job.image else plan.options.default_image,
        )
        store = self.services.store
        self._inherited = (
            *(
                variable
                for handover in store.from_upstream(job).values()
                for variable in handover.variables
            ),
            *self.needed.variables,
            *store.variables(store.sources(job)),
        )
        self._set_variables()
        self._place()
        self._timeouts = plan_timeouts(timeout, self._variables)
        if plan.options.debugger is not None:
            from spotci.executor.debug import JobDebug  # noqa: PLC0415 - rarely used

            sessions = self.services.backend.sessions
            self._debug = JobDebug.of(job, plan.options.debugger, sessions)
        if self._debug is not None:
            self._timeouts = self._debug.unhurried(self._timeouts)
        self._sources = plan_sources(plan, self._variables)

    def _place(self) -> None:
        """Let the project lie where ``GIT_CLONE_PATH`` says."""
        attempt = self._attempt
        try:
            wanted = project_dir(
                attempt.project_dir, attempt.builds_dir, self._variables
            )
        except ValueError as error:
            self._misplaced = str(error)
            return
        if wanted != attempt.project_dir:
            self._attempt = replace(attempt, project_dir=wanted)
            self._set_variables()

    @property
    def _plan(self) -> RunPlan:
        return self.services.plan

    async def run(self) -> End:
        """Run the attempt within its timeout, and return how it ended."""
        end: End | None = None
        try:
            with anyio.move_on_after(self._timeouts.job) as deadline:
                end = await self._with_tasks()
            if deadline.cancelled_caught or end is None:
                took = go_duration(self._timeouts.job)
                end = failed(
                    FailureReason.JOB_EXECUTION_TIMEOUT,
                    f"execution took longer than {took} seconds",
                )
        except anyio.get_cancelled_exc_class():
            await self._cancel()
            raise
        await tell_end(end, self._trace)
        hide = self._trace.secrets.mask_text
        return replace(
            end,
            message=None if end.message is None else hide(end.message),
            coverage=self._trace.coverage,
            tests=self.outputs.tests,
            environment_url=hide(self._environment_url()) or None,
            release=self._release if end.passed else None,
            last_lines=() if end.passed else self._trace.last_lines,
        )

    async def release(self) -> None:
        """Remove what the attempt made in the engine."""
        if self._resources is not None:
            await self._resources.release()

    async def _with_tasks(self) -> End:
        """Run the phases, with a group for what goes on beside them."""
        try:
            async with anyio.create_task_group() as tasks:
                end = await self._guarded(tasks)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            error = first_error(group)
            if error is None:
                raise
            return await system_failure(error, self.services.backend.engine)
        return end

    async def _guarded(self, tasks: TaskGroup) -> End:
        """Run the phases; a fault of the engine fails the job."""
        await self._head()
        store = self.services.store
        if store.lacks_upstream(self.job):
            await self._trace.warning(_NO_PARENT)
        for warning in self.needed.warnings:
            await self._trace.warning(warning)
        lost = (
            *store.lost(store.sources(self.job)),
            *store.missing_upstream(self.job),
            *self.needed.missing,
        )
        if lost:
            return failed(
                FailureReason.MISSING_DEPENDENCY_FAILURE,
                "This job depends on other jobs with expired/erased artifacts: "
                + ", ".join(lost),
            )
        if self._misplaced is not None:
            return failed(FailureReason.UNKNOWN_FAILURE, self._misplaced)
        try:
            await self._prepare(tasks)
            end = await self._get_sources()
            if end is None and self._debug is not None and self._debug.takes_over():
                end = await self._debug.take_over(self._scene())
            elif end is None:
                end = await self._script()
                if end.passed:
                    await self._release_step()
                end = await self._after_script(end)
                end = await self._keep(end)
        except ImagePullError as error:
            end = failed(FailureReason.IMAGE_PULL_FAILURE, str(error))
        except EngineError as error:
            end = await system_failure(error, self.services.backend.engine)
        end = await with_full_disk(end, self.services.backend.workspaces)
        await self._cleanup(end)
        return end

    async def _head(self) -> None:
        trace = self._trace
        engine = self.services.backend.engine.description
        await trace.line(f"Running with spotci {__version__} on {engine}")
        too_short = trace.secrets.too_short
        if too_short:
            await trace.warning(
                f"{too_short} masked variables have fewer than {MINIMUM_LENGTH} "
                "characters and are not masked"
            )

    async def _prepare(self, tasks: TaskGroup) -> None:
        executor = "docker" if self.services.backend.containers else "shell"
        async with self._trace.section(
            "prepare_executor", f'Preparing the "{executor}" executor'
        ):
            resources, self._variables = await plan_resources(
                *(self.job, self.number, self._plan, self._variables),
                backend=self.services.backend,
                emit=self.services.emit,
                trace=self._trace,
            )
            self._resources = resources
            await together(
                resources.get_images,
                partial(self._open_workspace, resources),
                resources.connect,
            )
            if environment := resources.docker_environment(self._variables):
                self._variables = self._variables.overridden(environment)
            await together(
                partial(resources.create, self._variables),
                partial(resources.write_files, self._variables.files),
            )
            follow = self._variables.flag("CI_DEBUG_SERVICES", default=False)
            await resources.start_services(tasks if follow else None)
            await resources.tell_image()
        async with self._trace.section("prepare_script", "Preparing environment"):
            await self._trace.line(
                f"Running on {resources.name} via "
                f"{self.services.backend.engine.description}..."
            )

    async def _open_workspace(self, resources: JobResources) -> None:
        """Open the workspace over the layers of caches and artifacts."""
        self._inputs = await find_inputs(
            self.job,
            self._plan,
            self._variables,
            workspaces=self.services.backend.workspaces,
            store=self.services.store,
            elsewhere=partial(self.services.needs.layers, self.needed),
        )
        snapshot, folders = await self.services.snapshots.take(self._sources)
        request = WorkspaceRequest(
            snapshot=snapshot,
            git_depth=self._sources.depth,
            layers=(*folders, *self._inputs.layers),
            attempts=max(1, self._variables.number("GET_SOURCES_ATTEMPTS", default=1)),
        )
        workspace = await resources.open_workspace(
            request, project_dir=self._attempt.project_dir
        )
        if workspace.spec.project_dir != self._attempt.project_dir:
            self._attempt = self._attempt.moved(workspace.spec.project_dir)
            self._set_variables()

    async def _get_sources(self) -> End | None:
        """Tell what the workspace holds; return the end where a hook failed."""
        trace = self._trace
        async with trace.section("get_sources", "Getting source from Git repository"):
            hook = self.job.pre_get_sources_script
            if hook and self._sources.runs_hooks:
                exit_ = await self._shell(hook, status="running")
                if exit_.code:
                    return ended(exit_)
            await tell_sources(trace, self._sources)
        await self._inputs.tell(trace)
        return None

    async def _script(self) -> End:
        commands = (*self.job.before_script, *self.job.script)
        attempts = self._variables.number("EXECUTOR_JOB_SECTION_ATTEMPTS", default=1)
        async with self._trace.section(
            "step_script", 'Executing "step_script" stage of the job script'
        ):
            self._began = True
            with anyio.move_on_after(self._timeouts.script) as deadline:
                exit_ = await self._shell_again(commands, attempts)
            if not deadline.cancelled_caught:
                if exit_.code and self._debug is not None:
                    await self._debug.look_at_failure(self._scene())
                return ended(exit_)
            await self._trace.warning(_TIMED_OUT.format("step_script"))
        return failed(FailureReason.JOB_EXECUTION_TIMEOUT, "script timeout")

    async def _shell_again(self, commands: Sequence[str], attempts: int) -> Exit:
        """Run the script, again where the engine failed at starting it."""
        while True:
            attempts -= 1
            try:
                return await self._shell(commands, status="running", stops="script")
            except EngineError as error:
                if attempts <= 0:
                    raise
                await self._trace.warning(f"Retrying step_script: {error}")

    async def _after_script(self, end: End) -> End:
        if not self.job.after_script:
            return end
        self._after_ran = True
        async with self._trace.section("after_script", "Running after_script"):
            await self._trace.notice("Running after script...")
            with anyio.move_on_after(self._timeouts.after_script) as deadline:
                exit_ = await self._shell(
                    self.job.after_script, status=end.status.value, stops="after"
                )
            if deadline.cancelled_caught:
                await self._trace.warning(_TIMED_OUT.format("after_script"))
                return end
            if not exit_.code:
                return end
            if end.passed and not self._variables.flag(
                "AFTER_SCRIPT_IGNORE_ERRORS", default=True
            ):
                return ended(exit_)
            await self._trace.warning(
                "after_script failed, but job will continue unaffected: "
                f"exit code {exit_.code}"
            )
            return end

    async def _shell(
        self, commands: Sequence[str], *, status: str, stops: str = ""
    ) -> Exit:
        """Run commands in a new shell of the job's container.

        ``stops`` names the script whose breakpoints hold: ``script`` or ``after``.
        """
        scene = resources, values, folder = self._scene(status)
        breaks = watch = None
        if self._debug is not None and (breaks := self._debug.breaks(folder, stops)):
            watch = self._debug.watching(breaks, commands, scene)
        script = build_script(
            commands,
            variables=values,
            project_dir=folder,
            options=ScriptOptions.of(values),
            breaks=breaks,
        )
        return await resources.run(script, watch)

    def _scene(self, status: str = "running") -> Scene:
        """Return where a program of the job runs: container, variables, folder."""
        resources = self._resources
        if resources is None or resources.container is None:
            raise EngineError("the container of the job is gone")
        values = {**self._variables.values, "CI_JOB_STATUS": status}
        return resources, values, self._attempt.project_dir

    async def _release_step(self) -> None:
        """Record what the job releases, a step of its script in GitLab."""
        if self.job.release is None:
            return
        async with self._trace.section(
            "step_release", 'Executing "step_release" stage of the job script'
        ):
            self._release = await record_release(
                self.job, self._plan, self._variables, self._trace
            )

    async def _keep(self, end: End) -> End:
        """Save what the job leaves."""
        resources = self._resources
        if resources is None or resources.workspace is None:
            return end
        return await self.outputs.save(
            end,
            resources.workspace,
            caches=self._inputs.caches,
            variables=self._variables,
        )

    async def _cleanup(self, end: End) -> None:
        resources = self._resources
        if resources is None or resources.container is None:
            return
        if not end.passed and resources.services:
            await resources.show_service_logs()
        async with self._trace.section(
            "cleanup_file_variables",
            "Cleaning up project directory and file based variables",
        ):
            if self._plan.options.keep and not end.passed:
                from spotci.executor.debug import keep_job  # noqa: PLC0415 - rarely used

                sessions, scene = self.services.backend.sessions, self._scene()
                await keep_job(
                    *(self.job, self._plan, sessions, scene), end=end, trace=self._trace
                )

    async def _cancel(self) -> None:
        """Run after_script for a canceled job, unless nobody wants to wait for it."""
        with anyio.CancelScope(shield=True) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch_hurry, scope)
                if self._began and not self._after_ran:
                    try:
                        await self._after_script(End(status=JobStatus.CANCELED))
                    except EngineError as error:
                        await self._trace.warning(str(error))
                await self._trace.error("Job failed: canceled")
                tasks.cancel_scope.cancel()

    async def _watch_hurry(self, scope: anyio.CancelScope) -> None:
        await self.services.hurry.wait()
        scope.cancel()

    def _set_variables(self) -> None:
        self._variables = job_variables(
            self._plan, self.job, self._attempt, self._inherited
        )
        self._trace.secrets = Secrets(self._variables.secrets)

    def _environment_url(self) -> str:
        environment = self.job.environment
        if environment is None or environment.url is None:
            return ""
        return expand_url(
            environment.url,
            self._plan,
            self.job,
            self._attempt,
            (*self._inherited, *self.outputs.variables),
        )
