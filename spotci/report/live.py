"""The run as a board that moves, below the lines of what has ended.

Jobs that have ended scroll away above; the board shows those that run, each with its
last lines, what is transferred, and how many jobs are left.
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
    describe_end,
    describe_start,
)
from spotci.report.state import RunState
from spotci.report.terminal import printable

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import RenderableType

    from spotci.events import Event
    from spotci.report.terminal import Paint

__all__ = ["LiveReport"]

_PER_SECOND = 8


class LiveReport:
    """Shows the board while the run goes on, and leaves the lines of what ended."""

    def __init__(self, stream: TextIO, *, paint: Paint) -> None:
        self._paint = paint
        self._state = RunState()
        self._lock = Lock()
        self._drawing = Board()
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
            case ChildPipelineStarted():
                return f"{self._bold(event.job)} {describe_child(event)}"
            case ChildPipelineFinished():
                end = describe_child_end(event, self._paint)
                return f"{self._bold(event.job)} {end}"
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

    def _bold(self, text: str) -> str:
        return self._paint("bold", printable(text))

    def _board(self) -> RenderableType:
        with self._lock:
            height = self._console.height
            return self._drawing.draw(self._state, now=time.time(), height=height)
