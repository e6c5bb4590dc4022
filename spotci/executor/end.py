"""How an attempt of a job ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.events import FailureReason, JobStatus
from spotci.executor.trace import GREEN

if TYPE_CHECKING:
    from spotci.events import TestCounts
    from spotci.executor.backend import Engine, Exit, Workspaces
    from spotci.executor.trace import Trace

__all__ = [
    "End",
    "ended",
    "failed",
    "system_failure",
    "tell_end",
    "with_full_disk",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended, and what it told."""

    status: JobStatus
    exit_code: int | None = None
    reason: FailureReason | None = None
    message: str | None = None
    coverage: float | None = None
    tests: TestCounts | None = None
    environment_url: str | None = None
    release: str | None = None
    last_lines: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the job succeeded."""
        return self.status is JobStatus.SUCCESS

    @property
    def adjective(self) -> str:
        """The runner's word for the job in titles."""
        return "successful" if self.passed else "failed"


def ended(exit_: Exit) -> End:
    """Return the end of a job whose script ended this way."""
    if exit_.code == 0:
        return End(status=JobStatus.SUCCESS, exit_code=0)
    message = None
    if exit_.oom_killed:
        message = "the container was killed, out of memory"
    return End(
        status=JobStatus.FAILED,
        exit_code=exit_.code,
        reason=FailureReason.SCRIPT_FAILURE,
        message=message,
    )


def failed(reason: FailureReason, message: str) -> End:
    """Return the end of a job that failed for another reason than its script."""
    return End(status=JobStatus.FAILED, reason=reason, message=message)


async def system_failure(error: EngineError, engine: Engine) -> End:
    """Return the end of a job that the engine failed; one that died is told so."""
    died = await engine.has_died()
    message = "the engine died while the job ran" if died else str(error)
    return failed(FailureReason.RUNNER_SYSTEM_FAILURE, message)


async def with_full_disk(end: End, workspaces: Workspaces) -> End:
    """Return the end of a job; one that failed tells of a disk without room."""
    if end.passed:
        return end
    try:
        disk = await workspaces.full_disk()
    except EngineError:
        return end
    if disk is None:
        return end
    told = f"{disk} has no room left"
    return replace(end, message=f"{end.message}; {told}" if end.message else told)


async def tell_end(end: End, trace: Trace) -> None:
    """Say the last word of a job's log, in the runner's form."""
    if end.passed:
        await trace.line("Job succeeded", colour=GREEN)
        return
    system = end.reason is FailureReason.RUNNER_SYSTEM_FAILURE
    parts = [] if end.exit_code is None else [f"exit code {end.exit_code}"]
    parts += [end.message] if end.message else []
    head = f"Job failed{' (system failure)' if system else ''}"
    await trace.error(f"{head}: {': '.join(parts)}")
