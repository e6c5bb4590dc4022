"""Partial matches: what a case lists must be there, other things may be."""

from __future__ import annotations

from typing import Any

__all__ = ["mismatches"]


def mismatches(expected: Any, actual: Any, place: str = "") -> list[str]:
    """Return where ``actual`` lacks what is expected; empty is a match."""
    if expected is None:
        return [] if actual in (None, [], (), {}) else [_told(place, expected, actual)]
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return [_told(place, expected, actual)]
        return [
            problem
            for key, value in expected.items()
            for problem in mismatches(value, actual.get(key), f"{place}.{key}")
        ]
    if isinstance(expected, list):
        if not isinstance(actual, list | tuple) or len(actual) != len(expected):
            return [_told(place, expected, actual)]
        return [
            problem
            for index, (wanted, found) in enumerate(zip(expected, actual, strict=True))
            for problem in mismatches(wanted, found, f"{place}[{index}]")
        ]
    same = type(expected) is type(actual) and expected == actual
    return [] if same else [_told(place, expected, actual)]


def _told(place: str, expected: Any, actual: Any) -> str:
    return f"{place or 'the value'}: expected {expected!r}, found {actual!r}"
