"""What the reports make of pipelines that trigger jobs start."""

from __future__ import annotations

import io
from textwrap import dedent
from typing import TYPE_CHECKING

from spotci.event_json import decode_event, encode_event
from spotci.events import (
    ChildPipelineFinished,
    ChildPipelineStarted,
    FailureReason,
    JobFinished,
    JobLog,
    JobResult,
    JobStatus,
    PipelineFinished,
    PipelineStarted,
    PlannedJob,
)
from spotci.pipeline import JobName
from spotci.report.plain import PlainReport
from spotci.report.state import RunState
from spotci.report.summary import render_summary
from spotci.report.terminal import Paint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.events import Event

BRIDGE, AFTER = JobName("deploy"), JobName("z")
ONE, TWO = JobName("deploy / one"), JobName("deploy / two")


def events() -> Iterator[Event]:
    yield PipelineStarted(
        at=0,
        run="r",
        name=None,
        source="push",
        ref="main",
        sha="",
        stages=("test",),
        jobs=(
            PlannedJob(name=BRIDGE, stage="test", when="on_success"),
            PlannedJob(name=AFTER, stage="test", when="on_success"),
        ),
    )
    yield ChildPipelineStarted(
        at=1,
        job=BRIDGE,
        name="Ship it",
        stages=("build",),
        jobs=(
            PlannedJob(name=ONE, stage="build", when="on_success"),
            PlannedJob(name=TWO, stage="build", when="manual", needs=(ONE,)),
        ),
    )
    yield JobLog(at=1, job=ONE, text="no")
    yield JobFinished(
        at=2,
        result=JobResult(
            job=ONE,
            status=JobStatus.FAILED,
            failure_reason=FailureReason.SCRIPT_FAILURE,
            started_at=1,
            finished_at=2,
            last_lines=("no",),
        ),
    )
    yield JobFinished(at=2, result=JobResult(job=TWO, status=JobStatus.MANUAL))
    yield ChildPipelineFinished(at=2, job=BRIDGE, status=JobStatus.FAILED, duration=1.0)
    for name in (BRIDGE, AFTER):
        result = JobResult(
            job=name, status=JobStatus.SUCCESS, started_at=1, finished_at=2
        )
        yield JobFinished(at=2, result=result)
    yield PipelineFinished(at=2, status=JobStatus.SUCCESS, duration=2.0)


def test_summary() -> None:
    state = RunState()
    for event in events():
        state.handle(event)

    assert [(name, job.bridge) for name, job in state.jobs.items()] == [
        (BRIDGE, None),
        (ONE, BRIDGE),
        (TWO, BRIDGE),
        (AFTER, None),
    ]
    child = state.jobs[BRIDGE].child
    assert child is not None
    assert child.status == "failed"
    assert render_summary(state, paint=Paint(enabled=False)) == dedent("""\
        status    job           stage  duration
        ✓ passed  deploy        test      1.0 s
        ✗ failed  deploy / one  build     1.0 s
        ▷ manual  deploy / two  build
        ✓ passed  z             test      1.0 s

        ▷ a manual job was not played
          play it: spotci run deploy --manual all

        ✗ deploy / one failed: script_failure
            │ no
          whole log:    spotci logs 'deploy / one'
          run it again: spotci run deploy

        ✓ pipeline passed in 2.0 s""")


def test_plain() -> None:
    stream = io.StringIO()
    report = PlainReport(stream, paint=Paint(enabled=False))

    for event in events():
        report.handle(event)

    assert stream.getvalue() == dedent("""\
        run r: push on main, 2 jobs in 1 stage
        deploy       | downstream pipeline “Ship it”: 2 jobs
        deploy / one | no
        deploy / one | ✗ failed after 1.0 s: script_failure
        deploy / two | ▷ manual
        deploy       | ✗ downstream pipeline failed in 1.0 s
        deploy       | ✓ passed in 1.0 s
        z            | ✓ passed in 1.0 s
        """)


def test_json_round_trip() -> None:
    for event in events():
        assert decode_event(encode_event(event)) == event
