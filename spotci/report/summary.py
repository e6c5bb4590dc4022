"""The end of a run: a table of its jobs, why jobs failed, and what to do next."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.events import JobStatus, PipelineFinished
from spotci.report.advice import advice
from spotci.report.critical_path import critical_path
from spotci.report.state import RunState
from spotci.report.table import render_table
from spotci.report.terminal import printable, wrap
from spotci.report.words import (
    count_of,
    describe_bytes,
    describe_duration,
    describe_tests,
    status_sign,
    status_style,
    status_word,
    total_tests,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from spotci.events import Event
    from spotci.report.state import JobState
    from spotci.report.terminal import Paint

__all__ = ["SummaryReport", "render_summary"]

_HEADERS = ("status", "job", "stage", "duration", "coverage", "tests")
_RIGHT = frozenset({3, 4})
_JOB = 1
#: Columns that a narrow terminal goes without, the first to go first.
_OPTIONAL = (2, 5, 4)
#: Beyond this, jobs that passed are one row for each stage.
_MOST_ROWS = 50
_MOST_RETRIED = 5


class SummaryReport:
    """Writes the summary when the run has ended, ``width`` columns wide at most."""

    def __init__(
        self,
        stream: TextIO,
        *,
        paint: Paint,
        options: Sequence[str] = (),
        width: int | None = None,
    ) -> None:
        self._stream, self._paint, self._options = stream, paint, options
        self._width = width
        self._state = RunState()

    def handle(self, event: Event) -> None:
        """Take in the event; the last one makes the summary."""
        self._state.handle(event)
        if isinstance(event, PipelineFinished):
            text = render_summary(
                self._state,
                paint=self._paint,
                options=self._options,
                width=self._width,
            )
            self._stream.write(f"\n{text}\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is held."""


def render_summary(
    state: RunState,
    *,
    paint: Paint,
    options: Sequence[str] = (),
    width: int | None = None,
) -> str:
    """Return the summary of a run.

    ``options`` are those of the command line that chose the context of the run: the
    commands that the summary offers need them again. Tables and sentences fit
    ``width`` columns; commands and lines of logs are never broken.
    """
    parts = [
        _table(state, paint, width),
        *advice(state, paint=paint, options=options, width=width),
        _verdict(state, paint, width),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(state: RunState, paint: Paint, width: int | None) -> str:
    if not state.jobs:
        return ""
    return render_table(
        _HEADERS,
        list(_rows(state, paint)),
        paint=paint,
        right=_RIGHT,
        width=width,
        flexible=_JOB,
        optional=_OPTIONAL,
    )


def _rows(state: RunState, paint: Paint) -> Iterator[tuple[str, ...]]:
    """Yield the rows; of very many jobs, those that passed in a row a stage."""
    jobs = list(state.jobs.values())
    if len(jobs) <= _MOST_ROWS:
        yield from (_row(job, paint) for job in jobs)
        return
    passed: dict[str, list[JobState]] = {}
    for job in jobs:
        if job.status is JobStatus.SUCCESS:
            passed.setdefault(job.plan.stage, []).append(job)
    told: set[str] = set()
    for job in jobs:
        stage = job.plan.stage
        if job.status is not JobStatus.SUCCESS or len(passed[stage]) == 1:
            yield _row(job, paint)
        elif stage not in told:
            told.add(stage)
            yield _stage_row(stage, passed[stage], paint)


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


def _stage_row(stage: str, jobs: Sequence[JobState], paint: Paint) -> tuple[str, ...]:
    sign = status_sign(JobStatus.SUCCESS)
    word = f"{sign} {status_word(JobStatus.SUCCESS)}"
    status = paint(status_style(JobStatus.SUCCESS), word)
    tests = describe_tests(total_tests(job.result for job in jobs))
    return (status, paint("dim", count_of(len(jobs), "job")), stage, "", "", tests)


def _verdict(state: RunState, paint: Paint, width: int | None) -> str:
    end = state.finished
    if end is None:
        return ""
    warning = end.status is JobStatus.SUCCESS and end.passed_with_warnings
    sign = status_sign(end.status, warning=warning)
    text = f"{sign} pipeline {_word(end)} in {describe_duration(end.duration)}"
    if end.coverage is not None:
        text += f", coverage {end.coverage:.1f} %"
    if tests := describe_tests(total_tests(job.result for job in state.jobs.values())):
        text += f", tests: {tests}"
    lines = [paint(f"bold {status_style(end.status, warning=warning)}", text)]
    for title, fact in _facts(state):
        shown = wrap(f"  {title:<15}{fact}", width, indent=" " * 17)
        lines += [paint("dim", line) for line in shown]
    return "\n".join(lines)


def _word(end: PipelineFinished) -> str:
    if end.status is JobStatus.SUCCESS and end.passed_with_warnings:
        return "passed with warnings"
    if end.status is JobStatus.MANUAL:
        return "waits for a manual job"
    return status_word(end.status)


def _facts(state: RunState) -> Iterator[tuple[str, str]]:
    """Yield what else there is to know of a run, each with its title."""
    retried = [job for job in state.jobs.values() if job.retried is not None]
    for job in retried[:_MOST_RETRIED]:
        yield "retried", printable(f"{job.plan.name}: {job.retried}")
    if len(retried) > _MOST_RETRIED:
        yield "", f"and {count_of(len(retried) - _MOST_RETRIED, 'job')} more"
    path = critical_path(state)
    if len(path) > 1:
        yield "critical path", " → ".join(map(_on_path, path))
    saved = [job.artifacts for job in state.jobs.values() if job.artifacts]
    if saved:
        files = count_of(sum(each.files for each in saved), "file")
        size = describe_bytes(sum(each.bytes for each in saved))
        jobs = count_of(len(saved), "job")
        yield "artifacts", f"{files} of {jobs}, {size}: spotci artifacts"
    if state.started is not None and state.started.record:
        yield "record", f"{_short(state.started.record)}: spotci report"


def _on_path(job: JobState) -> str:
    took = describe_duration(job.result.duration if job.result else None)
    return f"{printable(job.plan.name)} {took}"


def _short(path: str) -> str:
    """Return a path as the user would write it here."""
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path
