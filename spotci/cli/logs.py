"""``spotci logs``: what the jobs of a run printed."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

import click

from spotci.cli.loading import open_here, record_folder
from spotci.cli.selection import unknown
from spotci.cli.words import complete_jobs, complete_runs
from spotci.events import JobStatus
from spotci.runs import RunStore, read_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spotci.pipeline import JobName
    from spotci.runs import Run

__all__ = ["command", "recorded_jobs"]

_PIECE = 64 * 1024
#: Seconds between two looks at files that may have grown.
_POLL = 0.2


@click.command("logs")
@click.argument("jobs", metavar="[JOB]...", nargs=-1, shell_complete=complete_jobs)
@click.option(
    "--run",
    "selector",
    metavar="ID",
    help="A run.  [default: the newest]",
    shell_complete=complete_runs,
)
@click.option("--follow", "-f", is_flag=True, help="Go on while the run goes on.")
@click.option(
    "--search",
    "wanted",
    metavar="TEXT",
    default="",
    help="Only lines with this text, in whatever case, with their numbers.",
)
def command(
    *, jobs: tuple[str, ...], selector: str | None, follow: bool, wanted: str
) -> int:
    """Print the logs of a recorded run, of all its jobs or of those named.

    \b
    spotci logs test-services        the newest run
    spotci logs --run 1qsffj build   another; spotci runs lists them
    spotci logs --follow             of a run in another terminal
    spotci logs --search error       lines of all jobs; code 1 where there is none
    """  # noqa: D301 - click reads the \b
    run = RunStore(record_folder(open_here())).find(selector)
    names = recorded_jobs(run, jobs)
    viewer = _Viewer(run, names, headings=len(names) > 1, wanted=wanted)
    viewer.print_new()
    while follow and run.status == JobStatus.RUNNING:
        time.sleep(_POLL)
        run = read_run(run.folder) or run
        viewer.print_new()
    return 1 if wanted and not viewer.found else 0


def recorded_jobs(run: Run, wanted: Sequence[str]) -> list[JobName]:
    """Return the jobs of a run that bear these names, or all; raises UsageError.

    A name may be that of a ``parallel`` job without its suffix.
    """
    if not wanted:
        return list(run.slugs)
    found: list[JobName] = []
    for name in wanted:
        exact = [job for job in run.slugs if job == name]
        matching = exact or [job for job in run.slugs if _base_name(job) == name]
        if not matching:
            raise unknown("job of this run", name, run.slugs)
        found += matching
    return found


class _Viewer:
    """Prints the logs of jobs, each time what has been added since the last."""

    def __init__(
        self, run: Run, jobs: Sequence[JobName], *, headings: bool, wanted: str
    ) -> None:
        from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

        self._logs: dict[JobName, Path] = {job: run.log(job) for job in jobs}
        self._read: dict[JobName, int] = {}
        self._headings = headings
        self._wanted = wanted.lower()
        self._lines: dict[JobName, int] = {}
        #: How many lines have been found.
        self.found = 0
        self._paint = Paint(enabled=use_colour(sys.stdout, os.environ))
        self._last: JobName | None = None

    def print_new(self) -> None:
        for job, path in self._logs.items():
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            if size > self._read.get(job, 0):
                with path.open("rb") as log:
                    self._print(job, log)
        sys.stdout.flush()

    def _print(self, job: JobName, log: BinaryIO) -> None:
        log.seek(self._read.get(job, 0))
        while piece := log.read(_PIECE):
            # A half line waits for its other half: it may end in half a character.
            whole = piece + (b"" if piece.endswith(b"\n") else log.readline())
            self._show(job, whole.decode("utf-8", "replace"))
        self._read[job] = log.tell()

    def _show(self, job: JobName, text: str) -> None:
        from spotci.report.terminal import without_colours  # noqa: PLC0415 - as used

        if self._wanted and not (text := self._matching(job, text)):
            return
        if self._headings and job != self._last:
            print(self._paint("bold", f"── {job}"))
        self._last = job
        sys.stdout.write(text if self._paint.enabled else without_colours(text))

    def _matching(self, job: JobName, text: str) -> str:
        """Return the lines that have what is searched for, with their numbers."""
        from spotci.report.terminal import without_colours  # noqa: PLC0415 - as used

        first = self._lines.get(job, 0) + 1
        lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
        self._lines[job] = first + len(lines) - 1
        found = [
            f"{self._paint('dim', f'{number:>6}:')} {line}"
            for number, line in enumerate(lines, first)
            if self._wanted in without_colours(line).lower()
        ]
        self.found += len(found)
        return "".join(found)


def _base_name(job: str) -> str:
    """Return the name of a job without the suffix of ``parallel``."""
    name, colon, _ = job.partition(": [")
    if colon and job.endswith("]"):
        return name
    head, _, tail = job.rpartition(" ")
    index, slash, total = tail.partition("/")
    return head if slash and index.isdigit() and total.isdigit() else job
