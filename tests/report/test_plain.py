from __future__ import annotations

import io
from textwrap import dedent

from spotci.events import JobLog, Notice
from spotci.pipeline import JobName
from spotci.report.plain import PlainReport
from spotci.report.terminal import Paint
from tests.report.run_events import failed_run


def test_a_whole_run_without_colour() -> None:
    stream = io.StringIO()
    report = PlainReport(stream, paint=Paint(enabled=False))

    for event in failed_run():
        report.handle(event)

    assert stream.getvalue() == dedent("""\
        spotci: the registry listens on port 5001
        run run1: push on main at 01234567, 4 jobs in 3 stages
        build     | $ make
        build     | compiling
        build     | ✓ passed in 3.2 s
        spotci: image python:3.12: pulling 1.0 KiB of 2.0 KiB
        spotci: image python:3.12: done
        test: [a] | red
        test: [a] | still red
        test: [a] | plain
        test: [a] | attempt 2
        test: [a] | AssertionError
        lint      | ! failed after 1.0 s (allowed): script_failure, exit code 137: killed for its memory
        test: [a] | ✗ failed after 1 min 06 s: script_failure, exit code 1
        deploy    | manual: it waits to be played
        deploy    | ▷ manual
        """)  # noqa: E501 - a golden line


def test_colours_of_a_log_end_before_the_next_prefix_and_go_on_behind_it() -> None:
    stream = io.StringIO()
    report = PlainReport(stream, paint=Paint(enabled=True))
    job = JobName("a")

    report.handle(JobLog(at=0, job=job, text="\x1b[31mred\nstill"))
    report.handle(JobLog(at=0, job=job, text="red\x1b[0m\nplain"))

    prefix = "\x1b[36ma |\x1b[0m "
    assert stream.getvalue() == (
        f"{prefix}\x1b[31mred\x1b[0m\n"
        f"{prefix}\x1b[31mstill\x1b[0m\n"
        f"{prefix}\x1b[31mred\x1b[0m\x1b[0m\n"
        f"{prefix}plain\x1b[0m\n"
    )


def test_every_line_has_its_time_where_it_is_asked_for() -> None:
    stream = io.StringIO()
    report = PlainReport(stream, paint=Paint(enabled=False), timestamps=True)

    report.handle(JobLog(at=0, job=JobName("a"), text="one\ntwo"))
    report.handle(Notice(at=1795631165.8974, text="said"))

    assert stream.getvalue() == dedent("""\
        1970-01-01T00:00:00.000Z a | one
        1970-01-01T00:00:00.000Z a | two
        2026-11-25T18:26:05.897Z spotci: said
        """)
