"""The critical path of a run: the chain of jobs that its end waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotci.pipeline import JobName
    from spotci.report.state import JobState, RunState

__all__ = ["critical_path"]


def critical_path(state: RunState) -> list[JobState]:
    """Return the jobs that decided how long the run took, in their order.

    From the job that ended last the path leads back, each time to the need that ended
    last. Jobs of child pipelines are left out: their bridge stands for them.
    """
    ends = {
        name: job.result.finished_at
        for name, job in state.jobs.items()
        if job.bridge is None
        and job.result is not None
        and job.result.started_at is not None
        and job.result.finished_at is not None
    }
    path: list[JobName] = []
    candidates = list(ends)
    while candidates:
        last = max(candidates, key=lambda name: ends[name])
        path.append(last)
        # A record may be damaged: no job comes twice, whatever its needs say.
        needs = state.jobs[last].plan.needs
        candidates = [name for name in needs if name in ends and name not in path]
    return [state.jobs[name] for name in reversed(path)]
