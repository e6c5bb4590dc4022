"""Tables of text: columns as wide as their longest cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.report.terminal import cell_width, pad, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.report.terminal import Paint

__all__ = ["render_table"]

_GAP = "  "


def render_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    paint: Paint,
    right: frozenset[int] = frozenset(),
) -> str:
    """Return the table as text; the columns of ``right`` are flush right.

    A column whose cells are all empty is left out. Cells may be coloured.
    """
    shown = [
        index for index in range(len(headers)) if any(row[index] for row in rows)
    ] or list(range(len(headers)))
    lines = [[paint("bold", headers[index]) for index in shown]]
    lines += [[printable(row[index]) for index in shown] for row in rows]
    widths = [max(map(cell_width, column)) for column in zip(*lines, strict=True)]
    flush = [index in right for index in shown]
    return "\n".join(_line(line, widths, flush) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [
        " " * (width - cell_width(cell)) + cell if flush else pad(cell, width)
        for cell, width, flush in zip(cells, widths, right, strict=True)
    ]
    return _GAP.join(parts).rstrip()
