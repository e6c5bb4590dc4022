"""Plain YAML scalars → values, by the rules of Ruby's Psych (YAML 1.1).

The order of the tests is Psych's, and so are its peculiarities: ``12:30`` is
45000 (base 60, with the seconds left out), ``1e3`` without a point is a text, ``:name``
is a symbol, which GitLab uses as the text ``name``.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

__all__ = ["UnspecifiedClassError", "resolve"]

#: Texts by their look: no digit, point, colon or dash at first, then a letter or one of
#: these signs. Most scalars end here.
_TEXT = re.compile(r"[^\d.:-]?(?:[^\W\d]|[\s!@#$%^&*(){}<>|/\\~;=])")
#: Longest word that can be a boolean or null.
_LONGEST_WORD = 5
_WORDS: dict[str, bool | None] = {
    "~": None,
    "null": None,
    "yes": True,
    "true": True,
    "on": True,
    "no": False,
    "false": False,
    "off": False,
}
_TIME = re.compile(
    r"-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?"
    r"(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?"
)
_DATE = re.compile(r"\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)")
_INFINITY = re.compile(r"[-+]?\.inf", re.IGNORECASE)
_NAN = re.compile(r"\.nan", re.IGNORECASE)
_SYMBOL = re.compile(r""":(?:(["'])(?P<quoted>.*)\1|(?P<plain>.+))""", re.DOTALL)
_BASE_60 = re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d){1,2}")
_BASE_60_FLOAT = re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d){1,2}\.[\d_]*")
#: Hours, minutes, seconds: with two parts the seconds are missing.
_BASE_60_UNITS = (3600, 60, 1)
_FLOAT = re.compile(r"[-+]?(?:\d[\d_,]*)?\.\d*(?:[eE][-+]\d+)?")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<b2>[01_,]+)|0x(?P<b16>[\da-fA-F_,]+)"
    r"|0o?(?P<b8>[0-7_,]+)|(?P<b10>0|[1-9][\d_,]*))"
)
_BASES = {"b2": 2, "b8": 8, "b10": 10, "b16": 16}


class UnspecifiedClassError(ValueError):
    """The scalar is a date or a time, which GitLab refuses."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Tried to load unspecified class: {name}")


@lru_cache(maxsize=4096)
def resolve(text: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar; raises UnspecifiedClassError."""
    if not text:
        return None
    if _TEXT.match(text) or "\n" in text:
        if len(text) > _LONGEST_WORD:
            return text
        return _WORDS.get(text.lower(), text)
    if _TIME.fullmatch(text):
        raise UnspecifiedClassError("Time")
    if _DATE.fullmatch(text):
        raise UnspecifiedClassError("Date")
    if symbol := _SYMBOL.fullmatch(text):
        return str(symbol["quoted"] or symbol["plain"])
    return _number(text)


def _number(text: str) -> str | int | float:
    if _INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    if _NAN.fullmatch(text):
        return math.nan
    if _BASE_60.fullmatch(text):
        return sum(
            int(part) * unit
            for part, unit in zip(text.split(":"), _BASE_60_UNITS, strict=False)
        )
    if _BASE_60_FLOAT.fullmatch(text):
        return sum(
            float(part.replace("_", "")) * unit
            for part, unit in zip(text.split(":"), _BASE_60_UNITS, strict=False)
        )
    if _FLOAT.fullmatch(text) and any(map(str.isdigit, text)):
        return float(re.sub(r"[,_]", "", text))
    if match := _INTEGER.fullmatch(text):
        return _integer(text, match)
    return text


def _integer(text: str, match: re.Match[str]) -> str | int:
    group = match.lastgroup or "b10"
    digits = re.sub(r"[,_]", "", match[group])
    if not digits:
        return text
    try:
        return int(match["sign"] + digits, _BASES[group])
    except ValueError:  # more digits than Python converts
        return text
