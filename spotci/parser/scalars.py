"""Plain YAML scalars → values, by the rules of Ruby's Psych (YAML 1.1).

The order of the tests is Psych's, and so are its peculiarities: ``12:30`` is
45000 (base 60, with the seconds left out), ``1e3`` without a point is a text, ``:name``
is a symbol, which GitLab uses as the text ``name``.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

__all__ = ["UnspecifiedClassError", "resolve", "resolve_tagged"]

#: Texts by their look: no digit, point, colon or dash at first, then a letter or one of
#: these signs. Most scalars end here.
_TEXT = re.compile(r"[^0-9.:-]?[^\W\d_]|[^0-9.:-]?[ \t-\r_!@#$%^&*(){}<>|/\\~;=]")
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
    r"(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)", re.ASCII)
_INFINITY = re.compile(r"[-+]?\.inf", re.IGNORECASE | re.ASCII)
_NAN = re.compile(r"\.nan", re.IGNORECASE | re.ASCII)
_QUOTED_SYMBOL = re.compile(r""":(["'])(.*)\1""")
_BASE_60 = re.compile(
    r"[-+]?\d[\d_]*(?::[0-5]?\d){1,2}(?P<fraction>\.[\d_]*)?", re.ASCII
)
#: Hours, minutes, seconds: with two parts the seconds are missing.
_BASE_60_UNITS = (3600, 60, 1)
#: What Ruby's ``to_i`` and ``to_f`` read of a text: as much as is a number.
_LEADING_NUMBER = re.compile(r"[-+]?\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\d[\d_,]*)?\.\d*(?:[eE][-+]\d+)?", re.ASCII)
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<b2>[01_,]+)|0x(?P<b16>[\da-fA-F_,]+)"
    r"|(?P<b8>0[0-7_,]+)|(?P<b10>0|[1-9](?:\d|[,_]\d)*))",
    re.ASCII,
)
_YAML = "tag:yaml.org,2002:"
_RUBY = "!ruby/"
_TEXT_TAGS = ("str", "!str", "!ruby/string", "!ruby/sym", "!ruby/symbol")
_SEPARATORS = re.compile(r"[,_]")
_BASES = {"b2": 2, "b8": 8, "b10": 10, "b16": 16}
#: Digits of a number. Ruby has no such bound; Python turns no longer one into text.
_MAX_DIGITS = 4000


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
    if text.startswith(":") and len(text) > 1:
        quoted = _QUOTED_SYMBOL.match(text)
        return (text[1:] if quoted is None else quoted[2].removeprefix(":")) or text
    return _number(text)


def resolve_tagged(text: str, tag: str) -> str | int | float | bool | None:
    """Return the value of a scalar with a tag; raises UnspecifiedClassError.

    Tags that Psych does not know change nothing. Those that would make an object of
    Ruby are refused: GitLab allows symbols alone.
    """
    tag = tag.removeprefix(_YAML)
    if tag in _TEXT_TAGS:
        return text
    if tag.startswith(_RUBY):
        kind, _, name = tag.removeprefix(_RUBY).partition(":")
        raise UnspecifiedClassError(name or kind.capitalize())
    value = resolve(text)
    if tag in ("float", "!float") and isinstance(value, int):
        return float(value)
    return value


def _number(text: str) -> str | int | float:
    if len(text) > _MAX_DIGITS:
        return text
    if _INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    if _NAN.fullmatch(text):
        return math.nan
    if match := _BASE_60.fullmatch(text):
        return _base_60(text, fraction=match["fraction"] is not None)
    if _FLOAT.fullmatch(text):
        try:
            return float(_SEPARATORS.sub("", text))
        except ValueError:  # a point without any digit
            return text
    if match := _INTEGER.fullmatch(text):
        return _integer(text, match)
    return text


def _base_60(text: str, *, fraction: bool) -> int | float:
    total: int | float = 0
    for part, unit in zip(text.split(":"), _BASE_60_UNITS, strict=False):
        digits = _LEADING_NUMBER.match(part)
        number = "0" if digits is None else digits[0]
        total += (float(number) if fraction else int(number)) * unit
    return total


def _integer(text: str, match: re.Match[str]) -> str | int:
    group = match.lastgroup or "b10"
    digits = _SEPARATORS.sub("", match[group])
    return int(match["sign"] + digits, _BASES[group]) if digits else text
