"""Where a person looks into a job: in place of its script, at a line, when it failed.

The executor knows when; a :class:`Debugger`, which the command line gives, knows what a
terminal is. While somebody looks, the job waits and its timeouts do not run.
"""

from __future__ import annotations

import math
import secrets
import shlex
import time
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.events import JobStatus
from spotci.executor.breakpoints import AFTER, BreakFilter, Breaks
from spotci.executor.end import End
from spotci.executor.session_program import shell_environment
from spotci.kept_jobs import KeptJob

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterable,
        AsyncIterator,
        Callable,
        Mapping,
        Sequence,
    )
    from contextlib import AbstractAsyncContextManager

    from spotci.executor.backend import ContainerId, Session, Sessions, SessionSpec
    from spotci.executor.breakpoints import Pause
    from spotci.executor.plan import RunPlan
    from spotci.executor.resources import JobResources
    from spotci.executor.timeouts import Timeouts
    from spotci.executor.trace import Trace
    from spotci.pipeline import Job, JobName

    #: Where a program of a job runs: its container, variables and folder.
    Scene = tuple[JobResources, Mapping[str, str], str]

__all__ = ["Debugger", "JobDebug", "Stop", "StopKind", "keep_job"]


class StopKind(StrEnum):
    """Why somebody looks into a job."""

    #: In place of its script.
    SHELL = "shell"
    FAILURE = "failure"
    BREAKPOINT = "breakpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A job that waits for a person. ``text`` is the line that it stopped before."""

    job: JobName
    kind: StopKind
    environment: Mapping[str, str]
    project_dir: str
    before_script: tuple[str, ...]
    sessions: Sessions
    container: ContainerId
    #: The stop of the script, at a breakpoint.
    pause: Pause | None = None
    text: str = ""

    def open(self, spec: SessionSpec) -> AbstractAsyncContextManager[Session]:
        """Run a program in the container of the job."""
        return self.sessions.open(self.container, spec)


class Debugger(Protocol):
    """What the user wants to look into, and his terminal."""

    def takes_over(self, job: Job) -> bool:
        """Say whether a session runs in place of the job's script."""
        ...

    def looks_at_failure(self, job: Job) -> bool:
        """Say whether a session is opened when the job's script failed."""
        ...

    def breakpoints(self, job: Job) -> frozenset[str]:
        """Return where the job stops: numbers of lines from 1, and ``after``."""
        ...

    async def enter(self, stop: Stop) -> int:
        """Let the person look, and return the exit code of what was run."""
        ...


@dataclass(slots=True, kw_only=True)
class JobDebug:
    """The sessions of one attempt of a job."""

    job: Job
    debugger: Debugger
    sessions: Sessions

    @classmethod
    def of(
        cls, job: Job, debugger: Debugger | None, sessions: Sessions | None
    ) -> JobDebug | None:
        """Return it for a job that may be looked into, None for any other."""
        if debugger is None or sessions is None:
            return None
        wanted = (
            debugger.takes_over(job)
            or debugger.looks_at_failure(job)
            or debugger.breakpoints(job)
        )
        return cls(job=job, debugger=debugger, sessions=sessions) if wanted else None

    def unhurried(self, timeouts: Timeouts) -> Timeouts:
        """Return the timeouts of a job that waits for a person: none."""
        return replace(timeouts, job=math.inf, script=math.inf, after_script=math.inf)

    def takes_over(self) -> bool:
        """Say whether a session runs in place of the script."""
        return self.debugger.takes_over(self.job)

    async def take_over(self, scene: Scene) -> End:
        """Run the session, and return the end of the job by its exit code."""
        stop = self._stop(StopKind.SHELL, scene)
        code = await self.debugger.enter(stop)
        status = JobStatus.FAILED if code else JobStatus.SUCCESS
        return End(status=status, exit_code=code)

    async def look_at_failure(self, scene: Scene) -> None:
        """Run a session in the container of a job that failed, if it is wanted."""
        if self.debugger.looks_at_failure(self.job):
            stop = self._stop(StopKind.FAILURE, scene)
            await self.debugger.enter(stop)

    def breaks(self, folder: str, script: str) -> Breaks | None:
        """Return where a script stops: ``script``, ``after``, or another."""
        wanted = self.debugger.breakpoints(self.job)
        if script == "script":
            lines = frozenset(int(word) for word in wanted if word != AFTER)
        else:
            lines = (
                frozenset({1}) if script == AFTER and AFTER in wanted else frozenset()
            )
        if not lines:
            return None
        return Breaks(lines=lines, token=secrets.token_hex(16), folder=f"{folder}.tmp")

    def watching(
        self,
        breaks: Breaks,
        commands: Sequence[str],
        scene: Scene,
    ) -> Callable[[AsyncIterable[bytes]], AsyncIterable[bytes]]:
        """Return what passes the output of a script on, and sees where it stops."""
        stop = self._stop(StopKind.BREAKPOINT, scene)

        async def watch(output: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
            marks = BreakFilter(breaks)
            async for piece in output:
                for part in marks.feed(piece):
                    if isinstance(part, bytes):
                        yield part
                        continue
                    text = commands[part - 1].strip() if part <= len(commands) else ""
                    await self.debugger.enter(
                        replace(stop, pause=breaks.pause(part), text=text)
                    )
            if rest := marks.close():
                yield rest

        return watch

    def _stop(
        self,
        kind: StopKind,
        scene: Scene,
    ) -> Stop:
        resources, environment, folder = scene
        if resources.container is None:
            raise EngineError("the container of the job is gone", subject=self.job.name)
        return Stop(
            job=self.job.name,
            kind=kind,
            environment=environment,
            project_dir=folder,
            before_script=self.job.before_script,
            sessions=self.sessions,
            container=resources.container,
        )


async def keep_job(
    job: Job,
    plan: RunPlan,
    sessions: Sessions | None,
    scene: Scene,
    *,
    end: End,
    trace: Trace,
) -> None:
    """Let a failed job outlive its run, where the engine can do that, and say so."""
    resources, environment, folder = scene
    if resources.container is None or resources.workspace is None:
        return
    if sessions is not None:
        given, _ = shell_environment({**environment, "CI_JOB_STATUS": end.status.value})
        await sessions.keep(
            KeptJob(
                run=plan.run,
                job=job.name,
                project=str(plan.tree.root),
                at=time.time(),
                image=resources.image.name,
                end=end.message or f"exit code {end.exit_code}",
                container=resources.container,
                workspace=resources.workspace.id,
                project_dir=folder,
                environment=given,
                before_script=job.before_script,
                services=resources.service_containers,
                network=resources.network,
            )
        )
    await trace.line(
        f"The container {resources.name} is kept: spotci shell {shlex.quote(job.name)}"
    )
