from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from spotci.events import (
    JobFinished,
    JobLog,
    JobStatus,
    JobStatusChanged,
    Progress,
    SectionStarted,
)
from spotci.pipeline import JobName
from spotci.report.board import Board
from spotci.report.state import RunState
from tests.report.run_events import BUILD, RESULTS, START, STARTED

if TYPE_CHECKING:
    from spotci.events import (
        Event,
    )


def board(*events: Event, height: int = 24) -> list[str]:
    state = RunState()
    for event in events:
        state.handle(event)
    stream = io.StringIO()
    console = Console(file=stream, width=60, get_time=lambda: 0.0)
    console.print(Board().draw(state, now=START + 10, height=height))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def running(number: int) -> JobStatusChanged:
    name = JobName(f"job {number}")
    return JobStatusChanged(at=START, job=name, status=JobStatus.RUNNING)


def test_jobs_transfers_and_counts() -> None:
    lines = board(
        STARTED,
        Progress(at=START, what="image", subject="redis:7", done=512, total=2048),
        Progress(at=START, what="engine", subject="spot-ci-dind", text="starting"),
        JobStatusChanged(at=START + 8, job=BUILD, status=JobStatus.RUNNING),
        SectionStarted(at=START + 8, job=BUILD, section="step", title="Executing"),
        JobLog(at=START + 9, job=BUILD, text="1\n2\n3\n4 \x1b[31mred\x1b[0m"),
        JobFinished(at=START + 9, result=RESULTS[2]),
    )

    assert lines == [
        "  image redis:7 ━━━━━━━━━━━━━━━━━━━━ 512 B / 2.0 KiB",
        "  engine spot-ci-dind starting",
        "⠋ build 2.0 s Executing",
        "    2",
        "    3",
        "    4 red",
        "  ! 1  ● 1 running  ○ 2 to come  10 s",
    ]


def test_many_jobs_do_not_outgrow_the_terminal() -> None:
    lines = board(STARTED, *map(running, range(40)), height=24)

    assert len(lines) <= 24
    assert lines[-2] == "  and 20 more"


def test_a_long_line_is_cut() -> None:
    lines = board(running(1), JobLog(at=START, job=JobName("job 1"), text="x" * 200))

    assert lines[1] == f"    {'x' * 55}…"
