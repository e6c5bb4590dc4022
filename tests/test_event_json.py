from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spotci.event_json import _NAMES, decode_event, encode_event
from spotci.events import (
    FailureReason,
    JobLog,
    JobResult,
    JobStatus,
    Notice,
    PlannedJob,
    TestCounts,
)
from spotci.pipeline import JobName
from tests.report.run_events import RESULTS, failed_run

if TYPE_CHECKING:
    from spotci.events import Event


@pytest.mark.parametrize(
    "event", [*failed_run()], ids=lambda event: type(event).__name__
)
def test_events_survive_the_way_to_json_and_back(event: Event) -> None:
    line = encode_event(event)

    assert "\n" not in line
    assert decode_event(line) == event


def test_what_is_unset_is_left_out() -> None:
    assert json.loads(encode_event(Notice(at=1.5, text="hello"))) == {
        "event": "notice",
        "at": 1.5,
        "text": "hello",
    }


def test_lines_of_a_log_stay_one_line_of_json() -> None:
    event = JobLog(at=1, job=JobName("a"), text="one\ntwo\x1b[0m “three”")

    assert encode_event(event) == (
        '{"event":"job_log","at":1,"job":"a","text":"one\\ntwo\\u001b[0m “three”"}'
    )


def test_keys_of_a_newer_version_are_ignored() -> None:
    line = '{"event": "notice", "at": 1, "text": "x", "colour": "mauve"}'

    assert decode_event(line) == Notice(at=1, text="x")


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"event": "party"}', '{"event":'])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode_event(line)


def test_results_keep_their_types() -> None:
    finished = [*failed_run()][-1]

    assert decode_event(encode_event(finished)).results == {  # type: ignore[union-attr]
        result.job: result for result in RESULTS
    }


def test_the_documentation_names_every_event_and_key() -> None:
    text = (Path(__file__).parent.parent / "docs/reference/events.md").read_text()
    rows = {
        match[1]: set(re.findall(r"`(\w+)`", match[2]))
        for match in re.finditer(r"^\| `(\w+)` \| ([^|]*) \|", text, re.MULTILINE)
    }

    for type_, name in _NAMES.items():
        keys = {item.name for item in fields(type_)} - {"at"}
        assert keys <= rows[name] | {"output", "info"}, name
    for part in (PlannedJob, JobResult, TestCounts):
        for item in fields(part):
            assert f"`{item.name}`" in text, (part, item.name)
    for word in (*JobStatus, *FailureReason):
        assert f"`{word}`" in text
