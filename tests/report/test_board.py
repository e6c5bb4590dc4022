from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from spotci.events import (
    JobFinished,
    JobLog,
    JobStatus,
    JobStatusChanged,
    PlannedJob,
    Progress,
    SectionStarted,
)
from spotci.pipeline import JobName
from spotci.report.board import Board
from spotci.report.state import RunState
from spotci.report.terminal import cell_width
from tests.report.run_events import BUILD, RESULTS, START, STARTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.events import (
        Event,
    )


def board(
    *events: Event,
    height: int = 24,
    width: int = 60,
    earlier: Mapping[str, float] | None = None,
) -> list[str]:
    state = RunState()
    for event in events:
        state.handle(event)
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    drawing = Board()
    drawing.earlier = {JobName(name): time for name, time in (earlier or {}).items()}
    console.print(drawing.draw(state, now=START + 10, height=height, width=width))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def running(number: int) -> JobStatusChanged:
    name = JobName(f"job {number}")
    return JobStatusChanged(at=START + 8, job=name, status=JobStatus.RUNNING)


def test_jobs_transfers_and_counts() -> None:
    lines = board(
        STARTED,
        Progress(at=START, what="image", subject="redis:7", done=512, total=2048),
        Progress(at=START, what="engine", subject="spot-ci-dind", text="starting"),
        JobStatusChanged(at=START + 8, job=BUILD, status=JobStatus.RUNNING),
        JobLog(at=START + 8, job=BUILD, text="of the runner", kind="runner"),
        SectionStarted(at=START + 8, job=BUILD, section="step_script", title="Script"),
        JobLog(at=START + 9, job=BUILD, text="1\n2\n3\n\n4 \x1b[31mred\x1b[0m"),
        JobFinished(at=START + 9, result=RESULTS[2]),
        earlier={BUILD: 8.0},
    )

    assert lines == [
        "",
        "  build ●  test ○!  deploy ▷",
        "  image redis:7 ━━━━━───────────────  512 B of 2.0 KiB",
        "  engine spot-ci-dind  starting",
        "⠋ build  2.0 s of ~8.0 s  script",
        "    2",
        "    3",
        "    4 red",
        "  ! 1  ● 1 running  ○ 2 to come  10 s, about 14 s left",
    ]


def test_nothing_is_drawn_before_there_is_something_to_show() -> None:
    assert board() == [""]


def test_many_jobs_do_not_outgrow_the_terminal() -> None:
    lines = board(STARTED, *map(running, range(40)), height=24)

    assert len(lines) <= 24
    assert lines[-2] == "  and 21 more"


def test_a_long_line_is_cut() -> None:
    lines = board(
        STARTED, running(1), JobLog(at=START, job=JobName("job 1"), text="x" * 200)
    )

    assert lines[3] == f"    {'x' * 55}…"


def test_names_are_cut_in_their_middle_where_the_terminal_is_narrow() -> None:
    name = JobName("a-job-with-a-long-name: [3.12, mysql-8]")
    plan = PlannedJob(name=name, stage="test", when="on_success")

    lines = board(
        replace(STARTED, jobs=(plan,)),
        JobStatusChanged(at=START + 8, job=name, status=JobStatus.RUNNING),
        width=40,
    )

    assert lines[2] == "⠋ a-jo…ql-8]  2.0 s"
    assert all(cell_width(line) <= 40 for line in lines)


def test_a_stage_of_many_jobs_is_counted_and_many_stages_are_left_out() -> None:
    jobs = tuple(
        PlannedJob(name=JobName(f"job {number}"), stage="build", when="on_success")
        for number in range(20)
    )
    many = tuple(replace(job, stage=f"stage of {job.name}") for job in jobs)
    started = replace(STARTED, stages=("build",), jobs=jobs)

    counted = board(started, *map(running, range(3)))
    left_out = board(replace(started, jobs=many), *map(running, range(3)))

    assert counted[1] == "  build ●3○17"
    assert left_out[1].startswith("⠋ job 0")
