"""The events of a run as lines of JSON, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.event_json import encode_event

if TYPE_CHECKING:
    from typing import TextIO

    from spotci.events import Event

__all__ = ["JsonLinesReport"]


class JsonLinesReport:
    """Writes each event as one line; the form is in ``docs/reference/events.md``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def handle(self, event: Event) -> None:
        """Write an event."""
        self._stream.write(encode_event(event) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is held."""
