"""The run as a board that moves, below the lines of what has ended.

Jobs that have ended scroll away above; the board shows those that run, each with its
last lines, what is transferred, and how many jobs are left.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from spotci.events import (
    JobFinished,
    JobStatus,
    JobStatusChanged,
    Notice,
    PipelineFinished,
    PipelineStarted,
)
from spotci.report.plain import describe_end, describe_start
from spotci.report.state import RunState
from spotci.report.terminal import printable, without_colours
from spotci.report.words import (
    describe_bytes,
    describe_duration,
    status_sign,
    status_style,
)

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import RenderableType

    from spotci.events import Event, Progress
    from spotci.report.state import JobState
    from spotci.report.terminal import Paint

__all__ = ["LiveReport"]

_ACTIVE = (
    JobStatus.PREPARING,
    JobStatus.RUNNING,
)
_WAITING = (
    JobStatus.CREATED,
    JobStatus.PENDING,
    JobStatus.WAITING_FOR_RESOURCE,
    JobStatus.SCHEDULED,
)
_PER_SECOND = 8
_BAR = 20
#: Lines of the last output below each job that runs.
_TAIL = 3
#: Lines of the terminal that are never taken.
_MARGIN = 4


class LiveReport:
    """Shows the board while the run goes on, and leaves the lines of what ended."""

    def __init__(self, stream: TextIO, *, paint: Paint) -> None:
        self._paint = paint
        self._state = RunState()
        self._lock = Lock()
        self._spinner = Spinner("dots")
        self._console = Console(
            file=stream,
            force_terminal=True,
            no_color=not paint.enabled,
            highlight=False,
            soft_wrap=True,
        )
        self._live = Live(
            console=self._console,
            get_renderable=self._board,
            refresh_per_second=_PER_SECOND,
            transient=True,
        )
        self._live.start()

    def handle(self, event: Event) -> None:
        """Take the event in; what is worth keeping is printed above the board."""
        with self._lock:
            self._state.handle(event)
        if line := self._line(event):
            self._console.print(Text.from_ansi(line))
        if isinstance(event, PipelineFinished):
            self.close()

    def close(self) -> None:
        """Take the board away and give the terminal back."""
        self._live.stop()

    def _line(self, event: Event) -> str:
        match event:
            case PipelineStarted():
                return self._paint("bold", describe_start(event))
            case JobFinished(result=result):
                stage = self._state.job(result.job).plan.stage
                where = self._paint("dim", f" {stage}") if stage else ""
                end = describe_end(result, self._paint)
                return f"{self._paint('bold', printable(result.job))}{where} {end}"
            case JobStatusChanged(status=JobStatus.RUNNING) if event.attempt > 1:
                again = self._paint("yellow", f"attempt {event.attempt}")
                return f"{self._paint('bold', printable(event.job))} {again}"
            case Notice():
                style = "yellow" if event.level == "warning" else "dim"
                return self._paint(style, f"spotci: {printable(event.text)}")
            case _:
                return ""

    def _board(self) -> RenderableType:
        with self._lock:
            parts: list[RenderableType] = [
                self._transfer(item) for item in self._state.progress.values()
            ]
            active = self._state.with_status(*_ACTIVE)
            parts += self._active(active, self._console.height - len(parts) - _MARGIN)
            parts.append(self._footer(len(active)))
        return Group(*parts)

    def _active(self, jobs: list[JobState], room: int) -> list[RenderableType]:
        """Return the jobs that run, with as many of their lines as there is room."""
        shown = jobs[: max(1, room)]
        lines = min(_TAIL, max(0, room // max(1, len(shown)) - 1))
        parts: list[RenderableType] = []
        for job in shown:
            parts.append(self._head(job))
            tail = list(job.tail)[-lines:] if lines else []
            parts += [
                Text(f"    {without_colours(printable(line))}", style="dim",
                     no_wrap=True, overflow="ellipsis")
                for line in tail
            ]  # fmt: skip
        if len(jobs) > len(shown):
            parts.append(Text(f"  and {len(jobs) - len(shown)} more", style="dim"))
        return parts

    def _head(self, job: JobState) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        elapsed = None
        if job.running_since is not None:
            elapsed = time.time() - job.running_since
        section = next(reversed(job.sections.values()), "")
        grid.add_row(
            self._spinner,
            Text(printable(job.plan.name), style="bold cyan"),
            Text(describe_duration(elapsed), style="cyan"),
            Text(without_colours(printable(section)), style="dim", no_wrap=True),
        )
        return grid

    def _transfer(self, event: Progress) -> RenderableType:
        text = Text(f"  {event.what} ", style="dim", no_wrap=True, overflow="ellipsis")
        text.append(printable(event.subject), style="default")
        if event.total:
            filled = min(_BAR, _BAR * event.done // event.total)
            text.append(" " + "━" * filled, style="cyan")
            text.append("━" * (_BAR - filled) + " ")
            files = event.what == "snapshot"
            size = str if files else describe_bytes
            text.append(f"{size(event.done)} / {size(event.total)}")
        elif event.text:
            text.append(f" {printable(event.text)}")
        return text

    def _footer(self, active: int) -> RenderableType:
        text = Text("  ")
        for status in (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELED):
            if count := len(self._state.with_status(status)):
                sign = f"{status_sign(status)} {count}  "
                text.append(sign, style=status_style(status))
        if active:
            text.append(f"● {active} running  ", style="cyan")
        if waiting := len(self._state.with_status(*_WAITING)):
            text.append(f"○ {waiting} to come  ", style="dim")
        if self._state.started is not None:
            elapsed = time.time() - self._state.started.at
            text.append(describe_duration(elapsed), style="dim")
        return text
