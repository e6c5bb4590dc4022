"""A recorded log as HTML: the end of the file, in its sections, with its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from spotci.dataclass import dataclass
from spotci.report.ansi_html import to_html
from spotci.report.terminal import printable, without_colours
from spotci.report.words import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from spotci.report.log_sections import Section

__all__ = ["HtmlLog", "Part", "read_log"]

#: Sections that tell how a job did, and are shown open.
_OPEN = frozenset({"step_script", "after_script"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lines of a log, or a section with parts of its own, which has a title.

    ``line`` is the number of its first line, from 1.
    """

    line: int
    html: Markup | None = None
    title: str = ""
    duration: str = ""
    is_open: bool = True
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlLog:
    """What the page shows of a log; ``shortened`` where its beginning is left out."""

    parts: tuple[Part, ...] = ()
    shortened: bool = False


def read_log(path: Path, sections: Sequence[Section], *, limit: int) -> HtmlLog:
    """Return the last ``limit`` bytes of a log; none where there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            base = file.seek(max(0, size - limit))
            data = file.read(limit)
    except FileNotFoundError:
        return HtmlLog()
    if base:
        left_out = data.find(b"\n") + 1
        base, data = base + left_out, data[left_out:]
    reader = _Reader(data, base)
    parts = tuple(reader.parts(base, base + len(data), sections))
    return HtmlLog(parts=parts, shortened=base > 0)


class _Reader:
    """Cuts the bytes of a log, which begin at ``base``, into parts; counts lines."""

    def __init__(self, data: bytes, base: int) -> None:
        self._data, self._base = data, base
        self._line = 1

    def parts(
        self, start: int, end: int, sections: Sequence[Section]
    ) -> Iterator[Part]:
        """Yield what lies between two places of the file."""
        position = start
        for section in sections:
            until = end if section.end is None else min(section.end, end)
            if until <= start:
                continue
            begin = max(section.start, position)
            yield from self._text(position, begin)
            yield self._section(section, begin, max(begin, until))
            position = max(begin, until)
        yield from self._text(position, end)

    def _section(self, section: Section, start: int, end: int) -> Part:
        line = self._line
        title = without_colours(printable(section.title)) or section.name
        return Part(
            line=line,
            title=title,
            duration=describe_duration(section.seconds),
            is_open=section.name in _OPEN or section.seconds is None,
            parts=tuple(self.parts(start, end, section.inside)),
        )

    def _text(self, start: int, end: int) -> Iterator[Part]:
        piece = self._data[start - self._base : end - self._base]
        if not piece:
            return
        text = piece.decode("utf-8", "replace").removesuffix("\n")
        line = self._line
        self._line += text.count("\n") + 1
        # Escaped by to_html.
        yield Part(line=line, html=Markup(to_html(text)))  # noqa: S704
