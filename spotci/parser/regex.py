"""Regular expressions as GitLab reads them: Ruby's ``/…/flags`` around RE2.

RE2 has no look-around and no back references, and needs linear time whatever the
pattern; Python's ``re`` has both and can hang. ``^`` and ``$`` are the ends of the
text unless the flag ``m`` is set, and ``.`` stops at a newline unless ``s`` is.

GitLab's source: ``Gitlab::UntrustedRegexp`` and its ``RubySyntax``.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache
from typing import Any

from spotci.dataclass import dataclass

__all__ = ["Pattern", "compile_re2", "pattern_of", "valid_re2"]

# Line anchors as in Ruby: a text of several lines is a literal if one line is.
_LITERAL = re.compile(r"^/(?P<source>.*)/(?P<flags>[ismU]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression; two are equal if their sources are.

    ``source`` is the text that RE2 was given, flags in front as ``(?i)``.
    """

    source: str
    _program: Any = field(compare=False, repr=False)

    def matches(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in a text."""
        return self._program.search(encodable(text)) is not None

    def matches_all(self, text: str) -> bool:
        """Whether the pattern covers the whole text."""
        return self._program.fullmatch(encodable(text)) is not None


@lru_cache(maxsize=4096)
def compile_re2(source: str) -> Pattern:
    """Compile a pattern without slashes, or raise ValueError with RE2's reason."""
    import re2  # noqa: PLC0415 - not every pipeline has patterns

    options = re2.Options()
    options.log_errors = False
    try:
        program = re2.compile(encodable(source), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid regular expression"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ValueError(str(text)) from error
    return Pattern(source, program)


def pattern_of(literal: str) -> Pattern:
    r"""Compile ``/…/flags``, or raise ValueError.

    Flags are ``i``, ``s``, ``m`` and ``U`` with RE2's meanings. ``\\/`` stands for a
    slash.
    """
    match = _LITERAL.search(literal.replace("\\/", "/"))
    if match is None:
        raise ValueError("a regular expression is written between slashes: /…/")
    flags = f"(?{match['flags']})" if match["flags"] else ""
    return compile_re2(flags + match["source"])


def valid_re2(pattern: str) -> bool:
    """Whether RE2 accepts a pattern without slashes."""
    try:
        compile_re2(pattern)
    except ValueError:
        return False
    return True


def encodable(text: str) -> str:
    """Return the text as RE2 can take it: a lone surrogate becomes ``U+FFFD``.

    Surrogates stand for bytes of file names that are not UTF-8.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
