"""The run as one page of HTML: verdict, diagram, timeline, logs.

The page needs nothing else, runs no script, and tells the browser to load nothing:
names and logs in it were written by strangers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from spotci.events import JobStatus
from spotci.report.ansi_html import to_html
from spotci.report.diagram import diagram_of
from spotci.report.svg import draw_svg
from spotci.report.words import (
    describe_bytes,
    describe_duration,
    describe_failure,
    describe_tests,
    status_sign,
    status_word,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spotci.events import PlannedJob
    from spotci.pipeline import JobName
    from spotci.report.state import JobState, RunState

__all__ = ["render_html"]

#: Bytes of each log that the page holds: its end.
_LOG_LIMIT = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What the page shows of a job; ``left`` and ``width`` are percent of the run."""

    name: str
    stage: str
    status: str
    sign: str
    word: str
    duration: str
    coverage: str
    tests: str
    failure: str
    artifacts: str
    attempt: int
    left: float
    width: float
    log: Markup
    shortened: bool


def render_html(state: RunState, log_of: Callable[[JobName], Path]) -> str:
    """Return the page of a run; ``log_of`` tells the file of a job's log."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spotci.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    start, end = state.started, state.finished
    began = start.at if start else 0.0
    seconds = max(_last(state) - began, 0.001)
    statuses = {job.plan.name: _status(job) for job in state.jobs.values()}
    diagram = diagram_of(start.stages if start else (), _plans(state))
    return environment.get_template("run.html").render(
        run=start,
        began=datetime.fromtimestamp(began).astimezone(),
        word=_verdict(state),
        status=str(end.status) if end else "running",
        duration=describe_duration(end.duration if end else seconds),
        coverage="" if end is None or end.coverage is None else f"{end.coverage:.1f} %",
        # Escaped where it was drawn.
        diagram=Markup(draw_svg(diagram, statuses)),  # noqa: S704
        rows=[_row(job, began, seconds, log_of) for job in state.jobs.values()],
        notices=state.notices,
    )


def _plans(state: RunState) -> list[PlannedJob]:
    return [job.plan for job in state.jobs.values()]


def _last(state: RunState) -> float:
    if state.finished is not None:
        return state.finished.at
    ends = [job.result.finished_at or 0.0 for job in state.ended() if job.result]
    return max(ends, default=state.started.at if state.started else 0.0)


def _verdict(state: RunState) -> str:
    end = state.finished
    if end is None:
        return "crashed or still running"
    if end.status is JobStatus.SUCCESS and end.passed_with_warnings:
        return "passed with warnings"
    return status_word(end.status)


def _status(job: JobState) -> str:
    return "warning" if job.warning else str(job.status)


def _row(
    job: JobState, began: float, seconds: float, log_of: Callable[[JobName], Path]
) -> _Row:
    result = job.result
    left = width = 0.0
    if result and result.started_at is not None and result.duration is not None:
        left = 100 * (result.started_at - began) / seconds
        width = max(100 * result.duration / seconds, 0.3)
    text, shortened = _log(log_of(job.plan.name))
    coverage = result.coverage if result else None
    saved = job.artifacts
    return _Row(
        name=job.plan.name,
        stage=job.plan.stage,
        status=_status(job),
        sign=status_sign(job.status, warning=job.warning),
        word=status_word(job.status, warning=job.warning),
        duration=describe_duration(result.duration if result else None),
        coverage="" if coverage is None else f"{coverage:.1f} %",
        tests=describe_tests(result.tests if result else None),
        failure=describe_failure(result)
        if result and result.status is JobStatus.FAILED
        else "",
        artifacts=f"{saved.files} files, {describe_bytes(saved.bytes)}: {saved.path}"
        if saved
        else "",
        attempt=job.attempt,
        left=round(left, 2),
        width=round(width, 2),
        # Escaped by to_html.
        log=Markup(to_html(text)),  # noqa: S704
        shortened=shortened,
    )


def _log(path: Path) -> tuple[str, bool]:
    """Return the end of a log, and whether it is not the whole of it."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_LIMIT))
            data = file.read(_LOG_LIMIT)
    except FileNotFoundError:
        return "", False
    if size > _LOG_LIMIT:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "replace"), size > _LOG_LIMIT
