"""What to do next: why jobs failed, and the commands that run them again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from spotci.events import JobStatus
from spotci.report.terminal import printable, without_colours, wrap
from spotci.report.words import describe_failure, status_sign, status_style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotci.report.state import JobState, RunState
    from spotci.report.terminal import Paint

__all__ = ["advice"]

_LAST_LINES = 15
#: Failures that are told in full; of a hundred nobody reads more.
_MOST = 10


def advice(
    state: RunState, *, paint: Paint, options: Sequence[str], width: int | None
) -> Iterator[str]:
    """Yield a paragraph for each failure, what matters most last, and the manual jobs.

    ``options`` are those of the command line that chose the context of the run: the
    commands need them again.
    """
    if manual := state.with_status(JobStatus.MANUAL):
        yield _manual(manual, paint, options)
    failed = [job for job in state.with_status(JobStatus.FAILED) if job.result]
    # Where the eye is when the run ends: at the last lines.
    failed.sort(key=lambda job: not job.warning)
    told = failed[-_MOST:]
    if more := len(failed) - len(told):
        yield paint("dim", f"{more} more {'jobs' if more > 1 else 'job'} failed")
    for job in told:
        yield _failure(job, paint, options, width)
    again = [job for job in failed if not job.warning]
    if len(again) > 1:
        yield f"run all that failed again: {paint('bold', 'spotci rerun --failed')}"


def _failure(
    job: JobState, paint: Paint, options: Sequence[str], width: int | None
) -> str:
    if job.result is None:
        return ""
    style = status_style(job.status, warning=job.warning)
    sign = status_sign(job.status, warning=job.warning)
    what = "failed, which is allowed" if job.warning else "failed"
    reason = printable(f"{job.plan.name} {what}: {describe_failure(job.result)}")
    head = wrap(f"{sign} {reason}", width, indent="  ")
    lines = [paint(style, line) for line in head]
    told = [line for line in job.result.last_lines if line.strip()]
    lines += [
        paint("dim", "    │ ") + without_colours(printable(line)).rstrip()
        for line in told[-_LAST_LINES:]
    ]
    name = _argument(job.plan.name)
    if told:
        lines.append(f"  whole log:    {shlex.join(['spotci', 'logs', *name])}")
    again = _run(options, job.bridge or job.plan.name)
    lines.append(f"  run it again: {paint('bold', again)}")
    return "\n".join(lines)


def _manual(jobs: Sequence[JobState], paint: Paint, options: Sequence[str]) -> str:
    noun = "a manual job was" if len(jobs) == 1 else f"{len(jobs)} manual jobs were"
    lines = [paint("blue", f"▷ {noun} not played")]
    lines += [f"  play it: {_play(options, job)}" for job in jobs[:_MOST]]
    if more := len(jobs) - _MOST:
        lines += [f"  and {more} more"] if more > 0 else []
    return "\n".join(lines)


def _play(options: Sequence[str], job: JobState) -> str:
    if job.bridge is None:
        return _run(options, job.plan.name)
    # A job of a child pipeline has no name before its bridge has run.
    return _run(("--manual", "all", *options), job.bridge)


def _run(options: Sequence[str], job: str) -> str:
    # A name that begins with a dash would be read as an option.
    name = ["--job", job] if job.startswith("-") else [job]
    return shlex.join(["spotci", "run", *name, *options])


def _argument(job: str) -> list[str]:
    return ["--", job] if job.startswith("-") else [job]
