"""Colours of a log as HTML; everything else in it is escaped."""

from __future__ import annotations

import re
from html import escape

__all__ = ["to_html"]

_SEQUENCE = re.compile(r"\x1b\[([0-9;:]*)m")
_FOREGROUND = range(30, 38)
_BRIGHT = range(90, 98)
_STYLES = {1: "b", 2: "d", 3: "i", 4: "u"}


def to_html(text: str) -> str:
    """Return printable text as HTML, its colours as spans with classes.

    The classes are ``c0`` to ``c7``, and ``b``, ``d``, ``i``, ``u`` for bold, dim,
    italic and underlined.
    """
    classes: frozenset[str] = frozenset()
    parts: list[str] = []
    position = 0
    for match in _SEQUENCE.finditer(text):
        parts.append(_span(text[position : match.start()], classes))
        classes = _apply(classes, match[1])
        position = match.end()
    parts.append(_span(text[position:], classes))
    return "".join(parts)


def _span(text: str, classes: frozenset[str]) -> str:
    if not text:
        return ""
    if not classes:
        return escape(text)
    start = f'<span class="{" ".join(sorted(classes))}">'
    # No span goes beyond its line: a page may take the lines apart.
    lines = [line and f"{start}{line}</span>" for line in escape(text).split("\n")]
    return "\n".join(lines)


def _apply(classes: frozenset[str], codes: str) -> frozenset[str]:
    """Return the classes after a sequence; colours of 256 and more are left out."""
    numbers = [int(code) for code in re.split("[;:]", codes) if code.isdigit()] or [0]
    if numbers[0] in {38, 48}:
        return classes
    for number in numbers:
        if number == 0:
            classes = frozenset()
        elif number in _STYLES:
            classes |= {_STYLES[number]}
        elif number == 22:  # noqa: PLR2004 - SGR: neither bold nor dim
            classes -= {"b", "d"}
        elif number in _FOREGROUND:
            classes = _coloured(classes, number - 30)
        elif number in _BRIGHT:
            classes = _coloured(classes, number - 90)
        elif number == 39:  # noqa: PLR2004 - SGR: default colour
            classes = _coloured(classes, None)
    return classes


def _coloured(classes: frozenset[str], colour: int | None) -> frozenset[str]:
    rest = {name for name in classes if not name.startswith("c")}
    return frozenset(rest if colour is None else {*rest, f"c{colour}"})
