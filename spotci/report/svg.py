"""A diagram as SVG: columns of stages, boxes of jobs, arrows from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from spotci.dataclass import dataclass
from spotci.report.terminal import cell_width, fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.pipeline import JobName
    from spotci.report.diagram import Column, Diagram

__all__ = ["draw_svg"]

_WIDEST = 36
_PER_CHARACTER = 7.3
_HEIGHT = 30
_GAP_Y = 10
_GAP_X = 60
#: From a job to the next stage, with the margins of both stages; no job is between.
_NEAR = _GAP_X + 2 * _GAP_Y
_MARGIN = 16
_HEAD = 30
#: Fill and border by the status of the job; an unknown one has the first.
_COLOURS = {
    "created": ("#f4f4f6", "#8a8f98"),
    "success": ("#e3f5e6", "#2f9e44"),
    "failed": ("#fde4e4", "#e03131"),
    "warning": ("#fff3d6", "#e8a100"),
    "canceled": ("#eceef0", "#495057"),
    "skipped": ("#f8f9fa", "#ced4da"),
    "manual": ("#e7f0fd", "#4c6ef5"),
}
#: A page that holds the drawing may set its colours by the same variables as its own.
_STYLE = """\
  <style>
    svg.pipeline text {
      font: 12px ui-monospace, Menlo, Consolas, monospace; fill: var(--text, #1d2129) }
    svg.pipeline text.stage { font-weight: bold; fill: var(--dim, #5c636e) }
    svg.pipeline .group {
      fill: none; stroke: var(--line, #c9ced6); stroke-dasharray: 4 3 }
    svg.pipeline .arrow { fill: none; stroke: #9aa1ab; marker-end: url(#head) }
"""
_DEFS = """\
  <defs>
    <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"
            markerHeight="7" orient="auto">
      <path d="M0,0 L8,4 L0,8 z" fill="#9aa1ab"/>
    </marker>
  </defs>"""


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width, self.y + self.height / 2


def draw_svg(
    diagram: Diagram,
    statuses: Mapping[JobName, str] | None = None,
    links: Mapping[JobName, str] | None = None,
) -> str:
    """Return the drawing; ``statuses`` colours the jobs of a run that has ended.

    A status is one of GitLab's, or ``warning`` for a failure that is allowed. A job of
    ``links`` leads to an address.
    """
    jobs, columns = _place(diagram)
    width = max((box.x + box.width for box in columns), default=0) + _MARGIN
    height = max((box.y + box.height for box in columns), default=0) + _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}"'
    view = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pipeline" {size} {view}>',
        _STYLE + "".join(map(_status_style, _COLOURS)) + "  </style>",
        _DEFS,
        *_stages(diagram, columns),
        *_arrows(diagram, jobs, columns),
        *_jobs(diagram, jobs, statuses or {}, links or {}),
        "</svg>",
    ]
    return "\n".join(lines)


def _status_style(status: str) -> str:
    fill, border = _COLOURS[status]
    return (
        f"    svg.pipeline .{status} {{ fill: var(--{status}-back, {fill}); "
        f"stroke: var(--{status}, {border}) }}\n"
    )


def _place(diagram: Diagram) -> tuple[dict[JobName, _Box], list[_Box]]:
    """Return where each job is, and each stage around its jobs."""
    jobs: dict[JobName, _Box] = {}
    columns: list[_Box] = []
    x = float(_MARGIN)
    for column in diagram.columns:
        left = x
        lowest = 0.0
        for level in _levels(diagram, column):
            width = _width(level)
            y = float(_MARGIN + _HEAD)
            for name in level:
                jobs[name] = _Box(x + _GAP_Y, y, width, _HEIGHT)
                y += _HEIGHT + _GAP_Y
            lowest = max(lowest, y)
            x += width + _GAP_X
        # The last gap lies outside; inside, there is a margin at both ends.
        wide = max(x - left - _GAP_X, _width([column.stage])) + 2 * _GAP_Y
        columns.append(_Box(left, _MARGIN, wide, lowest - _MARGIN))
        x = left + wide + _GAP_X
    return jobs, columns


def _levels(diagram: Diagram, column: Column) -> list[list[JobName]]:
    """Return the jobs of a stage from left to right, each behind what it needs."""
    inside = {job.name for job in column.jobs}
    needs: dict[JobName, list[JobName]] = {}
    for need, job in diagram.needs:
        if need in inside and job in inside:
            needs.setdefault(job, []).append(need)
    levels: list[list[JobName]] = []
    placed: set[JobName] = set()
    left = [job.name for job in column.jobs]
    while left:
        level = [name for name in left if placed.issuperset(needs.get(name, ()))]
        levels.append(level or left)
        placed.update(levels[-1])
        left = [name for name in left if name not in placed]
    return levels


def _width(names: Iterable[str]) -> float:
    characters = min(_WIDEST, max(map(cell_width, names)))
    return characters * _PER_CHARACTER + 2 * _GAP_Y


def _stages(diagram: Diagram, columns: list[_Box]) -> Iterator[str]:
    for column, box in zip(diagram.columns, columns, strict=True):
        yield (
            f'  <rect class="group" x="{box.x:.1f}" y="{box.y:.1f}" '
            f'width="{box.width:.1f}" height="{box.height:.1f}" rx="6"/>'
        )
        label = escape(fit(column.stage, _WIDEST))
        x, y = box.x + _GAP_Y, box.y + 20
        yield f'  <text class="stage" x="{x:.1f}" y="{y:.1f}">{label}</text>'


def _jobs(
    diagram: Diagram,
    boxes: Mapping[JobName, _Box],
    statuses: Mapping[JobName, str],
    links: Mapping[JobName, str],
) -> Iterator[str]:
    for job in (job for column in diagram.columns for job in column.jobs):
        box = boxes[job.name]
        status = statuses.get(job.name, "")
        shown = status if status in _COLOURS else "created"
        dashes = ' stroke-dasharray="5 4"' if job.when == "manual" else ""
        name = quoteattr(job.name)
        yield f"  <g data-job={name}><title>{escape(job.name)}</title>"
        link = links.get(job.name)
        if link:
            yield f"    <a href={quoteattr(link)}>"
        yield (
            f'    <rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
            f'height="{box.height}" rx="5" class="{shown}"{dashes}/>'
        )
        label = escape(fit(job.name, _WIDEST))
        x, y = box.x + _GAP_Y, box.y + 19
        yield f'    <text x="{x:.1f}" y="{y:.1f}">{label}</text>'
        yield "    </a></g>" if link else "  </g>"


def _arrows(
    diagram: Diagram, jobs: Mapping[JobName, _Box], columns: list[_Box]
) -> Iterator[str]:
    for need, job in diagram.needs:
        ends = f" data-from={quoteattr(need)} data-to={quoteattr(job)}"
        yield _arrow(jobs[need].right, jobs[job].left, ends)
    for index, job in diagram.joins:
        yield _arrow(columns[index].right, jobs[job].left)
    for left, right in diagram.steps:
        yield _arrow(columns[left].right, columns[right].left)


def _arrow(start: tuple[float, float], end: tuple[float, float], ends: str = "") -> str:
    return f'  <path class="arrow"{ends} d="{_path(start, end)}"/>'


def _path(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return a curve; a long one runs between two rows, where no job can hide it."""
    (x1, y1), (x2, y2) = start, end
    if x2 - x1 <= _NEAR:
        bend = max(_GAP_X / 2, (x2 - x1) / 2)
        points = f"{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
        return f"M{x1:.1f},{y1:.1f} C{points}"
    half = (_HEIGHT + _GAP_Y) / 2
    between = y2 + half if y1 > y2 else y2 - half
    middle = _GAP_X / 3
    return (
        f"M{x1:.1f},{y1:.1f} C{x1 + middle:.1f},{y1:.1f} "
        f"{x1 + middle / 2:.1f},{between:.1f} {x1 + 2 * middle:.1f},{between:.1f} "
        f"L{x2 - 2 * middle:.1f},{between:.1f} C{x2 - middle / 2:.1f},{between:.1f} "
        f"{x2 - middle:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    )
