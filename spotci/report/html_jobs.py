"""What the page of a run shows of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.events import JobStatus
from spotci.report.critical_path import critical_path
from spotci.report.html_log import read_log
from spotci.report.words import (
    count_of,
    describe_bytes,
    describe_duration,
    describe_failure,
    describe_tests,
    status_sign,
    status_word,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from spotci.events import ArtifactsSaved, JobResult
    from spotci.pipeline import JobName
    from spotci.report.html_log import HtmlLog
    from spotci.report.log_sections import LogSections
    from spotci.report.state import JobState, RunState

__all__ = ["JobView", "StageView", "Tick", "job_views", "stage_views", "ticks"]

#: Bytes of logs that a page holds in all, and of one log at most and at least.
_ALL_LOGS = 12 * 1024 * 1024
_LONGEST_LOG = 512 * 1024
_SHORTEST_LOG = 16 * 1024
#: Jobs of a stage beyond which those that passed are folded together.
_MANY = 16
#: Distances of the marks of the timeline in seconds, and how many it has at most.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
_MOST_TICKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job; ``left`` and ``width`` of its bar are percent of the run."""

    id: str
    name: str
    stage: str
    status: str
    sign: str
    word: str
    attempt: int
    duration: str
    coverage: str
    tests: str
    failure: str
    message: str
    needs: tuple[tuple[str, str], ...]
    environment_url: str
    artifacts: str
    artifacts_path: str
    critical: bool
    is_child: bool
    left: float
    width: float
    log: HtmlLog


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """A stage: the jobs that are shown, and those that passed and are folded."""

    name: str
    jobs: tuple[JobView, ...]
    folded: tuple[JobView, ...]
    status: str
    sign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of the timeline, at percent of the run."""

    left: float
    text: str


def job_views(
    state: RunState,
    *,
    began: float,
    seconds: float,
    log_of: Callable[[JobName], Path],
    sections: LogSections,
) -> dict[JobName, JobView]:
    """Return the jobs; the run ``began`` then and took so many ``seconds``."""
    each = _ALL_LOGS // max(1, len(state.jobs))
    limit = min(_LONGEST_LOG, max(_SHORTEST_LOG, each))
    ids = {name: f"job-{index}" for index, name in enumerate(state.jobs, 1)}
    critical = {job.plan.name for job in critical_path(state)}
    return {
        name: _view(
            job,
            ids,
            critical=name in critical,
            bar=_bar(job.result, began, seconds),
            log=read_log(log_of(name), sections.of(name), limit=limit),
        )
        for name, job in state.jobs.items()
    }


def _view(
    job: JobState,
    ids: Mapping[JobName, str],
    *,
    critical: bool,
    bar: tuple[float, float],
    log: HtmlLog,
) -> JobView:
    result = job.result
    failed = result is not None and result.status is JobStatus.FAILED
    coverage = result.coverage if result else None
    message = (result.message if result else None) or job.message
    return JobView(
        id=ids[job.plan.name],
        name=job.plan.name,
        stage=job.plan.stage,
        status=status_of(job),
        sign=status_sign(job.status, warning=job.warning),
        word=status_word(job.status, warning=job.warning),
        attempt=job.attempt,
        duration=describe_duration(result.duration if result else None),
        coverage="" if coverage is None else f"{coverage:.1f} %",
        tests=describe_tests(result.tests if result else None),
        failure=describe_failure(result) if result and failed else "",
        message="" if failed else message or "",
        needs=tuple((ids[need], need) for need in job.plan.needs if need in ids),
        environment_url=_web(result.environment_url if result else None),
        artifacts=_artifacts(job.artifacts),
        artifacts_path=job.artifacts.path if job.artifacts else "",
        critical=critical,
        is_child=job.bridge is not None,
        left=bar[0],
        width=bar[1],
        log=log,
    )


def status_of(job: JobState) -> str:
    """Return the status of a job, or ``warning`` for a failure that is allowed."""
    return "warning" if job.warning else str(job.status)


def _bar(result: JobResult | None, began: float, seconds: float) -> tuple[float, float]:
    if result is None or result.started_at is None or result.duration is None:
        return 0.0, 0.0
    left = min(max(100 * (result.started_at - began) / seconds, 0.0), 100.0)
    width = min(max(100 * result.duration / seconds, 0.3), 100.0)
    return round(left, 2), round(width, 2)


def _artifacts(saved: ArtifactsSaved | None) -> str:
    if saved is None:
        return ""
    return f"{count_of(saved.files, 'file')}, {describe_bytes(saved.bytes)}"


def _web(url: str | None) -> str:
    """Return an address that a browser may be sent to: no script, no file."""
    return url if url and url.startswith(("https://", "http://")) else ""


def stage_views(stages: Sequence[str], jobs: Sequence[JobView]) -> Iterator[StageView]:
    """Yield the stages that have jobs, in their order; of a child's jobs none."""
    own = [job for job in jobs if not job.is_child]
    for stage in dict.fromkeys((*stages, *(job.stage for job in own))):
        if found := [job for job in own if job.stage == stage]:
            folded = [job for job in found if job.status == "success"]
            if len(found) <= _MANY:
                folded = []
            shown = [job for job in found if job not in folded]
            worst = min(found, key=lambda job: _BAD.get(job.status, len(_BAD)))
            yield StageView(
                name=stage,
                jobs=tuple(shown),
                folded=tuple(folded),
                status=worst.status,
                sign=worst.sign,
            )


#: What a stage is marked with: the worst of its jobs.
_BAD = {
    status: rank
    for rank, status in enumerate(
        ("failed", "canceled", "running", "preparing", "warning", "success", "manual")
    )
}


def ticks(seconds: float) -> list[Tick]:
    """Return the marks of a timeline of so many seconds."""
    step = next((step for step in _STEPS if seconds / step <= _MOST_TICKS), _STEPS[-1])
    count = min(int(seconds // step), _MOST_TICKS)
    return [
        Tick(
            left=round(100 * number * step / seconds, 2),
            text=describe_duration(number * step).replace(".0 s", " s"),
        )
        for number in range(count + 1)
    ]
