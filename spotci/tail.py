"""The last lines of a text that comes in pieces, however large it is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Tail"]


class Tail:
    """Keeps the last ``lines`` lines that were fed, each at most ``width`` characters.

    A piece holds whole lines, joined by newlines; of megabytes of text only the end is
    looked at.
    """

    __slots__ = ("_lines", "_width")

    def __init__(self, lines: int, width: int = 1000) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._width = width

    def feed(self, text: str) -> None:
        """Take the next piece."""
        position = len(text)
        for _ in range(self._lines.maxlen or 0):
            position = text.rfind("\n", 0, position)
            if position < 0:
                break
        self._lines.extend(
            line[: self._width] for line in text[position + 1 :].split("\n")
        )

    def clear(self) -> None:
        """Forget what was fed."""
        self._lines.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)
