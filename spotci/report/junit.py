"""The run as a JUnit report: a suite for each stage, a case for each job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from spotci.events import JobStatus
from spotci.report.terminal import printable, without_colours
from spotci.report.words import describe_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.report.state import JobState, RunState

__all__ = ["render_junit"]

_RAN = (JobStatus.SUCCESS, JobStatus.FAILED)
#: What XML 1.0 cannot hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(state: RunState) -> str:
    """Return the report; a failure that is allowed is a passed case with a note."""
    name = state.started.run if state.started else "run"
    root = ET.Element("testsuites", name=f"spotci {name}")
    by_stage: dict[str, list[JobState]] = {}
    for job in state.jobs.values():
        by_stage.setdefault(job.plan.stage, []).append(job)
    for stage, jobs in by_stage.items():
        root.append(_suite(stage, jobs))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(stage: str, jobs: Sequence[JobState]) -> ET.Element:
    failed = [job for job in jobs if _failed(job)]
    skipped = [job for job in jobs if job.status not in _RAN]
    seconds = [job.result.duration or 0.0 for job in jobs if job.result]
    suite = ET.Element(
        "testsuite",
        name=_text(stage),
        tests=str(len(jobs)),
        failures=str(len(failed)),
        skipped=str(len(skipped)),
        time=f"{sum(seconds):.3f}",
    )
    suite.extend(_case(job) for job in jobs)
    return suite


def _case(job: JobState) -> ET.Element:
    duration = job.result.duration if job.result else None
    case = ET.Element(
        "testcase",
        name=_text(job.plan.name),
        classname=_text(job.plan.stage),
        time=f"{duration or 0.0:.3f}",
    )
    tail = _text("\n".join(job.result.last_lines if job.result else ()))
    if _failed(job) and job.result is not None:
        reason = _text(describe_failure(job.result))
        failure = ET.SubElement(case, "failure", message=reason)
        failure.text = tail
    elif job.status not in _RAN:
        ET.SubElement(case, "skipped", message=str(job.status))
    elif job.warning and job.result is not None:
        note = ET.SubElement(case, "system-out")
        note.text = _text(f"failed, as it may: {describe_failure(job.result)}\n{tail}")
    return case


def _failed(job: JobState) -> bool:
    return job.status is JobStatus.FAILED and not job.warning


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", without_colours(printable(text)))
