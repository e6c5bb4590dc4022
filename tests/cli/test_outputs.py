from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.cli.outputs import earlier_durations
from spotci.events import JobStatus, PipelineFinished
from spotci.report.record import Recorder
from spotci.runs import RunStore
from tests.report.run_events import BUILD, RESULTS, START, STARTED, TEST

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.events import JobResult


def record(store: RunStore, *results: JobResult) -> None:
    recorder = Recorder(store.create())
    recorder.handle(STARTED)
    recorder.handle(
        PipelineFinished(
            at=START,
            status=JobStatus.SUCCESS,
            results=MappingProxyType({result.job: result for result in results}),
        )
    )
    recorder.close()


def took(result: JobResult, seconds: float) -> JobResult:
    return replace(
        result,
        status=JobStatus.SUCCESS,
        started_at=START,
        finished_at=START + seconds,
    )


def test_a_job_takes_what_it_took_when_it_last_passed(tmp_path: Path) -> None:
    clock = iter(range(100))
    store = RunStore(tmp_path, clock=lambda: START + next(clock))
    build, test = RESULTS[:2]
    record(store, took(build, 9.0), took(test, 5.0))
    record(store, took(build, 3.0), test)
    store.create()

    # The test failed in the newer run; and a run that goes on tells nothing.
    assert earlier_durations(store) == {BUILD: 3.0, TEST: 5.0}


def test_the_first_run_has_no_estimate(tmp_path: Path) -> None:
    assert earlier_durations(RunStore(tmp_path)) == {}
