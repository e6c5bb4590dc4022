from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from spotci.events import (
    JobFinished,
    JobLog,
    JobResult,
    JobStatus,
    Notice,
    PlannedJob,
    SectionFinished,
    SectionStarted,
)
from spotci.pipeline import JobName
from spotci.report.ansi_html import to_html
from spotci.report.html import render_html
from spotci.report.html_log import read_log
from spotci.report.log_sections import LogSections
from spotci.report.state import RunState
from tests.report.run_events import BUILD, START, STARTED, failed_run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from spotci.events import Event
    from spotci.report.html_log import Part


class Tags(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attrs)
        self.tags.append(tag)
        self._inside = tag
        for name, value in attrs:
            if name in {"href", "src", "srcset", "action", "data", "poster"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""


def page(folder: Path, *events: Event, log: str = "") -> tuple[str, Tags]:
    state = RunState()
    for event in events:
        state.handle(event)
    (folder / "job.log").write_text(log)
    text = render_html(state, lambda _: folder / "job.log")
    parser = Tags()
    parser.feed(text)
    return text, parser


def shown(parts: Iterable[Part]) -> list[object]:
    """Return parts as ``(line, html)`` and ``(title, duration, is open, parts)``."""
    return [
        (part.title, part.duration, part.is_open, shown(part.parts))
        if part.title
        else (part.line, str(part.html))
        for part in parts
    ]


def text_of(parts: Iterable[Part]) -> str:
    return "\n".join(
        text_of(part.parts) if part.title else str(part.html) for part in parts
    )


def test_the_page_of_a_run(tmp_path: Path) -> None:
    _, parsed = page(tmp_path, *failed_run(), log="$ make\n\x1b[31mbroken\x1b[0m\n")

    words = re.sub(r"\s+", " ", parsed.text)
    assert "failed pipeline run run1 push on main at 01234567" in words
    assert "coverage 81.5 % tests: 12, 1 failed, 2 skipped" in words
    assert "✗ failed test: [a] (attempt 2) test 1 min 06 s 81.5 % 12, 1 failed" in words
    assert "script_failure, exit code 1" in words
    assert "waited for build" in words
    assert "2 files, 2.0 KiB in .spotci/runs/run1/artifacts/build" in words
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

    assert parsed.tags.count("script") == 1
    assert "img" not in parsed.tags
    assert parsed.text.count("alert(1)</script>") >= 4
    assert "default-src 'none'" in text


def test_only_its_own_script_may_run(tmp_path: Path) -> None:
    text, _ = page(tmp_path, *failed_run())

    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert f"script-src 'sha256-{digest}'" in text


def test_it_loads_nothing(tmp_path: Path) -> None:
    text, parsed = page(
        tmp_path, *failed_run(), log="see https://example.com/ and <img src=//x>\n"
    )

    assert {"link", "img", "iframe", "object", "embed"}.isdisjoint(parsed.tags)
    loading = r"@import|url\((?!#head\))|fetch\(|XMLHttpRequest|import\("
    assert re.search(loading, text) is None
    anchors = {address for address in parsed.addresses if address.startswith("#")}
    assert {anchor[1:] for anchor in anchors} <= set(parsed.ids)
    assert set(parsed.addresses) - anchors == {".spotci/runs/run1/artifacts/build"}


def test_an_environment_is_linked_only_if_it_is_on_the_web(tmp_path: Path) -> None:
    def result(url: str) -> JobFinished:
        result = JobResult(job=BUILD, status=JobStatus.SUCCESS, environment_url=url)
        return JobFinished(at=0, result=result)

    _, web = page(tmp_path, result("https://staging.example.com"))
    _, script = page(tmp_path, result("javascript:alert(1)"))

    assert "https://staging.example.com" in web.addresses
    assert all(address.startswith("#") for address in script.addresses)


def test_many_jobs_that_passed_are_folded(tmp_path: Path) -> None:
    names = [JobName(f"job {number}") for number in range(300)]
    plans = (PlannedJob(name=name, stage="test", when="on_success") for name in names)
    failed = {names[7]: JobStatus.FAILED}
    results = (
        JobResult(job=name, status=failed.get(name, JobStatus.SUCCESS))
        for name in names
    )

    _, parsed = page(
        tmp_path,
        replace(STARTED, jobs=tuple(plans)),
        *(JobFinished(at=START, result=result) for result in results),
    )

    words = re.sub(r"\s+", " ", parsed.text)
    assert "✗ test 300 ✗job 7 299 passed" in words


def test_sections_fold_and_lines_are_numbered_through(tmp_path: Path) -> None:
    log = "before\nprepare\nscript 1\n\x1b[31mmine\nred\x1b[0m\nscript 2\nafter\n"
    sections = LogSections()
    for event in (
        SectionStarted(
            at=0, job=BUILD, section="prepare_executor", title="P", offset=7
        ),
        SectionFinished(at=1, job=BUILD, section="prepare_executor", offset=15),
        SectionStarted(at=1, job=BUILD, section="step_script", title="S", offset=15),
        SectionStarted(at=2, job=BUILD, section="mine", title="M", offset=24),
        SectionFinished(at=4, job=BUILD, section="never begun", offset=30),
        SectionFinished(at=4, job=BUILD, section="mine", offset=42),
        SectionFinished(at=5, job=BUILD, section="step_script", offset=51),
    ):
        sections.handle(event)
    (tmp_path / "job.log").write_text(log)

    found = read_log(tmp_path / "job.log", sections.of(BUILD), limit=1000)

    assert shown(found.parts) == [
        (1, "before"),
        ("P", "1.0 s", False, [(2, "prepare")]),
        (
            "S",
            "4.0 s",
            True,
            [
                (3, "script 1"),
                (
                    "M",
                    "2.0 s",
                    False,
                    [
                        (
                            4,
                            '<span class="c1">mine</span>\n<span class="c1">red</span>',
                        )
                    ],
                ),
                (6, "script 2"),
            ],
        ),
        (7, "after"),
    ]


@pytest.mark.parametrize("limit", range(1, 60))
def test_the_end_of_a_log_has_the_end_of_its_sections(
    tmp_path: Path, limit: int
) -> None:
    sections = LogSections()
    for event in (
        SectionStarted(at=0, job=BUILD, section="one", title="One", offset=10),
        SectionFinished(at=1, job=BUILD, section="one", offset=30),
        SectionStarted(at=1, job=BUILD, section="two", title="Two", offset=30),
    ):
        sections.handle(event)
    log = b"".join(b"line %d...\n" % number for number in range(5))
    (tmp_path / "job.log").write_bytes(log)

    found = read_log(tmp_path / "job.log", sections.of(BUILD), limit=limit)

    assert found.shortened is (limit < len(log))
    kept = log[-limit:] if limit >= len(log) else log[-limit:].partition(b"\n")[2]
    assert text_of(found.parts).encode().split() == kept.split()


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
