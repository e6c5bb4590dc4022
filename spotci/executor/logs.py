"""The output of a job: bytes as they come → whole lines and sections. No I/O.

::

    bytes → whole lines → section markers → neutral → masked → text of whole lines

Every step works on a whole piece in C; memory is bounded by the longest line that is
held, whatever the job prints. Masking comes behind neutralising: a secret with an
escape sequence in the middle is one again when the sequence is gone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from spotci.dataclass import dataclass
from spotci.executor.masking import MaskStream
from spotci.executor.neutral import last_overwrites, neutralise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.executor.masking import Secrets

__all__ = ["Lines", "LogDecoder", "LogItem", "SectionEnd", "SectionStart"]

#: Bytes of a line; what is longer goes on in the next one.
MAX_LINE = 1 << 16
#: Bytes that are worked on at a time.
_PIECE = 1 << 18
#: An escape sequence that is not longer than this is not cut.
_LONGEST_ESCAPE = 64

#: As GitLab finds them; runner and scripts write them before and behind a section.
_MARKER = re.compile(
    rb"(?:\x1b\[0K)?section_(?P<edge>start|end):\d+:(?P<name>[A-Za-z0-9_.\-]{1,255})"
    rb"(?P<options>\[[^\]\r\n]*\])?\r(?:\x1b\[0K)?"
)


@dataclass(frozen=True, slots=True)
class Lines:
    """One or more whole lines, joined by newlines, without the last one."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionStart:
    """The script began a section."""

    name: str
    title: str
    collapsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionEnd:
    """The script ended a section that it began."""

    name: str


LogItem: TypeAlias = Lines | SectionStart | SectionEnd


class LogDecoder:
    """Turns what a process prints into lines and sections; feed it, then close it.

    ``limit`` is the size of the log in bytes, of which ``used`` are taken before: what
    comes after is dropped, behind a line that says so. ``reserved`` names sections that
    a script cannot begin or end.
    """

    def __init__(
        self,
        secrets: Secrets,
        *,
        limit: int,
        used: int = 0,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        self._secrets = secrets
        self._limit = limit
        self._left = limit - used
        self._reserved = reserved
        self._masks = MaskStream(secrets)
        self._partial = b""
        self._pending = b""
        self._open: list[str] = []

    @property
    def used(self) -> int:
        """How many bytes of the log are taken; more than the limit where it ended."""
        return self._limit - self._left

    @property
    def exceeded(self) -> bool:
        """Whether the limit is reached."""
        return self._left < 0

    def feed(self, data: bytes) -> list[LogItem]:
        """Take bytes as they came, and return what they complete."""
        items: list[LogItem] = []
        for start in range(0, len(data), _PIECE):
            piece = data if len(data) <= _PIECE else data[start : start + _PIECE]
            block = self._whole_lines(piece)
            if block:
                items += self._items(block)
        return items

    def close(self) -> list[LogItem]:
        """Return what is left: the output has ended."""
        rest, self._partial = self._partial, b""
        items = [*self._items(rest), *self._end_line()]
        items += [SectionEnd(name=name) for name in reversed(self._open)]
        self._open.clear()
        return items

    def _whole_lines(self, data: bytes) -> bytes:
        """Return the lines that are whole now, and keep the rest."""
        data = self._partial + data if self._partial else data
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > MAX_LINE:
            rest = data[cut:]
            overwritten = rest.rfind(b"\r", 0, -_LONGEST_ESCAPE) + 1
            if overwritten and b"section_" not in rest:
                # A progress bar: only what stands behind its last CR will be seen.
                data = data[:cut] + rest[overwritten:]
            if len(data) - cut > MAX_LINE:
                escape = data.rfind(b"\x1b", len(data) - _LONGEST_ESCAPE)
                cut = escape if escape >= 0 else len(data)
        self._partial = data[cut:]
        return data[:cut]

    def _items(self, block: bytes) -> Iterator[LogItem]:
        if b"section_" not in block:
            yield from self._lines(block)
            return
        position = 0
        for match in _MARKER.finditer(block):
            if match.start() < position:
                continue  # inside the title of the section before
            yield from self._lines(block[position : match.start()])
            yield from self._end_line()
            position = match.end()
            if match["edge"] == b"start":
                end = _title_end(block, position)
                yield from self._start(match, block[position:end])
                position = end
            else:
                yield from self._end(match["name"].decode())
            if block[position : position + 1] == b"\n":
                position += 1
        yield from self._lines(block[position:])

    def _start(self, match: re.Match[bytes], title: bytes) -> Iterator[LogItem]:
        name = match["name"].decode()
        if name in self._reserved or name in self._open or self.exceeded:
            return
        self._open.append(name)
        clean = self._secrets.mask(neutralise(last_overwrites(title)))
        yield SectionStart(
            name=name,
            title=clean.decode("utf-8", "replace")[:MAX_LINE].strip(),
            collapsed=b"collapsed=true" in (match["options"] or b""),
        )

    def _end(self, name: str) -> Iterator[LogItem]:
        if name not in self._open:
            return
        while self._open:
            inner = self._open.pop()
            yield SectionEnd(name=inner)
            if inner == name:
                break

    def _lines(self, block: bytes) -> Iterator[LogItem]:
        if not block or self.exceeded:
            return
        clean = neutralise(last_overwrites(block))
        self._pending += self._masks.feed(clean)
        cut = self._pending.rfind(b"\n") + 1
        if cut:
            whole, self._pending = self._pending[:cut], self._pending[cut:]
            yield from self._shown(whole)
        while len(self._pending) > MAX_LINE:
            cut = _character_border(self._pending, MAX_LINE)
            part, self._pending = self._pending[:cut], self._pending[cut:]
            yield from self._shown(part + b"\n")

    def _end_line(self) -> Iterator[LogItem]:
        """Return the line that is not whole as if it were."""
        rest = self._pending + self._masks.flush()
        self._pending = b""
        if rest and not self.exceeded:
            yield from self._shown(rest if rest.endswith(b"\n") else rest + b"\n")

    def _shown(self, lines: bytes) -> Iterator[LogItem]:
        """Return the lines, ended by a newline, as far as the limit lets them."""
        if self.exceeded:
            return
        if len(lines) > self._left:
            part = lines[: _character_border(lines, self._left)].removesuffix(b"\n")
            if part:
                yield Lines(part.decode("utf-8", "replace"))
            self._left = -1
            yield Lines(
                f"\x1b[33;1mJob's log exceeded limit of {self._limit} bytes.\n"
                "Job execution will continue but no more output will be collected."
                "\x1b[0;m"
            )
            return
        self._left -= len(lines)
        yield Lines(lines[:-1].decode("utf-8", "replace"))


def _title_end(block: bytes, start: int) -> int:
    """Return where the title ends: at the newline, or at the next marker."""
    newline = block.find(b"\n", start)
    end = len(block) if newline < 0 else newline
    marker = _MARKER.search(block, start, end)
    return end if marker is None else marker.start()


def _character_border(data: bytes, position: int) -> int:
    """Return the position, or the few bytes before it where a character begins."""
    for back in range(min(4, position)):
        if data[position - back] & 0xC0 != 0x80:  # noqa: PLR2004 - a UTF-8 continuation
            return position - back
    return position
