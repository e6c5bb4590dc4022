r"""Globs of ``rules:changes``, ``rules:exists`` and ``only:changes``.

They are those of Ruby's ``File.fnmatch`` with the flags ``FNM_PATHNAME``,
``FNM_DOTMATCH`` and ``FNM_EXTGLOB``, matched against a whole path:

========== ===========================================================
``*``      any characters but ``/``, a leading dot too
``**/``    at the start of a segment: any number of directories, also none
``**``     anywhere else: the same as ``*``
``?``      one character but ``/``
``[a-z]``  one of a set, ``[^a]`` or ``[!a]`` one not of it; never ``/``
``{a,b}``  either; alternatives may nest and hold anything
``\x``     the character x
========== ===========================================================

A pattern is expanded to its alternatives and compiled to one RE2 expression, so that
matching takes linear time for every pattern. ``pathspec`` and ``wcmatch`` know other
dialects: in theirs a trailing ``**`` recurses.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.regex import compile_re2, encodable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.parser.regex import Pattern

__all__ = ["MAX_ALTERNATIVES", "Glob", "compile_glob", "expand_braces", "matches"]

#: A pattern that braces expand to more than this is refused.
MAX_ALTERNATIVES = 1000

_MAGIC = re.compile(r"[*?\[{\\]")
_DIRECTORIES = "(?:[^/]*/)*"


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern. ``literal`` is the only path it can match, if it is one.

    A pattern that can match nothing has neither.
    """

    text: str
    literal: str | None
    pattern: Pattern | None

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the whole path."""
        if self.literal is not None:
            return self.literal == path
        return self.pattern is not None and self.pattern.matches_all(path)


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern matches a path; ValueError as :func:`compile_glob`."""
    return compile_glob(pattern).matches(path)


@lru_cache(maxsize=16384)
def compile_glob(pattern: str) -> Glob:
    """Compile a pattern; raise ValueError if it has too many alternatives."""
    if _MAGIC.search(pattern) is None:
        return Glob(pattern, pattern, None)
    translated = [
        regex
        for alternative in expand_braces(pattern)
        if (regex := _translate(alternative)) is not None
    ]
    if not translated:
        return Glob(pattern, None, None)
    source = "|".join(dict.fromkeys(translated))
    return Glob(pattern, None, compile_re2(f"(?s:{source})"))


def expand_braces(pattern: str) -> tuple[str, ...]:
    """Return the alternatives of a pattern with ``{a,b}``; itself if it has none.

    As in Ruby, a pattern whose first brace is never closed has no alternative at
    all, and so matches nothing. Raises ValueError above ``MAX_ALTERNATIVES``.
    """
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        text = waiting.pop()
        first, last = _braces(text)
        if first is None:
            done.append(text)
        elif last is not None:
            head, tail = text[:first], text[last + 1 :]
            parts = list(_alternatives(text[first + 1 : last]))
            waiting.extend(head + part + tail for part in reversed(parts))
        if len(done) + len(waiting) > MAX_ALTERNATIVES:
            raise ValueError(f"more than {MAX_ALTERNATIVES} alternatives in {pattern}")
    return tuple(done)


def _braces(text: str) -> tuple[int | None, int | None]:
    """Return the places of the first brace and of the one that closes it."""
    first, depth, index = None, 0, 0
    while index < len(text):
        character = text[index]
        if character == "\\":
            index += 1
        elif character == "{":
            if depth == 0:
                first = index
            depth += 1
        elif character == "}" and first is not None:
            depth -= 1
            if depth == 0:
                return first, index
        index += 1
    return first, None


def _alternatives(inner: str) -> Iterator[str]:
    """Yield what stands between the commas that are in no inner braces."""
    start, depth, index = 0, 0, 0
    while index < len(inner):
        character = inner[index]
        if character == "\\":
            index += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character == "," and depth == 0:
            yield inner[start:index]
            start = index + 1
        index += 1
    yield inner[start:]


def _translate(pattern: str) -> str | None:
    """Return the RE2 source of a pattern without braces, None if it never matches."""
    parts: list[str] = []
    index = 0
    starts_segment = True
    while index < len(pattern):
        if starts_segment and pattern.startswith("**/", index):
            while pattern.startswith("**/", index):
                index += 3
            parts.append(_DIRECTORIES)
            continue
        character = pattern[index]
        starts_segment = False
        if character == "*":
            while index < len(pattern) and pattern[index] == "*":
                index += 1
            parts.append("[^/]*")
            continue
        if character == "[":
            found = _bracket(pattern, index + 1)
            if found is None:
                return None
            source, index = found
            parts.append(source)
            continue
        if character == "?":
            parts.append("[^/]")
        else:
            if character == "\\":
                index += 1
                # A backslash at the end escapes nothing, and is nothing.
                character = pattern[index : index + 1]
            starts_segment = character == "/"
            parts.append(_quote(character) if character else "")
        index += 1
    return "".join(parts)


def _bracket(pattern: str, index: int) -> tuple[str, int] | None:
    """Read a set from behind its ``[``: its source, and where the pattern goes on.

    None is a set that matches nothing: one that is not closed, or an empty one.
    """
    negated = pattern[index : index + 1] in ("!", "^") and index < len(pattern)
    index += negated
    ranges: list[tuple[str, str]] = []
    while True:
        if index >= len(pattern):
            return None
        if pattern[index] == "]":
            break
        found = _member(pattern, index)
        if found is None:
            return None
        first, index = found
        last = first
        if pattern[index : index + 1] == "-" and pattern[index + 1 : index + 2] != "]":
            found = _member(pattern, index + 1)
            if found is None:
                return None
            last, index = found
            # Ruby compares both ends for themselves: [z-a] matches a and z.
            ranges += [(first, first), (last, last)]
        ranges.append((first, last))
    source = _character_class(ranges, negated=negated)
    return None if source is None else (source, index + 1)


def _member(pattern: str, index: int) -> tuple[str, int] | None:
    if pattern[index : index + 1] == "\\":
        index += 1
    if index >= len(pattern):
        return None
    return pattern[index], index + 1


def _character_class(ranges: list[tuple[str, str]], *, negated: bool) -> str | None:
    """Return the source of a set that never matches a slash, None if it is empty."""
    kept = [(first, last) for first, last in ranges if first <= last]
    if negated:
        members = "".join(f"{_quote(first)}-{_quote(last)}" for first, last in kept)
        return f"[^/{members}]"
    split: list[tuple[str, str]] = []
    for first, last in kept:
        if first <= "/" <= last:
            split += [(first, "."), ("0", last)]
        else:
            split.append((first, last))
    members = "".join(
        f"{_quote(first)}-{_quote(last)}" for first, last in split if first <= last
    )
    return f"[{members}]" if members else None


def _quote(character: str) -> str:
    character = encodable(character)
    if character.isalnum() and character.isascii():
        return character
    return f"\\x{{{ord(character):x}}}"
