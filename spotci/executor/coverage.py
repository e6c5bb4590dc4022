"""``coverage``: the number in a job's log, found as GitLab finds it.

The last line with a match counts, in it the last match, of that the last group, and
in it the first number. Colour codes are part of the line.
"""

from __future__ import annotations

import re

__all__ = ["CoverageScanner", "extract_coverage"]

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: Anchors of the whole text mean something else in a piece than in a line.
_ANCHORS = re.compile(r"\\[Az]")


class CoverageScanner:
    """Looks for the coverage in a log that comes in pieces of whole lines.

    ``expression`` is RE2, without slashes; one that RE2 refuses never matches.
    """

    def __init__(self, expression: str) -> None:
        import re2  # noqa: PLC0415 - 15 ms, and only jobs with coverage need it

        #: Percent, or None where no line has matched.
        self.value: float | None = None
        options = re2.Options()
        options.log_errors = False
        try:
            self._line = re2.compile(expression, options)
            # A line that matches matches in a piece, too, where ^ and $ are of lines:
            # pieces without a match are passed over at once.
            self._piece = (
                None
                if _ANCHORS.search(expression)
                else re2.compile(f"(?m:{expression})", options)
            )
        except re2.error:
            self._line = self._piece = None

    def feed(self, text: str) -> None:
        """Look at more lines, joined by newlines."""
        if self._line is None:
            return
        if self._piece is not None and self._piece.search(text) is None:
            return
        for line in reversed(text.split("\n")):
            found = self._in_line(line)
            if found is not None:
                self.value = found
                return

    def _in_line(self, line: str) -> float | None:
        matches = list(self._line.finditer(line))
        if not matches:
            return None
        last = [matches[-1][0], *matches[-1].groups()][-1]
        number = _NUMBER.search(last or "")
        return None if number is None else float(number[0])


def extract_coverage(log: str, expression: str) -> float | None:
    """Return the coverage that a log tells, in percent, or None."""
    scanner = CoverageScanner(expression)
    scanner.feed(log)
    return scanner.value
