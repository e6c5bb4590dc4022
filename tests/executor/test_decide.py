from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spotci.events import FailureReason, JobResult, JobStatus
from spotci.executor.decide import Processing, composite, may_fail, should_retry
from spotci.pipeline import AllowFailure, JobName, Retry
from tests.builders import job, pipeline

S = JobStatus


@pytest.mark.parametrize(
    ("members", "dag", "expected"),
    [
        pytest.param([], False, None, id="no jobs"),
        pytest.param([(S.SUCCESS, False)], False, S.SUCCESS, id="success"),
        pytest.param(
            [(S.FAILED, True), (S.SUCCESS, False)], False, S.SUCCESS, id="warning"
        ),
        pytest.param(
            [(S.FAILED, False), (S.SUCCESS, False)], False, S.FAILED, id="failure"
        ),
        pytest.param([(S.MANUAL, True)], False, S.SKIPPED, id="optional manual"),
        pytest.param([(S.MANUAL, False)], False, S.MANUAL, id="blocking manual"),
        pytest.param(
            [(S.CANCELED, False), (S.SUCCESS, False)], False, S.CANCELED, id="canceled"
        ),
        pytest.param(
            [(S.SUCCESS, False), (S.CREATED, False)], False, S.RUNNING, id="under way"
        ),
        pytest.param(
            [(S.PENDING, False), (S.CREATED, False)],
            False,
            S.PENDING,
            id="at the start",
        ),
        pytest.param(
            [(S.SUCCESS, False), (S.SKIPPED, False)], True, S.SKIPPED, id="need skipped"
        ),
        pytest.param([(S.MANUAL, True)], True, S.SKIPPED, id="need left manual"),
        pytest.param(
            [(S.SUCCESS, False), (S.RUNNING, False)], True, S.PENDING, id="need runs"
        ),
        pytest.param([(S.FAILED, True)], True, S.SUCCESS, id="need may fail"),
    ],
)
def test_composite(
    members: list[tuple[JobStatus, bool]], *, dag: bool, expected: JobStatus | None
) -> None:
    assert composite(members, dag=dag) is expected


@pytest.mark.parametrize(
    ("allow_failure", "exit_code", "expected"),
    [
        pytest.param(AllowFailure(), 1, False, id="not allowed"),
        pytest.param(AllowFailure(allowed=True), 1, True, id="allowed"),
        pytest.param(AllowFailure(exit_codes=(3, 4)), 4, True, id="listed code"),
        pytest.param(AllowFailure(exit_codes=(3,)), 1, False, id="other code"),
        pytest.param(
            AllowFailure(allowed=True, exit_codes=(3,)), 1, False, id="codes decide"
        ),
        pytest.param(AllowFailure(exit_codes=(3,)), None, False, id="no code"),
    ],
)
def test_may_fail(
    allow_failure: AllowFailure, exit_code: int | None, *, expected: bool
) -> None:
    assert may_fail(allow_failure, exit_code) is expected


@pytest.mark.parametrize(
    ("retry", "reason", "exit_code", "attempt", "expected"),
    [
        pytest.param(Retry(), "script_failure", 1, 1, False, id="none"),
        pytest.param(Retry(max=1), "script_failure", 1, 1, True, id="any failure"),
        pytest.param(Retry(max=1), "script_failure", 1, 2, False, id="used up"),
        pytest.param(
            Retry(max=2, when=("always",)), "script_failure", 1, 2, True, id="always"
        ),
        pytest.param(
            Retry(max=1, when=("runner_system_failure",)),
            "script_failure",
            1,
            1,
            False,
            id="another reason",
        ),
        pytest.param(
            Retry(max=1, when=("stuck_or_timeout_failure",)),
            "job_execution_timeout",
            None,
            1,
            True,
            id="timeout under its older name",
        ),
        pytest.param(
            Retry(max=1, exit_codes=(7,)), "script_failure", 7, 1, True, id="exit code"
        ),
        pytest.param(
            Retry(max=1, exit_codes=(7,)),
            "script_failure",
            8,
            1,
            False,
            id="exit codes alone replace always",
        ),
        pytest.param(
            Retry(max=1, when=("runner_system_failure",), exit_codes=(7,)),
            "script_failure",
            7,
            1,
            True,
            id="reason or exit code",
        ),
        pytest.param(
            Retry(max=2, when=("always",)),
            "missing_dependency_failure",
            None,
            1,
            False,
            id="never after a missing dependency",
        ),
    ],
)
def test_should_retry(
    retry: Retry, reason: str, exit_code: int | None, attempt: int, *, expected: bool
) -> None:
    result = JobResult(
        job=JobName("a"),
        status=JobStatus.FAILED,
        exit_code=exit_code,
        failure_reason=FailureReason(reason),
        attempt=attempt,
    )

    assert should_retry(job("a", retry=retry), result) is expected


def test_a_canceled_job_is_not_retried() -> None:
    result = JobResult(job=JobName("a"), status=JobStatus.CANCELED)

    assert not should_retry(job("a", retry=Retry(max=2)), result)


def statuses(state: Processing) -> dict[str, str]:
    return {str(name): str(status) for name, status in state.statuses().items()}


def test_a_job_with_needs_starts_before_its_stage() -> None:
    state = Processing(
        pipeline(
            job("fast", stage="build"),
            job("slow", stage="build"),
            job("after fast", needs=["fast"]),
            job("after stage"),
        )
    )

    state.apply("success", JobName("fast"))

    assert statuses(state) == {
        "fast": "success",
        "slow": "pending",
        "after fast": "pending",
        "after stage": "created",
    }


def test_an_exit_code_that_is_not_allowed_fails_the_pipeline() -> None:
    only_three = AllowFailure(allowed=True, exit_codes=(3,))
    state = Processing(pipeline(replace(job("a"), allow_failure=only_three)))
    allowed = Processing(pipeline(replace(job("a"), allow_failure=only_three)))

    state.set(JobName("a"), JobStatus.FAILED, allow_failure=False)
    allowed.set(JobName("a"), JobStatus.FAILED, allow_failure=True)

    assert state.pipeline_status() is JobStatus.FAILED
    assert allowed.pipeline_status() is JobStatus.SUCCESS
    assert allowed.has_warnings()


def test_playing_a_manual_job_revives_what_was_skipped_for_it() -> None:
    state = Processing(
        pipeline(
            job("gate", when="manual", allow_failure=True, stage="build"),
            job("needs gate", needs=["gate"]),
            job("needs that", needs=["needs gate"], stage="deploy"),
        )
    )
    assert statuses(state)["needs that"] == "skipped"

    state.apply("play", JobName("gate"))
    state.apply("success", JobName("gate"))

    assert statuses(state)["needs gate"] == "pending"
    assert statuses(state)["needs that"] == "created"


def test_a_pipeline_that_ran_is_running_when_a_job_is_retried() -> None:
    state = Processing(pipeline(job("a")))
    state.apply("drop", JobName("a"))

    state.apply("retry", JobName("a"))

    assert state.pipeline_status() is JobStatus.RUNNING


@pytest.mark.parametrize("fields", [{"stage": "build"}, {"stage": "deploy"}])
def test_stages_without_jobs_have_no_status(fields: dict[str, Any]) -> None:
    state = Processing(pipeline(job("a", **fields)))

    assert state.stage_status("test") is None
