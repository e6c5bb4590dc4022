"""What may go to a terminal, and how it is coloured.

Logs are written by strangers. Of their escape sequences only colours reach the
terminal; the others could rename its window, fill its clipboard or rewrite lines that
have been read already.
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = [
    "Paint",
    "cell_width",
    "fit",
    "fit_middle",
    "pad",
    "printable",
    "terminal_width",
    "use_colour",
    "without_colours",
    "wrap",
]

_CONTROLS = bytes({*range(9), *range(11, 32), 127})
_COLOUR = r"\x1b\[[0-9;:]*m"
_SEQUENCE = re.compile(
    rf"""
    (?P<colour>{_COLOUR})
    | \x1b\[ [0-?]* [ -/]* [@-~]?           # CSI
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])   # OSC, DCS, SOS, PM, APC …
      [^\x07\x1b\x9c]* (?:\x07|\x1b\\|\x9c)?  # … with their text, up to their end
    | \x9b [0-?]* [ -/]* [@-~]?             # CSI in one character
    | \x1b [ -/]* [0-~]?                    # two characters
    | [\x00-\x08\x0b-\x1f\x7f-\x9f]         # alone
    """,
    re.VERBOSE,
)
_ANY_COLOUR = re.compile(_COLOUR)
_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\n\r])")


def printable(text: str) -> str:
    """Return the text without controls other than tab, newline and colours.

    A line that was rewritten by carriage returns is shown as it was in the end.
    """
    data = text.encode("utf-8", "surrogateescape")
    if b"\xc2" not in data and len(data.translate(None, _CONTROLS)) == len(data):
        return text
    if "\r" in text:
        text = _OVERWRITTEN.sub("", text)
    return _SEQUENCE.sub(lambda match: match["colour"] or "", text)


def without_colours(text: str) -> str:
    """Return the text without the colours that :func:`printable` leaves."""
    return _ANY_COLOUR.sub("", text) if "\x1b" in text else text


def open_colours(carried: str, text: str) -> str:
    """Return the colour sequences still in force after the text, given those before."""
    for sequence in _ANY_COLOUR.findall(text):
        resets = sequence.removeprefix("\x1b[").removesuffix("m").strip("0;") == ""
        carried = "" if resets else carried + sequence
    return carried


def use_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether to colour: NO_COLOR and FORCE_COLOR decide, else the terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def terminal_width(stream: TextIO) -> int | None:
    """Return the columns of the terminal, or None where the stream is none.

    ``COLUMNS`` decides where it is set.
    """
    if not stream.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


class Paint:
    """Colours text, or leaves it as it is where colour is off."""

    _CODES: ClassVar = {
        "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33",
        "blue": "34", "magenta": "35", "cyan": "36",
    }  # fmt: skip
    #: For telling jobs apart; red, green and yellow mean something already.
    JOBS = ("36", "35", "34", "96", "95", "94", "38;5;208", "38;5;141", "38;5;73")

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, style: str, text: str) -> str:
        """Return the text in a style: names of colours and weights, by blanks."""
        codes = ";".join(self._CODES[word] for word in style.split())
        return self.code(codes, text)

    def code(self, codes: str, text: str) -> str:
        """Return the text under these SGR codes."""
        return f"\x1b[{codes}m{text}\x1b[0m" if self.enabled and codes else text


def cell_width(text: str) -> int:
    """Return how many columns of a terminal the text takes; it must be printable."""
    text = without_colours(text)
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def fit(text: str, width: int) -> str:
    """Return the text cut to a width, with an ellipsis where it was cut."""
    if cell_width(text) <= width:
        return text
    kept = ""
    room = width - 1
    for character in without_colours(text):
        room -= _cells(character)
        if room < 0:
            break
        kept += character
    return kept + "…"


def fit_middle(text: str, width: int) -> str:
    """Return the text cut to a width in its middle: names often differ at their end."""
    if cell_width(text) <= width:
        return text
    plain = without_colours(text)
    end = fit(plain[::-1], width // 2 + 1)[::-1].removeprefix("…")
    return fit(plain, width - cell_width(end)) + end


def wrap(text: str, width: int | None, *, indent: str = "") -> list[str]:
    """Return the text as lines that fit a width, broken at blanks.

    Lines but the first have the indent. A word wider than the terminal is left whole:
    it can be copied then. A width of None is without bound.
    """
    first, *rest = text.split("\n")
    lines = _wrap_line(first, width, indent)
    for line in rest:
        lines += _wrap_line(line, width, indent)
    return lines


def _wrap_line(text: str, width: int | None, indent: str) -> list[str]:
    if width is None or cell_width(text) <= width:
        return [text]
    lines = [""]
    used = 0
    for part in re.findall(r" *[^ ]+", text):
        taken = cell_width(part)
        if used and used + taken > width and lines[-1].strip():
            lines.append(indent)
            part = part.lstrip()  # noqa: PLW2901 - the blanks were the break
            used, taken = cell_width(indent), cell_width(part)
        lines[-1] += part
        used += taken
    return lines


def pad(text: str, width: int) -> str:
    """Return the text filled with blanks to a width."""
    return text + " " * max(0, width - cell_width(text))


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
