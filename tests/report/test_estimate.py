from __future__ import annotations

import pytest

from spotci.events import JobFinished, JobStatus, JobStatusChanged
from spotci.pipeline import JobName
from spotci.report.estimate import remaining
from spotci.report.state import RunState
from tests.report.run_events import BUILD, LINT, RESULTS, START, STARTED, TEST


@pytest.fixture
def state() -> RunState:
    state = RunState()
    state.handle(STARTED)
    return state


def test_nothing_is_known_of_a_first_run(state: RunState) -> None:
    assert remaining(state, {}, now=START) is None
    assert remaining(state, {JobName("other"): 3.0}, now=START) is None


def test_the_longest_chain_is_left(state: RunState) -> None:
    earlier = {BUILD: 10.0, TEST: 20.0, LINT: 1.0}

    assert remaining(state, earlier, now=START) == 30.0


def test_work_that_cannot_run_at_once_is_left(state: RunState) -> None:
    earlier = {BUILD: 10.0, TEST: 1.0, LINT: 20.0}

    # Two at once, and the manual deploy is not reckoned with.
    assert remaining(state, earlier, now=START) == 20.0
    assert remaining(state, earlier | {LINT: 9.0}, now=START) == 11.0


def test_what_has_run_is_not_left(state: RunState) -> None:
    earlier = {BUILD: 10.0, TEST: 20.0}
    state.handle(JobStatusChanged(at=START, job=BUILD, status=JobStatus.RUNNING))

    assert remaining(state, {BUILD: 10.0}, now=START + 4) == 6.0 + 10.0
    assert remaining(state, earlier, now=START + 60) == 20.0

    for result in RESULTS:
        state.handle(JobFinished(at=START + 60, result=result))
    assert remaining(state, earlier, now=START + 60) == 0.0
