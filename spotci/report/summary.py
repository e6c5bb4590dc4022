"""The end of a run: a table of its jobs, why jobs failed, and what to do next."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.events import JobStatus, PipelineFinished
from spotci.report.state import RunState
from spotci.report.table import render_table
from spotci.report.terminal import printable, without_colours
from spotci.report.words import (
    describe_duration,
    describe_failure,
    describe_tests,
    status_sign,
    status_style,
    status_word,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from spotci.events import Event
    from spotci.report.state import JobState
    from spotci.report.terminal import Paint

__all__ = ["SummaryReport", "render_summary"]

_HEADERS = ("status", "job", "stage", "duration", "coverage", "tests")
_RIGHT = frozenset({3, 4})
_LAST_LINES = 10


class SummaryReport:
    """Writes the summary when the run has ended."""

    def __init__(
        self, stream: TextIO, *, paint: Paint, options: Sequence[str] = ()
    ) -> None:
        self._stream, self._paint, self._options = stream, paint, options
        self._state = RunState()

    def handle(self, event: Event) -> None:
        """Take in the event; the last one makes the summary."""
        self._state.handle(event)
        if isinstance(event, PipelineFinished):
            text = render_summary(self._state, paint=self._paint, options=self._options)
            self._stream.write(f"\n{text}\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is held."""


def render_summary(
    state: RunState, *, paint: Paint, options: Sequence[str] = ()
) -> str:
    """Return the summary of a run.

    ``options`` are those of the command line that chose the context of the run: the
    commands that the summary offers need them again.
    """
    parts = [_table(state, paint)]
    parts += [
        _failure(job, paint, options)
        for job in state.with_status(JobStatus.FAILED)
        if job.result is not None
    ]
    if manual := state.with_status(JobStatus.MANUAL):
        parts.append(_manual(manual, paint, options))
    parts.append(_verdict(state, paint))
    return "\n\n".join(part for part in parts if part)


def _table(state: RunState, paint: Paint) -> str:
    rows = [_row(job, paint) for job in state.jobs.values()]
    return render_table(_HEADERS, rows, paint=paint, right=_RIGHT) if rows else ""


def _row(job: JobState, paint: Paint) -> tuple[str, ...]:
    warning = job.warning
    sign = status_sign(job.status, warning=warning)
    word = status_word(job.status, warning=warning)
    status = paint(status_style(job.status, warning=warning), f"{sign} {word}")
    name = printable(job.plan.name)
    if job.attempt > 1:
        name += paint("dim", f" (attempt {job.attempt})")
    result = job.result
    if result is None:
        return (status, name, job.plan.stage, "", "", "")
    return (
        status,
        name,
        job.plan.stage,
        describe_duration(result.duration),
        "" if result.coverage is None else f"{result.coverage:.1f} %",
        describe_tests(result.tests),
    )


def _failure(job: JobState, paint: Paint, options: Sequence[str]) -> str:
    if job.result is None:
        return ""
    style = status_style(job.status, warning=job.warning)
    sign = status_sign(job.status, warning=job.warning)
    what = "failed, which is allowed" if job.warning else "failed"
    reason = describe_failure(job.result)
    lines = [paint(style, printable(f"{sign} {job.plan.name} {what}: {reason}"))]
    lines += [
        paint("dim", f"    {without_colours(printable(line))}".rstrip())
        for line in list(job.tail)[-_LAST_LINES:]
    ]
    lines.append(f"  run it again: {_command(options, job.bridge or job.plan.name)}")
    return "\n".join(lines)


def _manual(jobs: Sequence[JobState], paint: Paint, options: Sequence[str]) -> str:
    noun = "a manual job was" if len(jobs) == 1 else f"{len(jobs)} manual jobs were"
    lines = [paint("blue", f"▷ {noun} not played")]
    lines += [f"  play it: {_play(options, job)}" for job in jobs]
    return "\n".join(lines)


def _play(options: Sequence[str], job: JobState) -> str:
    if job.bridge is None:
        return _command(options, job.plan.name)
    # A job of a child pipeline has no name before its bridge has run.
    return _command(("--manual", "all", *options), job.bridge)


def _command(options: Sequence[str], job: str) -> str:
    # A name that begins with a dash would be read as an option.
    name = ["--job", job] if job.startswith("-") else [job]
    return shlex.join(["spotci", "run", *name, *options])


def _short(path: str) -> str:
    """Return a path as the user would write it here."""
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path


def _verdict(state: RunState, paint: Paint) -> str:
    end = state.finished
    if end is None:
        return ""
    warning = end.status is JobStatus.SUCCESS and end.passed_with_warnings
    words = {
        JobStatus.SUCCESS: "passed with warnings" if warning else "passed",
        JobStatus.MANUAL: "waits for a manual job",
    }
    word = words.get(end.status, status_word(end.status))
    sign = status_sign(end.status, warning=warning)
    text = f"{sign} pipeline {word} in {describe_duration(end.duration)}"
    if end.coverage is not None:
        text += f", coverage {end.coverage:.1f} %"
    lines = [paint(f"bold {status_style(end.status, warning=warning)}", text)]
    if state.started is not None and state.started.record:
        lines.append(paint("dim", f"  record: {_short(state.started.record)}"))
    return "\n".join(lines)
