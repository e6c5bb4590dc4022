from __future__ import annotations

from dataclasses import replace

import pytest

from spotci.events import JobFinished, JobResult, JobStatus, PlannedJob
from spotci.pipeline import JobName
from spotci.report.critical_path import critical_path
from spotci.report.state import RunState
from tests.report.run_events import STARTED


def path(jobs: dict[str, tuple[str, float | None, float | None]]) -> list[str]:
    """Return the path of jobs given as ``name: (needs, start, end)``."""
    state = RunState()
    plans = tuple(
        PlannedJob(
            name=JobName(name),
            stage="test",
            when="on_success",
            needs=tuple(map(JobName, needs.split())),
        )
        for name, (needs, _, _) in jobs.items()
    )
    state.handle(replace(STARTED, jobs=plans))
    for name, (_, start, end) in jobs.items():
        result = JobResult(
            job=JobName(name),
            status=JobStatus.SUCCESS,
            started_at=start,
            finished_at=end,
        )
        state.handle(JobFinished(at=0, result=result))
    return [job.plan.name for job in critical_path(state)]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        pytest.param({}, [], id="no jobs"),
        pytest.param({"a": ("", None, None)}, [], id="nothing ran"),
        pytest.param({"a": ("", 0, 1), "b": ("", 0, 2)}, ["b"], id="no needs"),
        pytest.param(
            {"a": ("", 0, 4), "b": ("", 0, 2), "c": ("a b", 4, 5)},
            ["a", "c"],
            id="the need that ended last",
        ),
        pytest.param(
            {"a": ("", 0, 1), "m": ("a", None, None), "c": ("m", 4, 5)},
            ["c"],
            id="a need that never ran",
        ),
        pytest.param(
            {"a": ("b", 0, 1), "b": ("a", 1, 2)}, ["a", "b"], id="a circle ends"
        ),
    ],
)
def test_critical_path(
    jobs: dict[str, tuple[str, float | None, float | None]], expected: list[str]
) -> None:
    assert path(jobs) == expected
