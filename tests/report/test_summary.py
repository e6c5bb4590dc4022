from __future__ import annotations

import io
from textwrap import dedent

import pytest

from spotci.events import JobStatus, JobStatusChanged, PipelineFinished
from spotci.pipeline import JobName
from spotci.report.state import RunState
from spotci.report.summary import SummaryReport, render_summary
from spotci.report.terminal import Paint
from tests.report.run_events import BUILD, LINT, STARTED, TEST, failed_run


def test_a_failed_run() -> None:
    stream = io.StringIO()
    report = SummaryReport(
        stream, paint=Paint(enabled=False), options=["--branch", "main"]
    )

    for event in failed_run():
        report.handle(event)

    assert stream.getvalue() == dedent("""
        status     job                    stage     duration  coverage  tests
        ✓ passed   build                  build        3.2 s
        ✗ failed   test: [a] (attempt 2)  test    1 min 06 s    81.5 %  12, 1 failed, 2 skipped
        ! warning  lint                   test         1.0 s
        ▷ manual   deploy                 deploy

        ▷ a manual job was not played
          play it: spotci run deploy --branch main

        ! lint failed, which is allowed: script_failure, exit code 137: killed for its memory
          run it again: spotci run lint --branch main

        ✗ test: [a] failed: script_failure, exit code 1
            │ red
            │ AssertionError
          whole log:    spotci logs 'test: [a]'
          run it again: spotci run 'test: [a]' --branch main

        ✗ pipeline failed in 1 min 11 s, coverage 81.5 %, tests: 12, 1 failed, 2 skipped
          critical path  build 3.2 s → test: [a] 1 min 06 s
          artifacts      2 files of 1 job, 2.0 KiB: spotci artifacts
          record         .spotci/runs/run1: spotci report
        """)  # noqa: E501 - golden lines


@pytest.mark.parametrize(
    ("status", "warnings", "expected"),
    [
        pytest.param(
            JobStatus.SUCCESS, False, "✓ pipeline passed in 1.0 s", id="passed"
        ),
        pytest.param(
            JobStatus.SUCCESS,
            True,
            "! pipeline passed with warnings in 1.0 s",
            id="with warnings",
        ),
        pytest.param(
            JobStatus.MANUAL,
            False,
            "▷ pipeline waits for a manual job in 1.0 s",
            id="blocked",
        ),
        pytest.param(
            JobStatus.CANCELED, False, "⊘ pipeline canceled in 1.0 s", id="canceled"
        ),
        pytest.param(
            JobStatus.SKIPPED, False, "» pipeline skipped in 1.0 s", id="skipped"
        ),
    ],
)
def test_verdict(status: JobStatus, warnings: bool, expected: str) -> None:
    state = RunState()
    state.handle(STARTED)
    state.handle(
        PipelineFinished(
            at=1, status=status, duration=1.0, passed_with_warnings=warnings
        )
    )

    last = render_summary(state, paint=Paint(enabled=False)).splitlines()[-2]

    assert last == expected


def test_retries_are_told_with_their_reasons() -> None:
    state = RunState()
    state.handle(STARTED)
    for job in (BUILD, TEST):
        for status, message in (
            (JobStatus.PENDING, "attempt 1 of 2 failed (runner_system_failure)"),
            (JobStatus.RUNNING, None),
        ):
            state.handle(
                JobStatusChanged(
                    at=1, job=job, status=status, attempt=2, message=message
                )
            )
    state.handle(JobStatusChanged(at=1, job=LINT, status=JobStatus.PENDING, attempt=1))
    state.handle(PipelineFinished(at=2, status=JobStatus.SUCCESS, duration=1.0))

    lines = render_summary(state, paint=Paint(enabled=False)).splitlines()

    assert lines[-4:-1] == [
        "✓ pipeline passed in 1.0 s",
        "  retried        build: attempt 1 of 2 failed (runner_system_failure)",
        "  retried        test: [a]: attempt 1 of 2 failed (runner_system_failure)",
    ]


def test_of_many_retries_some_are_told() -> None:
    state = RunState()
    for number in range(8):
        state.handle(
            JobStatusChanged(
                at=1,
                job=JobName(f"job {number}"),
                status=JobStatus.PENDING,
                attempt=2,
                message="attempt 1 of 2 failed",
            )
        )
    state.handle(PipelineFinished(at=2, status=JobStatus.SUCCESS, duration=1.0))

    lines = render_summary(state, paint=Paint(enabled=False)).splitlines()

    assert lines[-2:] == [
        "  retried        job 4: attempt 1 of 2 failed",
        "                 and 3 jobs more",
    ]
