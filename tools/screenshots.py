"""Makes the pictures of ``docs/images`` from real runs: ``make screenshots``.

================ ==================================================================
``run.svg``      the board of ``spotci run``, in the middle of the SPOT pipeline
``failure.svg``  the summary of a run of the same pipeline in which a test fails
``report.png``   the page of ``spotci report``, light, and ``report-dark.png``
================ ==================================================================

Chromium draws the page; on the way it is held to what the page promises: no request
goes out, its script raises no error, and filters, search, links and themes work
(``page_probe.js``). Chromium is looked for in PATH and in ``CHROMIUM``.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from spotci.event_json import decode_event
from spotci.events import JobFinished, JobLog, JobStatus, PipelineStarted
from spotci.pipeline import JobName
from spotci.report.board import Board
from spotci.report.live import LiveReport
from spotci.report.state import RunState
from spotci.report.summary import render_summary
from spotci.report.terminal import Paint
from tools.demo import prepare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spotci.events import Event

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
FOLDER = ROOT / "build" / "screenshots" / "spot-platform"
#: The test that fails in the second run: what it expects, and what is put there.
BROKEN = ("services/api-gateway/tests/test_routing.py", '"score/1"', '"score/2"')
WIDTH, HEIGHT = 100, 34
PAGE = (1200, 780)
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: What Chromium's log has as the initiator of its own requests.
_BROWSER = "not an origin"
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--enable-logging=stderr",
)


def main() -> int:
    """Run the pipeline twice, and draw what is seen of it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    prepare(FOLDER)
    passed = run()
    write("run.svg", terminal(list(board_lines(passed)), "spotci run"))
    file, old, new = BROKEN
    text = (FOLDER / file).read_text("utf-8")
    (FOLDER / file).write_text(text.replace(old, new), "utf-8")
    failed = run("test-services")
    summary = summary_lines(failed)
    write("failure.svg", terminal(summary, "spotci run test-services"))
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "report.html"
        spotci("report", "--no-open", "--output", str(page))
        chromium = find_chromium()
        check_page(chromium, page)
        picture(chromium, page, IMAGES / "report.png", theme="light")
        picture(chromium, page, IMAGES / "report-dark.png", theme="dark")
    return 0


# --- runs ---------------------------------------------------------------------


def run(*arguments: str) -> list[Event]:
    """Run the pipeline and return its events; a run that fails is welcome, too."""
    done = spotci("run", "--output", "json", *arguments)
    events = [decode_event(line) for line in done.stdout.splitlines()]
    if not any(isinstance(event, PipelineStarted) for event in events):
        sys.exit(f"screenshots: the run did not start: {done.stderr}")
    return events


def spotci(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Call spotci in the demo's repository."""
    return subprocess.run(
        [sys.executable, "-m", "spotci", *arguments],
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the terminal -------------------------------------------------------------


def board_lines(events: Sequence[Event]) -> Iterator[Text]:
    """Yield what the terminal shows at the moment with the most jobs at once."""
    seen = events[: busiest(events)]
    stream = io.StringIO()
    os.environ["COLUMNS"] = str(WIDTH)
    live = LiveReport(stream, paint=Paint(enabled=True))
    live.close()
    for event in seen:
        if not isinstance(event, JobLog):
            live.handle(event)
    scrolled = re.sub(r"\x1b\[\??[0-9;]*[A-Zac-ln-z]", "", stream.getvalue())
    yield from map(Text.from_ansi, scrolled.strip("\n").split("\n"))
    state = RunState()
    for event in seen:
        state.handle(event)
    board = Board()
    board.earlier = durations(events)
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    console.print(board.draw(state, now=seen[-1].at + 0.1, height=HEIGHT, width=WIDTH))
    drawn = console.export_text(styles=True)
    yield from map(Text.from_ansi, drawn.rstrip("\n").split("\n"))


def busiest(events: Sequence[Event]) -> int:
    """Return how many events there are up to the moment with most to show."""
    state = RunState()
    best, found = 0, 1
    for index, event in enumerate(events, 1):
        state.handle(event)
        running = state.with_status(JobStatus.RUNNING)
        shown = sum(min(3, len(job.tail)) for job in running)
        if shown > best and len(state.ended()) * 3 > len(state.jobs):
            best, found = shown, index
    return found


def durations(events: Iterable[Event]) -> dict[JobName, float]:
    """Return how long the jobs took: the estimate of a run like this one."""
    return {
        JobName(event.result.job): event.result.duration
        for event in events
        if isinstance(event, JobFinished) and event.result.duration is not None
    }


def summary_lines(events: Iterable[Event]) -> list[Text]:
    """Return the summary at the end of a run."""
    state = RunState()
    for event in events:
        state.handle(event)
    text = render_summary(state, paint=Paint(enabled=True), width=WIDTH)
    here = FOLDER.relative_to(Path.cwd()) if FOLDER.is_relative_to(Path.cwd()) else ""
    relative = text.replace(f"{FOLDER}{os.sep}", "").replace(f"{here}{os.sep}", "")
    return [Text.from_ansi(line) for line in relative.split("\n")]


def terminal(lines: Sequence[Text], command: str) -> str:
    """Return lines below a command as a picture of a terminal."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    for line in lines:
        console.print(line, no_wrap=True, overflow="ellipsis")
    # The fonts of the template would be fetched from a server.
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="", code_format=form, unique_id="spotci")
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")


def write(name: str, text: str) -> None:
    """Write a picture and say so."""
    (IMAGES / name).write_text(text, "utf-8")
    print(f"screenshots: {name}, {len(text) // 1024} KiB")


# --- the page -----------------------------------------------------------------


def find_chromium() -> str:
    """Return the browser, or end with what to do."""
    names = [os.environ["CHROMIUM"]] if "CHROMIUM" in os.environ else _CHROMIUM
    for name in names:
        if path := shutil.which(name):
            return path
    sys.exit("screenshots: there is no Chromium: apt-get install chromium")


def check_page(chromium: str, page: Path) -> None:
    """End with an error where the page asks for anything, or its script fails."""
    log = page.with_name("net.json")
    done = browse(chromium, page, f"--log-net-log={log}", "--dump-dom")
    errors = re.findall(r"CONSOLE.*", done.stderr)
    asked = sorted(requests(json.loads(log.read_text("utf-8"))))
    counted = 'class="l"' in done.stdout
    if errors or asked or not counted:
        sys.exit(f"screenshots: the page is not well: {errors} {asked} {counted=}")
    print("screenshots: the page asks for nothing, and its script runs")
    use_page(chromium, page)


def use_page(chromium: str, page: Path) -> None:
    """Use the page as a person would; end with an error where it does not answer."""
    text = re.sub(r"<meta http-equiv=[^>]*>", "", page.read_text("utf-8"))
    probe = (ROOT / "tools" / "page_probe.js").read_text("utf-8")
    used = page.with_name("used.html")
    used.write_text(
        text.replace("</body>", f"<script>{probe}</script></body>"), "utf-8"
    )
    done = browse(chromium, used, "--virtual-time-budget=3000", "--dump-dom")
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    seen = json.loads(found[1]) if found else {"the page answers": False}
    if wrong := [name for name, holds in seen.items() if not holds]:
        sys.exit(f"screenshots: the page does not do this: {wrong}")
    print(f"screenshots: {len(seen)} things that a person does with the page work")


def requests(log: dict[str, Any]) -> set[str]:
    """Return the addresses on the net that the page asked for, not the browser."""
    asked = (event.get("params", {}) for event in log.get("events", ()))
    return {
        each["url"]
        for each in asked
        if each.get("initiator", _BROWSER) != _BROWSER
        and not each.get("url", "file:").startswith("file:")
    }


def picture(chromium: str, page: Path, target: Path, *, theme: str) -> None:
    """Draw the page in a theme."""
    text = page.read_text("utf-8")
    themed = page.with_name(f"{theme}.html")
    root = f'<html lang="en" data-theme="{theme}">'
    themed.write_text(text.replace('<html lang="en">', root, 1), "utf-8")
    width, height = PAGE
    browse(
        chromium, themed, f"--window-size={width},{height}", f"--screenshot={target}"
    )
    print(f"screenshots: {target.name}, {target.stat().st_size // 1024} KiB")


def browse(
    chromium: str, page: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Open a page without a window; its profile is a new one."""
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [
                chromium,
                *_QUIET,
                f"--user-data-dir={profile}",
                *options,
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )


if __name__ == "__main__":
    sys.exit(main())
