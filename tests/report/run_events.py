"""Hand-made events: a small run with one of everything that a report shows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.events import (
    ArtifactsSaved,
    FailureReason,
    JobFinished,
    JobLog,
    JobResult,
    JobStatus,
    JobStatusChanged,
    Notice,
    PipelineFinished,
    PipelineStarted,
    PlannedJob,
    Progress,
    SectionFinished,
    SectionStarted,
    TestCounts,
)
from spotci.pipeline import JobName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.events import (
        Event,
    )

BUILD, TEST, LINT, DEPLOY = map(JobName, ("build", "test: [a]", "lint", "deploy"))
START = 1_760_000_000.0

STARTED = PipelineStarted(
    at=START,
    run="run1",
    name=None,
    source="push",
    ref="main",
    sha="0123456789abcdef",
    stages=(".pre", "build", "test", "deploy", ".post"),
    jobs=(
        PlannedJob(name=BUILD, stage="build", when="on_success"),
        PlannedJob(name=TEST, stage="test", when="on_success", needs=(BUILD,)),
        PlannedJob(name=LINT, stage="test", when="on_success", allow_failure=True),
        PlannedJob(name=DEPLOY, stage="deploy", when="manual", needs=(TEST,)),
    ),
    record=".spotci/runs/run1",
)

RESULTS = (
    JobResult(
        job=BUILD,
        status=JobStatus.SUCCESS,
        exit_code=0,
        started_at=START,
        finished_at=START + 3.25,
    ),
    JobResult(
        job=TEST,
        status=JobStatus.FAILED,
        exit_code=1,
        failure_reason=FailureReason.SCRIPT_FAILURE,
        attempt=2,
        started_at=START + 4,
        finished_at=START + 70,
        coverage=81.5,
        tests=TestCounts(total=12, failed=1, skipped=2),
        last_lines=("\x1b[31mred", "", "AssertionError"),
    ),
    JobResult(
        job=LINT,
        status=JobStatus.FAILED,
        exit_code=137,
        failure_reason=FailureReason.SCRIPT_FAILURE,
        message="killed for its memory",
        allow_failure=True,
        started_at=START + 4,
        finished_at=START + 5,
    ),
    JobResult(job=DEPLOY, status=JobStatus.MANUAL),
)


def failed_run() -> Iterable[Event]:
    """A run whose tests fail, whose lint may fail, and that ends before a deploy."""
    yield Notice(at=START, text="the registry listens on port 5001")
    yield STARTED
    yield Progress(at=START, what="image", subject="python:3.12", total=2048)
    yield JobStatusChanged(at=START, job=BUILD, status=JobStatus.RUNNING)
    yield SectionStarted(
        at=START, job=BUILD, section="step_script", title="Executing the script"
    )
    yield JobLog(at=START, job=BUILD, text="$ make\ncompiling")
    yield SectionFinished(at=START + 3, job=BUILD, section="step_script")
    yield ArtifactsSaved(
        at=START + 3,
        job=BUILD,
        path=".spotci/runs/run1/artifacts/build",
        files=2,
        bytes=2048,
    )
    yield JobFinished(at=START + 3.25, result=RESULTS[0])
    yield Progress(at=START + 11, what="image", subject="python:3.12", text="pulling",
                   done=1024, total=2048)  # fmt: skip
    yield Progress(at=START + 12, what="image", subject="python:3.12", finished=True)
    yield JobStatusChanged(at=START + 4, job=TEST, status=JobStatus.RUNNING)
    yield JobLog(at=START + 4, job=TEST, text="\x1b[31mred\nstill red\x1b[0m\nplain")
    yield JobStatusChanged(at=START + 40, job=TEST, status=JobStatus.RUNNING, attempt=2)
    yield JobLog(at=START + 41, job=TEST, text="AssertionError")
    yield JobFinished(at=START + 5, result=RESULTS[2])
    yield JobFinished(at=START + 70, result=RESULTS[1])
    yield JobStatusChanged(
        at=START + 70,
        job=DEPLOY,
        status=JobStatus.MANUAL,
        message="it waits to be played",
    )
    yield JobFinished(at=START + 70, result=RESULTS[3])
    yield PipelineFinished(
        at=START + 71,
        status=JobStatus.FAILED,
        results=MappingProxyType({result.job: result for result in RESULTS}),
        coverage=81.5,
        duration=71.0,
    )
