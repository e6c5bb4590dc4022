"""What a report is: a consumer of the events of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from spotci.events import Event

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Takes the events of one run in their order, all from one thread at a time."""

    def handle(self, event: Event) -> None:
        """Take the next event."""
        ...

    def close(self) -> None:
        """Let go of files and terminal. Idempotent; the run may not have ended."""
        ...
