from __future__ import annotations

from textwrap import dedent
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from spotci.events import FailureReason, JobFinished, JobLog, JobResult, JobStatus
from spotci.pipeline import JobName
from spotci.report.junit import render_junit
from spotci.report.state import RunState
from tests.report.run_events import failed_run


def test_a_failed_run() -> None:
    state = RunState()
    for event in failed_run():
        state.handle(event)

    assert render_junit(state) == dedent("""\
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="spotci run1">
          <testsuite name="build" tests="1" failures="0" skipped="0" time="3.250">
            <testcase name="build" classname="build" time="3.250" />
          </testsuite>
          <testsuite name="test" tests="2" failures="1" skipped="0" time="67.000">
            <testcase name="test: [a]" classname="test" time="66.000">
              <failure message="script_failure, exit code 1">red

        AssertionError</failure>
            </testcase>
            <testcase name="lint" classname="test" time="1.000">
              <system-out>failed, as it may: script_failure, exit code 137: killed for its memory
        </system-out>
            </testcase>
          </testsuite>
          <testsuite name="deploy" tests="1" failures="0" skipped="1" time="0.000">
            <testcase name="deploy" classname="deploy" time="0.000">
              <skipped message="manual" />
            </testcase>
          </testsuite>
        </testsuites>
        """)  # noqa: E501 - golden lines


@given(st.text(), st.text(min_size=1))
def test_whatever_a_job_prints_the_report_is_xml(log: str, name: str) -> None:
    state = RunState()
    state.handle(JobLog(at=0, job=JobName(name), text=log))
    result = JobResult(
        job=JobName(name),
        status=JobStatus.FAILED,
        failure_reason=FailureReason.SCRIPT_FAILURE,
        message=log,
    )
    state.handle(JobFinished(at=0, result=result))

    text = render_junit(state)

    assert ET.fromstring(text.encode()).tag == "testsuites"  # noqa: S314 - our own
