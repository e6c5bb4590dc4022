"""How long jobs and runs will take, judged by earlier runs (pure)."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from spotci.events import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.pipeline import JobName
    from spotci.report.state import JobState, RunState

__all__ = ["remaining"]

_OPEN = (
    JobStatus.CREATED,
    JobStatus.WAITING_FOR_RESOURCE,
    JobStatus.PREPARING,
    JobStatus.PENDING,
    JobStatus.RUNNING,
    JobStatus.SCHEDULED,
)

#: Runs have room for two jobs at least; the first of a run often are one alone.
_LEAST_AT_ONCE = 2


def remaining(
    state: RunState, earlier: Mapping[JobName, float], *, now: float
) -> float | None:
    """Return the seconds that are left, or None where nothing is known.

    ``earlier`` is how many seconds each job took before; a job without is taken for an
    average one. What is left is the longest chain of jobs that wait for each other, or
    all their work over as many jobs as ran at once so far, if that is more.
    """
    left = {
        job.plan.name: job
        for job in state.with_status(*_OPEN)
        if job.plan.when != "manual" or job.running_since is not None
    }
    known = [earlier[name] for name in left if name in earlier]
    if not known:
        return 0.0 if not left and state.jobs else None
    average = fmean(known)
    need = {
        name: _left_of(job, earlier.get(name, average), now)
        for name, job in left.items()
    }
    chain: dict[JobName, float] = {}
    for name in _in_order(left):
        waits = (chain.get(other, 0.0) for other in left[name].plan.needs)
        chain[name] = need[name] + max(waits, default=0.0)
    spread = sum(need.values()) / max(_LEAST_AT_ONCE, state.most_active)
    return max(spread, *chain.values())


def _left_of(job: JobState, estimate: float, now: float) -> float:
    elapsed = 0.0 if job.running_since is None else now - job.running_since
    return max(0.0, estimate - elapsed)


def _in_order(jobs: Mapping[JobName, JobState]) -> Iterator[JobName]:
    """Yield the jobs, each after its needs; those of a circle, in a record, last."""
    waiting = dict.fromkeys(jobs)
    while waiting:
        ready = [name for name in waiting if _free(jobs[name].plan.needs, waiting)]
        for name in ready or list(waiting):
            yield name
            del waiting[name]


def _free(needs: Iterable[JobName], waiting: Mapping[JobName, None]) -> bool:
    return not any(need in waiting for need in needs)
