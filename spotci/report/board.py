"""The board of a run: what runs now, what is transferred, how much is left (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from spotci.events import JobStatus
from spotci.report.terminal import printable, without_colours
from spotci.report.words import (
    describe_bytes,
    describe_duration,
    status_sign,
    status_style,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spotci.events import Progress
    from spotci.report.state import JobState, RunState

__all__ = ["Board"]

_ACTIVE = (JobStatus.PREPARING, JobStatus.RUNNING)
_WAITING = (
    JobStatus.CREATED,
    JobStatus.PENDING,
    JobStatus.WAITING_FOR_RESOURCE,
    JobStatus.SCHEDULED,
)
#: Statuses of the footer, and whether they are failures that are allowed.
_ENDED = (
    (JobStatus.SUCCESS, False),
    (JobStatus.FAILED, False),
    (JobStatus.FAILED, True),
    (JobStatus.CANCELED, False),
)
_BAR = 20
#: Lines of the last output below each job that runs.
_TAIL = 3
#: Lines of the terminal that are never taken.
_MARGIN = 4


class Board:
    """Draws the state of a run; it remembers nothing but how its spinner turns."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots")

    def draw(self, state: RunState, *, now: float, height: int) -> RenderableType:
        """Return the board for a terminal of ``height`` lines; it takes fewer.

        ``now`` is in seconds since the epoch.
        """
        parts = [_transfer(item) for item in state.progress.values()]
        active = state.with_status(*_ACTIVE)
        parts += self._jobs(active, now, height - len(parts) - _MARGIN)
        parts.append(_footer(state, now, len(active)))
        return Group(*parts)

    def _jobs(
        self, jobs: list[JobState], now: float, room: int
    ) -> list[RenderableType]:
        """Return the jobs that run, with as many of their lines as there is room."""
        shown = jobs[: max(1, room)]
        lines = min(_TAIL, max(0, room // max(1, len(shown)) - 1))
        parts: list[RenderableType] = []
        for job in shown:
            parts.append(self._head(job, now))
            tail = list(job.tail)[-lines:] if lines else []
            parts += [
                _line(f"    {without_colours(printable(text))}", "dim") for text in tail
            ]
        if len(jobs) > len(shown):
            parts.append(_line(f"  and {len(jobs) - len(shown)} more", "dim"))
        return parts

    def _head(self, job: JobState, now: float) -> RenderableType:
        elapsed = None if job.running_since is None else now - job.running_since
        section = next(reversed(job.sections.values()), "")
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            self._spinner,
            _line(printable(job.plan.name), "bold cyan"),
            _line(describe_duration(elapsed), "cyan"),
            _line(without_colours(printable(section)), "dim"),
        )
        return grid


def _transfer(event: Progress) -> RenderableType:
    text = _line(f"  {event.what} ", "dim")
    text.append(printable(event.subject))
    if event.total:
        filled = min(_BAR, _BAR * event.done // event.total)
        text.append(f" {'━' * filled}", style="cyan")
        text.append("━" * (_BAR - filled))
        size = str if event.what == "snapshot" else describe_bytes
        text.append(f" {size(event.done)} / {size(event.total)}")
    elif event.text:
        text.append(f" {printable(event.text)}")
    return text


def _footer(state: RunState, now: float, active: int) -> RenderableType:
    text = _line("  ", "")
    for status, warning in _ENDED:
        jobs = [job for job in state.with_status(status) if job.warning is warning]
        if jobs:
            sign = status_sign(status, warning=warning)
            style = status_style(status, warning=warning)
            text.append(f"{sign} {len(jobs)}  ", style=style)
    if active:
        text.append(f"● {active} running  ", style="cyan")
    if waiting := len(state.with_status(*_WAITING)):
        text.append(f"○ {waiting} to come  ", style="dim")
    if state.started is not None:
        text.append(describe_duration(now - state.started.at), style="dim")
    return text


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
