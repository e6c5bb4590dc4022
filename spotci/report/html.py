"""The run as one page of HTML: verdict, stages, needs, timeline, jobs and their logs.

The page needs nothing else: it loads nothing, and tells the browser to load nothing.
Names and logs in it were written by strangers; only its own script, known to the
browser by its digest, may run. Without the script all of it can still be read.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from spotci.events import JobStatus
from spotci.report.diagram import diagram_of
from spotci.report.html_jobs import job_views, stage_views, status_of, ticks
from spotci.report.log_sections import LogSections
from spotci.report.svg import draw_svg
from spotci.report.words import (
    describe_duration,
    describe_tests,
    status_word,
    total_tests,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from spotci.pipeline import JobName
    from spotci.report.state import RunState

__all__ = ["render_html"]

_TEMPLATES = "spotci.report"


def render_html(
    state: RunState,
    log_of: Callable[[JobName], Path],
    *,
    sections: LogSections | None = None,
    variables: Sequence[Mapping[str, str]] = (),
    job_variables: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    link: Callable[[str], str] = str,
) -> str:
    """Return the page of a run.

    ``log_of`` tells the file of a job's log, and ``sections`` what is where in it;
    ``link`` makes an address that the page can have of a path relative to the project.
    ``variables`` are rows of ``name``, ``value``, ``level`` and ``origin``, and
    ``job_variables`` those of single jobs.
    """
    start, end = state.started, state.finished
    began = start.at if start else 0.0
    seconds = max(_last(state) - began, 0.001)
    stages = start.stages if start else ()
    jobs = job_views(
        state,
        began=began,
        seconds=seconds,
        log_of=log_of,
        sections=sections or LogSections(),
    )
    script = _text("run.js")
    return (
        _environment()
        .get_template("run.html")
        .render(
            run=start,
            began=datetime.fromtimestamp(began).astimezone(),
            word=_verdict(state),
            status=_status(state),
            duration=describe_duration(end.duration if end else seconds),
            coverage=""
            if end is None or end.coverage is None
            else f"{end.coverage:.1f} %",
            tests=describe_tests(
                total_tests(job.result for job in state.jobs.values())
            ),
            jobs=list(jobs.values()),
            by_start=sorted(
                (job for job in jobs.values() if job.width), key=lambda job: job.left
            ),
            stages=list(stage_views(stages, list(jobs.values()))),
            counts=_counts(state),
            ticks=ticks(seconds),
            diagram=_diagram(
                state, stages, {name: job.id for name, job in jobs.items()}
            ),
            notices=state.notices,
            variables=variables,
            job_variables=job_variables or {},
            link=link,
            # Ours: neither holds anything of the run.
            style=Markup(_text("run.css")),  # noqa: S704
            script=Markup(script),  # noqa: S704
            digest=_digest(script),
        )
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(_TEMPLATES, "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _text(name: str) -> str:
    file = resources.files(_TEMPLATES) / "templates" / name
    return file.read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return what a Content-Security-Policy knows a script by."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _diagram(
    state: RunState, stages: Sequence[str], ids: Mapping[JobName, str]
) -> Markup:
    own = [job for job in state.jobs.values() if job.bridge is None]
    drawing = draw_svg(
        diagram_of(stages, [job.plan for job in own]),
        {job.plan.name: status_of(job) for job in own},
        {job.plan.name: f"#{ids[job.plan.name]}" for job in own},
    )
    # Escaped where it was drawn.
    return Markup(drawing)  # noqa: S704


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


def _status(state: RunState) -> str:
    end = state.finished
    if end is None:
        return "running"
    return "warning" if _verdict(state) == "passed with warnings" else str(end.status)


def _counts(state: RunState) -> list[tuple[str, str]]:
    """Return how many jobs have each status, with the word for it."""
    counts: dict[tuple[str, str], int] = {}
    for job in state.jobs.values():
        key = status_of(job), status_word(job.status, warning=job.warning)
        counts[key] = counts.get(key, 0) + 1
    return [(status, f"{count} {word}") for (status, word), count in counts.items()]
