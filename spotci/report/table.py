"""Tables of text: columns as wide as their longest cell, or as the terminal allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.report.terminal import cell_width, fit_middle, pad, printable

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
    width: int | None = None,
    flexible: int | None = None,
    optional: Sequence[int] = (),
    least: int = 28,
) -> str:
    """Return the table as text; the columns of ``right`` are flush right.

    A column whose cells are all empty is left out. Cells may be coloured. Where the
    table is wider than ``width``, the cells of the column ``flexible`` are cut, but to
    no less than ``least``: columns of ``optional`` are left out before, one by one.
    """
    shown = [
        index for index in range(len(headers)) if any(row[index] for row in rows)
    ] or list(range(len(headers)))
    cells = [[paint("bold", header) for header in headers]]
    cells += [[printable(cell) for cell in row] for row in rows]
    widths = {index: max(cell_width(row[index]) for row in cells) for index in shown}
    if width is not None:
        spare = 0 if flexible is None else max(0, widths.get(flexible, 0) - least)
        _narrow(widths, width, flexible, spare, optional)
    return "\n".join(_line(row, widths, right) for row in cells)


def _narrow(
    widths: dict[int, int],
    width: int,
    flexible: int | None,
    spare: int,
    optional: Sequence[int],
) -> None:
    """Leave columns out and make one narrower until they fit, as far as they can."""

    def excess() -> int:
        return sum(widths.values()) + len(_GAP) * (len(widths) - 1) - width

    for index in optional:
        if excess() > (spare if flexible in widths else 0):
            widths.pop(index, None)
    if flexible is not None and flexible in widths:
        widths[flexible] -= min(spare, max(0, excess()))


def _line(row: Sequence[str], widths: dict[int, int], right: frozenset[int]) -> str:
    parts = []
    for index, width in widths.items():
        cell = fit_middle(row[index], width)
        blanks = " " * (width - cell_width(cell))
        parts.append(blanks + cell if index in right else pad(cell, width))
    return _GAP.join(parts).rstrip()
