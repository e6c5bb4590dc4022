"""Readers of the values of settings: from TOML, or from the text of a variable.

Each takes a value and returns it typed, or raises WrongValueError.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "WrongValueError",
    "choice",
    "duration",
    "flag",
    "number",
    "size",
    "text",
    "texts",
    "whole",
]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class WrongValueError(ValueError):
    """A setting cannot have this value; the text says what it must be."""


def text(value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise WrongValueError("must be a text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Read a list of texts; in a variable they are separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise WrongValueError("must be a list of texts")


def flag(value: object) -> bool:
    """Read a boolean."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise WrongValueError("must be true or false")


def whole(low: int, high: int) -> Callable[[object], int]:
    """Read a whole number within bounds."""

    def read(value: object) -> int:
        message = f"must be a whole number from {low} to {high}"
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise WrongValueError(message)
        try:
            found = int(value)
        except ValueError:
            raise WrongValueError(message) from None
        if not low <= found <= high:
            raise WrongValueError(message)
        return found

    return read


def number(value: object) -> float:
    """Read a number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WrongValueError("must be a number above 0")
    try:
        found = float(value)
    except ValueError:
        raise WrongValueError("must be a number above 0") from None
    if not 0 < found < float("inf"):
        raise WrongValueError("must be a number above 0")
    return found


def size(value: object) -> str:
    """Read a number of bytes, as a text such as ``8g``."""
    message = 'must be a size such as "8g"'
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise WrongValueError(message)
    # Needed by few settings, and not when all are defaults.
    from spotci.sizes import parse_bytes  # noqa: PLC0415 - start-up time

    try:
        parse_bytes(str(value))
    except ValueError:
        raise WrongValueError(message) from None
    return str(value)


def duration(value: object) -> timedelta:
    """Read a duration as GitLab writes them (``1h 30m``), or seconds."""
    message = 'must be a duration such as "1h 30m"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WrongValueError(message)
    try:
        seconds = _seconds(value)
        if seconds < 0:
            raise WrongValueError(message)
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise WrongValueError(message) from None


def choice(*allowed: str) -> Callable[[object], str]:
    """Read one of some words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise WrongValueError("must be one of " + ", ".join(allowed))
        return value

    return read


def _seconds(value: float | str) -> float:
    if not isinstance(value, str):
        return value
    if value.isdecimal():
        return float(value)
    # Needed by few settings, and not when all are defaults.
    from spotci.durations import parse_duration  # noqa: PLC0415 - start-up time

    return parse_duration(value)
