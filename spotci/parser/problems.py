"""Collects what is wrong with a configuration, to report all of it at once."""

from __future__ import annotations

from dataclasses import field
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import ConfigWarning, KeywordError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.errors import ConfigError
    from spotci.source import Span

__all__ = ["Problems", "did_you_mean"]

#: Words that are compared for a hint, and their length: a comparison is not for free.
_MAX_KNOWN = 2000
_MAX_WORD = 255


@dataclass(slots=True, kw_only=True)
class Problems:
    """The errors and warnings of one compilation, in the order in which they came."""

    errors: list[ConfigError] = field(default_factory=list)
    warnings: list[ConfigWarning] = field(default_factory=list)

    def error(
        self,
        message: str,
        span: Span | None,
        *,
        hint: str | None = None,
        kind: type[ConfigError] = KeywordError,
    ) -> None:
        """Record an error; the caller goes on with the next value."""
        self.errors.append(kind(message, span=span, hint=hint))

    def warn(self, message: str, span: Span | None, *, hint: str | None = None) -> None:
        """Record a warning, once for a message and place."""
        warning = ConfigWarning(message=message, span=span, hint=hint)
        if warning not in self.warnings:
            self.warnings.append(warning)

    def raise_errors(self) -> None:
        """Raise ``ExceptionGroup[ConfigError]`` with all errors, if there are any."""
        if self.errors:
            raise ExceptionGroup("the configuration is not valid", self.errors)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the closest known word, or None if none is close."""
    words = [each for each in islice(known, _MAX_KNOWN) if len(each) <= _MAX_WORD]
    if len(word) > _MAX_WORD:
        return None
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
