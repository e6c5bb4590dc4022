"""Sizes as Docker writes them: ``512m``, ``8g``, ``1.5 GiB`` → bytes."""

from __future__ import annotations

import re

__all__ = ["parse_bytes"]

_SIZE = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE
)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def parse_bytes(text: str) -> int:
    """Return the bytes of a size; ValueError for what is none."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'a size such as "8g" was expected, not "{text}"')
    return int(float(match["number"]) * _UNITS[match["unit"].lower()])
