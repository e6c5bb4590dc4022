"""Globs of artifacts and caches: the patterns of Go's ``doublestar``.

``*`` and ``?`` match hidden files, too, and never a slash; ``**`` between slashes
matches any number of folders, none included; ``[…]`` is a class, negated by ``!`` or
``^``; ``{a,b}`` are alternatives; a backslash escapes. Patterns are matched by RE2:
none is slow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["compile_pattern", "is_literal", "literal_prefix"]

_MAGIC = re.compile(r"[*?\[{\\]")
#: Alternatives that the braces of one pattern may make.
_ALTERNATIVES = 1000


def is_literal(pattern: str) -> bool:
    """Return whether the pattern names just one path."""
    return _MAGIC.search(pattern) is None


def literal_prefix(pattern: str) -> str:
    """Return the folder that everything lies in which the pattern can match.

    The empty text is the top; a literal pattern is its own prefix.
    """
    match = _MAGIC.search(pattern)
    if match is None:
        return pattern
    return pattern[: match.start()].rpartition("/")[0]


@lru_cache(maxsize=512)
def compile_pattern(pattern: str, *, inside: bool = False) -> Callable[[str], bool]:
    """Return a test of whole relative paths.

    With ``inside`` a path also passes that lies in a folder that matches. Raises
    ValueError for a pattern that is not well formed.
    """
    import re2  # noqa: PLC0415 - 15 ms, and only jobs with artifacts need it

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.dot_nl = True
    alternatives = list(islice(_braces(pattern), _ALTERNATIVES + 1))
    if len(alternatives) > _ALTERNATIVES:
        raise ValueError(f"too many alternatives: {pattern!r}")
    expression = "|".join(f"(?:{_path(each)})" for each in alternatives)
    try:
        compiled = re2.compile(
            f"(?:{expression})(?:/.*)?" if inside else expression, options
        )
    except re2.error as error:
        raise ValueError(f"no glob pattern: {pattern!r}") from error

    def matches(path: str) -> bool:
        # Names need not be UTF-8; what is not counts as one character a byte.
        text = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return compiled.fullmatch(text) is not None

    return matches


def _braces(pattern: str) -> Iterator[str]:
    """Yield the pattern with its first braces resolved, and so on inside of them."""
    opening = _find(pattern, 0, "{")
    if opening < 0:
        yield pattern
        return
    parts, closing = _alternatives(pattern, opening)
    for part in parts:
        yield from _braces(pattern[:opening] + part + pattern[closing + 1 :])


def _alternatives(pattern: str, opening: int) -> tuple[list[str], int]:
    parts = []
    depth = 0
    begin = position = opening + 1
    while (position := _find(pattern, position, "{,}")) >= 0:
        match pattern[position]:
            case "{":
                depth += 1
            case "}" if depth:
                depth -= 1
            case "," if not depth:
                parts.append(pattern[begin:position])
                begin = position + 1
            case "}":
                return [*parts, pattern[begin:position]], position
            case _:
                pass
        position += 1
    raise ValueError(f"a brace is not closed: {pattern!r}")


def _find(pattern: str, start: int, wanted: str) -> int:
    """Return where one of these characters stands that is not escaped, or -1."""
    position = start
    while position < len(pattern):
        if pattern[position] == "\\":
            position += 2
            continue
        if pattern[position] in wanted:
            return position
        position += 1
    return -1


def _path(pattern: str) -> str:
    """Return a pattern without braces as a regular expression."""
    parts = pattern.split("/")
    expression = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part != "**":
            expression += _component(part) + ("" if last else "/")
        elif not last:
            expression += "(?:[^/]+/)*"
        elif index:
            # "a/**" is "a" itself, too.
            expression = expression.removesuffix("/") + "(?:/.*)?"
        else:
            expression += ".*"
    return expression


def _component(part: str) -> str:
    expression = ""
    position = 0
    while position < len(part):
        character = part[position]
        position += 1
        match character:
            case "*":
                expression += "[^/]*"
            case "?":
                expression += "[^/]"
            case "\\" if position < len(part):
                expression += re.escape(part[position])
                position += 1
            case "[":
                text, position = _class(part, position)
                expression += text
            case _:
                expression += re.escape(character)
    return expression


def _class(part: str, start: int) -> tuple[str, int]:
    end = _find(part, start + 1, "]")
    if end < 0:
        raise ValueError(f"a bracket is not closed: {part!r}")
    content = part[start:end]
    negated = content[:1] in ("!", "^")
    members = re.sub(r"[\[\]^&~|]", r"\\\g<0>", content[negated:])
    return (f"[^/{members}]" if negated else f"[{members}]"), end + 1
