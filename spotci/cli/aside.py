"""Lets the reports step aside while a person uses the terminal.

What happens meanwhile is shown afterwards. Other reports, the record above all, take no
notice.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from spotci.events import JobLog, Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spotci.events import Event
    from spotci.report.protocol import Reporter

__all__ = ["Screen"]

#: Events with output of jobs that wait to be shown; the record has all.
_MOST = 2000


@runtime_checkable
class _Drawing(Protocol):
    """A report that draws on the terminal by itself."""

    def suspend(self) -> None:
        """Take the drawing away."""
        ...

    def resume(self) -> None:
        """Draw again."""
        ...


class Screen:
    """The terminal, which reports and a person share."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._away = False
        self._shared: list[_Shared] = []

    def share(self, reports: Iterable[Reporter]) -> list[Reporter]:
        """Return the reports, now stepping aside when they are asked to."""
        self._shared = [_Shared(report, self) for report in reports]
        return list(self._shared)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the terminal to a person for as long as the block runs."""
        with self._lock:
            self._away = True
            for shared in self._shared:
                shared.suspend()
        try:
            yield
        finally:
            with self._lock:
                self._away = False
                for shared in self._shared:
                    shared.resume()

    def handle(self, shared: _Shared, event: Event) -> None:
        """Show an event, or let it wait."""
        with self._lock:
            if self._away:
                shared.postpone(event)
            else:
                shared.report.handle(event)


class _Shared:
    """A report that steps aside."""

    def __init__(self, report: Reporter, screen: Screen) -> None:
        self.report, self._screen = report, screen
        self._waiting: deque[Event] = deque()
        self._logs = 0
        self._dropped = 0

    def handle(self, event: Event) -> None:
        self._screen.handle(self, event)

    def close(self) -> None:
        self.report.close()

    def postpone(self, event: Event) -> None:
        if isinstance(event, JobLog):
            self._logs += 1
            if self._logs > _MOST:
                self._dropped += 1
                return
        self._waiting.append(event)

    def suspend(self) -> None:
        if isinstance(self.report, _Drawing):
            self.report.suspend()

    def resume(self) -> None:
        if isinstance(self.report, _Drawing):
            self.report.resume()
        while self._waiting:
            self.report.handle(self._waiting.popleft())
        if self._dropped:
            text = "some output of jobs is not shown here: see spotci logs"
            self.report.handle(Notice(at=time.time(), text=text, level="warning"))
        self._logs = self._dropped = 0
