"""The time that a job, its script and its ``after_script`` have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.durations import parse_duration

if TYPE_CHECKING:
    from spotci.executor.job_variables import JobVariables

__all__ = ["Timeouts", "go_duration", "plan_timeouts"]

_AFTER_SCRIPT = 300.0
_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for the whole job and for two of its phases."""

    job: float
    script: float
    after_script: float


def plan_timeouts(job: float, variables: JobVariables) -> Timeouts:
    """Return the timeouts, with what the variables of the runner say of them.

    ``RUNNER_SCRIPT_TIMEOUT`` and ``RUNNER_AFTER_SCRIPT_TIMEOUT`` are durations; a
    negative one is counted from the timeout of the job.
    """
    return Timeouts(
        job=job,
        script=_relative(variables.values.get("RUNNER_SCRIPT_TIMEOUT"), job, job),
        after_script=_relative(
            variables.values.get("RUNNER_AFTER_SCRIPT_TIMEOUT"), _AFTER_SCRIPT, job
        ),
    )


def go_duration(seconds: float) -> str:
    """Return a duration as Go prints it, which the runner's messages hold."""
    whole, rest = divmod(seconds, 1)
    minutes, second = divmod(int(whole), _MINUTE)
    last = f"{second + rest:g}s"
    if seconds < _MINUTE:
        return last
    if seconds < _HOUR:
        return f"{minutes}m{last}"
    return f"{minutes // 60}h{minutes % 60}m{last}"


def _relative(text: str | None, default: float, job: float) -> float:
    """Return a duration in seconds; the default where it is none."""
    if not text:
        return default
    negative = text.startswith("-")
    try:
        seconds = parse_duration(text.removeprefix("-"))
    except ValueError:
        return default
    return max(0.0, job - seconds) if negative else min(seconds, job)
