"""What to write in place of that which no token of a ``rules:if`` expression is.

GitLab says only that the syntax is invalid. These are what people bring from shells
and other languages.
"""

from __future__ import annotations

import re

__all__ = ["unexpected"]

#: What stands at the place, and what to say; ``\\N`` are groups of the pattern.
_ADVICE = tuple(
    (re.compile(pattern), advice)
    for pattern, advice in (
        (r"\$\{(\w+)\}", r"braces are not allowed here, write $\1"),
        (r"=", r"write == to compare, or =~ for a pattern"),
        (r"&", r"write && for and"),
        (r"\|", r"write || for or"),
        (r"(\d[\w.]*)", r'a number is not allowed here, write "\1"'),
        (r"[\"']", r"the quote has no end in its line"),
        (r"//", r"a pattern has at least two characters between its slashes"),
        (
            r"/([^/\\])/",
            r"a pattern needs two characters or more, write /[\1]/",
        ),
        (r"/", r"the pattern has no end, or its last character is a backslash"),
        (r"(?<=/)[a-zA-Z]", r"the flags of a pattern are i, m, s and U"),
        (r"(\w+)", r'write $\1 for a variable, or "\1" for a text'),
    )
)


def unexpected(text: str, start: int) -> str:
    """Return what is wrong at an offset where no token begins, and what would help."""
    complaint = f"unexpected {text[start]!r}"
    for pattern, advice in _ADVICE:
        if match := pattern.match(text, start):
            return f"{complaint}: {match.expand(advice)}"
    return complaint
