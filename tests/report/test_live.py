from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from spotci.events import JobStatus, JobStatusChanged, PipelineFinished
from spotci.report.live import LiveReport
from spotci.report.terminal import Paint, without_colours
from tests.report.run_events import LINT, START, STARTED, failed_run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def live(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveReport]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    report = LiveReport(stream, paint=Paint(enabled=False))
    yield report
    report.close()


def test_what_has_ended_stays_above_the_board(
    live: LiveReport, stream: io.StringIO
) -> None:
    for event in failed_run():
        live.handle(event)

    text = without_colours(stream.getvalue())
    for line in (
        "run run1: push on main at 01234567, 4 jobs in 3 stages",
        "✓  build      build         3.2 s",
        "✗  test: [a]  test     1 min 06 s  script_failure, exit code 1",
        "!  lint       test          1.0 s  allowed, script_failure, exit code 137:",
        "    killed for its memory",
        "▷  deploy     deploy               manual",
    ):
        assert line in text
    assert "evil" not in text


def test_the_terminal_is_given_back(live: LiveReport, stream: io.StringIO) -> None:
    live.handle(STARTED)
    live.handle(JobStatusChanged(at=START, job=LINT, status=JobStatus.RUNNING))
    live.handle(PipelineFinished(at=START, status=JobStatus.CANCELED))
    live.close()
    live.close()

    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert stream.getvalue().rindex(show) > stream.getvalue().rindex(hide)
