from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from spotci.events import JobFinished, JobLog, JobResult, JobStatus, Notice
from spotci.pipeline import JobName
from spotci.report.ansi_html import to_html
from spotci.report.html import render_html
from spotci.report.state import RunState
from tests.report.run_events import failed_run

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.events import Event


class Tags(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attrs)
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path, *events: Event, log: str = "") -> tuple[str, Tags]:
    state = RunState()
    for event in events:
        state.handle(event)
    (folder / "job.log").write_text(log)
    text = render_html(state, lambda _: folder / "job.log")
    parser = Tags()
    parser.feed(text)
    return text, parser


def test_the_page_of_a_run(tmp_path: Path) -> None:
    _, parsed = page(tmp_path, *failed_run(), log="$ make\n\x1b[31mbroken\x1b[0m\n")

    words = re.sub(r"\s+", " ", parsed.text)
    assert "failed pipeline run run1 · push on main at 01234567" in words
    assert "✗ failed test: [a] (attempt 2) test 1 min 06 s 81.5 % 12, 1 failed" in words
    assert "script_failure, exit code 1" in words
    assert "2 files, 2.0 KiB: .spotci/runs/run1/artifacts/build" in words
    assert "$ make broken" in words
    assert "svg" in parsed.tags


def test_a_run_that_never_ended_has_a_page(tmp_path: Path) -> None:
    _, parsed = page(tmp_path, *list(failed_run())[:8])

    assert "crashed or still running" in parsed.text


def test_nothing_that_strangers_wrote_becomes_html(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    name = JobName(evil)

    text, parsed = page(
        tmp_path,
        Notice(at=0, text=evil),
        JobLog(at=0, job=name, text=evil),
        JobFinished(
            at=0, result=JobResult(job=name, status=JobStatus.FAILED, message=evil)
        ),
        log=f"{evil}\n",
    )

    assert not {"script", "img"} & parsed.tags
    assert parsed.text.count("alert(1)</script>") >= 4
    assert "default-src 'none'" in text


def test_of_a_long_log_the_end_is_kept(tmp_path: Path) -> None:
    log = "".join(f"line {number}\n" for number in range(100_000))

    _, parsed = page(tmp_path, *failed_run(), log=log)

    assert "line 99999" in parsed.text
    assert "line 0\n" not in parsed.text
    assert "The beginning is left out" in parsed.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a < b & c", "a &lt; b &amp; c", id="escaped"),
        pytest.param(
            "\x1b[32;1m$ ls\x1b[0;m x", '<span class="b c2">$ ls</span> x', id="colours"
        ),
        pytest.param(
            "\x1b[31ma\x1b[92mb\x1b[39mc",
            '<span class="c1">a</span><span class="c2">b</span>c',
            id="one colour at a time",
        ),
        pytest.param("\x1b[1mb\x1b[22mn", '<span class="b">b</span>n', id="bold ends"),
        pytest.param("\x1b[38;5;208mx\x1b[m", "x", id="256 colours are left out"),
    ],
)
def test_colours_as_html(text: str, expected: str) -> None:
    assert to_html(text) == expected
