"""Durations as GitLab writes them: ``1h 30m``, ``3 mins 4 sec``, ``2 weeks and 3d``.

    duration = [ UNIT ] { NUMBER [ UNIT ] } | NUMBER ":" NUMBER { ":" NUMBER }

A number at the end without a unit counts seconds, and a unit at the beginning without
a number counts one. ``and``, ``with``, ``plus`` and commas are ignored; case is too. A
month has 30 days and a year 365.25. GitLab reads them with its ChronicDuration.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse_duration"]

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_MONTH = 30 * _DAY
_YEAR = 31_557_600

_UNITS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), _MINUTE),
        **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _HOUR),
        **dict.fromkeys(("d", "dy", "day", "days"), _DAY),
        **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), _WEEK),
        **dict.fromkeys(("mo", "mos", "month", "months"), _MONTH),
        **dict.fromkeys(("y", "yr", "yrs", "year", "years"), _YEAR),
    }
)
_JOINING = frozenset({"and", "with", "plus"})
#: The places of ``H:MM:SS`` from the right; GitLab has no weeks there.
_CLOCK = (1, _MINUTE, _HOUR, _DAY, _MONTH, _YEAR)
_NUMBER_WORDS: Mapping[str, str] = MappingProxyType(
    {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
    | {"seven": "7", "eight": "8", "nine": "9", "ten": "10"}
    | {"eleven": "11", "twelve": "12"}
)
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
_TOKEN = re.compile(r"[0-9]*\.?[0-9]+|[^\s0-9.]+|\.")
_CLOCK_FORM = re.compile(r"[0-9]*\.?[0-9]+(?::[0-9]*\.?[0-9]+)+")


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> float:
    """Return the seconds of a duration; raise ValueError where it is none.

    A duration of zero is none either, as in GitLab.
    """
    lowered = text.lower()
    closed = "".join(lowered.split())
    is_clock = _CLOCK_FORM.fullmatch(closed) is not None
    seconds = _clock(closed) if is_clock else _words(lowered)
    if not 0 < seconds < math.inf:
        raise ValueError(f"no duration: {text!r}")
    return int(seconds) if seconds == int(seconds) else seconds


def _clock(text: str) -> float:
    parts = text.split(":")
    if len(parts) > len(_CLOCK):
        raise ValueError(f"too many parts: {text!r}")
    return sum(
        float(part) * unit for part, unit in zip(reversed(parts), _CLOCK, strict=False)
    )


def _words(text: str) -> float:
    seconds = 0.0
    number: float | None = None
    seen = False
    for token in _TOKEN.findall(text):
        word = _NUMBER_WORDS.get(token, token)
        if _NUMBER.fullmatch(word):
            if number is not None:
                raise ValueError(f"two numbers without a unit between them: {text!r}")
            number, seen = float(word), True
            continue
        word = word.strip(",")
        if word in _UNITS:
            # A unit without a number counts one at the beginning, and nothing later.
            factor = number if number is not None else float(not seen)
            seconds, number, seen = seconds + factor * _UNITS[word], None, True
        elif word and word not in _JOINING:
            raise ValueError(f"unknown word {token!r}")
    return seconds + (number or 0.0)
