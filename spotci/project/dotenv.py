r"""Files of ``KEY=VALUE`` lines.

======================== ====================================================
``# text``, empty line   nothing
``KEY=value # text``     the text up to a blank and ``#``, trimmed
``export KEY=value``     the same
``KEY="a\nb"``           escapes ``\n \r \t \" \\``; may span lines
``KEY='a $b'``           as it is, references too; may span lines
======================== ====================================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Pair", "parse_pairs", "read_pairs"]

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_QUOTED = re.compile(
    r"""[ \t]*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)')"""
    r"[ \t]*(?:#[^\n]*)?(?:\n|$)",
    re.DOTALL,
)
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_LINE = re.compile(r"[^\n]*(?:\n|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A name with its value and line; ``raw`` was in single quotes.

    ``name`` is None for a line that is no pair; ``value`` is then the line.
    """

    name: str | None
    value: str
    line: int
    raw: bool = False


def read_pairs(path: Path) -> list[Pair]:
    """Read a file; one that does not exist has no pairs. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    return parse_pairs(text)


def parse_pairs(text: str) -> list[Pair]:
    """Return the pairs of a text in their order, lines that are none included."""
    text = text.replace("\r\n", "\n")
    pairs = []
    position, line = 0, 1
    while position < len(text):
        pair, end = _pair(text, position, line)
        if pair is not None:
            pairs.append(pair)
        line += text.count("\n", position, end)
        position = end
    return pairs


def _pair(text: str, position: int, line: int) -> tuple[Pair | None, int]:
    name = _NAME.match(text, position)
    rest = _LINE.match(text, position if name is None else name.end())
    if rest is None:  # the pattern matches anywhere; this is for the type alone
        return None, len(text)
    if name is None:
        content = rest[0].strip()
        no_pair = Pair(name=None, value=content, line=line)
        return (no_pair if content and content[0] != "#" else None), rest.end()
    quoted = _QUOTED.match(text, name.end())
    if quoted is None:
        value = _COMMENT.sub("", rest[0].rstrip("\n")).strip()
        return Pair(name=name["name"], value=value, line=line), rest.end()
    if quoted["single"] is not None:
        value, raw = quoted["single"], True
    else:
        value, raw = _ESCAPE.sub(_unescape, quoted["double"]), False
    return Pair(name=name["name"], value=value, line=line, raw=raw), quoted.end()


def _unescape(match: re.Match[str]) -> str:
    # An unknown escape stays as it is: Windows paths are written this way.
    character = match[1]
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character in '"\\$' else match[0]
