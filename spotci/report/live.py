"""The run as a board that moves, below the lines of what has ended.

Jobs that have ended scroll away above; the board shows those that run, each with its
last lines, what is transferred, and how much is left.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from spotci.events import (
    ChildPipelineFinished,
    ChildPipelineStarted,
    JobFinished,
    JobStatus,
    JobStatusChanged,
    Notice,
    PipelineFinished,
    PipelineStarted,
)
from spotci.report.board import Board
from spotci.report.plain import (
    describe_child,
    describe_child_end,
    describe_failed,
    describe_start,
)
from spotci.report.state import RunState
from spotci.report.terminal import (
    cell_width,
    fit,
    fit_middle,
    pad,
    printable,
    wrap,
)
from spotci.report.words import (
    describe_duration,
    status_sign,
    status_style,
    status_word,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from rich.console import RenderableType

    from spotci.events import Event, JobResult
    from spotci.pipeline import JobName
    from spotci.report.terminal import Paint

__all__ = ["LiveReport"]

_PER_SECOND = 8
_WIDEST_NAME = 48
_WIDEST_TIME = len("59 min 59 s")
_GAP = "  "


class LiveReport:
    """Shows the board while the run goes on, and leaves the lines of what ended.

    ``earlier`` is asked once, when the run starts, how many seconds each job took.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        paint: Paint,
        earlier: Callable[[], Mapping[JobName, float]] | None = None,
    ) -> None:
        self._paint = paint
        self._earlier = earlier
        self._state = RunState()
        self._lock = Lock()
        self._drawing = Board()
        self._names = 0
        self._stages = 0
        self._console = Console(
            file=stream,
            force_terminal=True,
            no_color=not paint.enabled,
            highlight=False,
            soft_wrap=True,
        )
        self._live = self._started()

    def handle(self, event: Event) -> None:
        """Take the event in; what is worth keeping is printed above the board."""
        with self._lock:
            self._state.handle(event)
            if isinstance(event, PipelineStarted):
                self._begin(event)
        if text := self._text(event):
            lines = wrap(text, self._console.width, indent="    ")
            # The board below must be of now: a job that has ended is not on it.
            self._live.refresh()
            self._console.print(Text.from_ansi("\n".join(lines)))
        if isinstance(event, PipelineFinished):
            self.close()

    def close(self) -> None:
        """Take the board away and give the terminal back."""
        self._live.stop()

    def suspend(self) -> None:
        """Take the board away while somebody else uses the terminal."""
        self._live.stop()

    def resume(self) -> None:
        """Show the board again, below what is there now."""
        self._live = self._started()

    def _started(self) -> Live:
        live = Live(
            console=self._console,
            get_renderable=self._board,
            refresh_per_second=_PER_SECOND,
            transient=True,
        )
        live.start()
        return live

    def _begin(self, event: PipelineStarted) -> None:
        names = [cell_width(printable(job.name)) for job in event.jobs]
        stages = [cell_width(printable(job.stage)) for job in event.jobs]
        self._names = min(_WIDEST_NAME, max(names, default=0))
        self._stages = min(_WIDEST_NAME, max(stages, default=0))
        if self._earlier is not None:
            self._drawing.earlier = self._earlier()

    def _text(self, event: Event) -> str:
        match event:
            case PipelineStarted():
                return self._paint("bold", describe_start(event))
            case ChildPipelineStarted():
                return f"{self._bold(event.job)} {describe_child(event)}"
            case ChildPipelineFinished():
                end = describe_child_end(event, self._paint)
                return f"{self._bold(event.job)} {end}"
            case JobFinished(result=result):
                return self._ended(result)
            case JobStatusChanged(status=JobStatus.RUNNING) if event.attempt > 1:
                again = self._paint("yellow", f"↻ attempt {event.attempt}")
                return f"{again} of {self._bold(event.job)}"
            case Notice():
                style = "yellow" if event.level == "warning" else "dim"
                return self._paint(style, f"spotci: {printable(event.text)}")
            case _:
                return ""

    def _ended(self, result: JobResult) -> str:
        """Return the line of a job: sign, name, stage, duration, and what was odd."""
        warning = result.status is JobStatus.FAILED and result.allow_failure
        style = status_style(result.status, warning=warning)
        stage = printable(self._state.job(result.job).plan.stage)
        took = describe_duration(result.duration)
        room = self._console.width - len(f"✓{_GAP}{_GAP}") - _WIDEST_TIME
        width = max(1, min(self._names, room))
        columns = [
            self._paint(style, status_sign(result.status, warning=warning)),
            pad(fit_middle(printable(result.job), width), width),
        ]
        if self._names + len(_GAP) + self._stages <= room:
            columns.append(
                self._paint("dim", pad(fit(stage, self._stages), self._stages))
            )
        columns += [took.rjust(_WIDEST_TIME), self._remark(result, style)]
        return _GAP.join(columns).rstrip()

    def _remark(self, result: JobResult, style: str) -> str:
        if result.status is JobStatus.FAILED:
            return self._paint(style, describe_failed(result))
        word = "" if result.status is JobStatus.SUCCESS else status_word(result.status)
        text = ": ".join(part for part in (word, result.message) if part)
        return self._paint(style, printable(text)) if text else ""

    def _bold(self, text: str) -> str:
        return self._paint("bold", printable(text))

    def _board(self) -> RenderableType:
        with self._lock:
            size = self._console.size
            return self._drawing.draw(
                self._state, now=time.time(), height=size.height, width=size.width
            )
