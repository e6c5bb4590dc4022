"""A diagram as text for the terminal, for Mermaid and for Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.events import PlannedJob
    from spotci.pipeline import JobName
    from spotci.report.diagram import Diagram

__all__ = ["draw_dot", "draw_mermaid", "draw_text"]


def draw_text(diagram: Diagram) -> str:
    """Return the stages with their jobs, each with what it waits for."""
    needs: dict[JobName, list[JobName]] = {}
    for need, name in diagram.needs:
        needs.setdefault(name, []).append(need)
    joins = {name: diagram.columns[index].stage for index, name in diagram.joins}
    steps = {index for _, index in diagram.steps}
    lines: list[str] = []
    for index, column in enumerate(diagram.columns):
        lines.append(column.stage)
        for number, job in enumerate(column.jobs, 1):
            branch = "└─" if number == len(column.jobs) else "├─"
            waits = ", ".join(needs.get(job.name, ()))
            if job.name in joins:
                waits = f"stage {joins[job.name]}"
            elif not waits and index and index not in steps:
                waits = "nothing"
            arrow = f" ← {waits}" if waits else ""
            when = "" if job.when == "on_success" else f" [{job.when}]"
            lines.append(f"{branch} {job.name}{arrow}{when}")
    return "\n".join(lines)


def draw_mermaid(diagram: Diagram) -> str:
    """Return a Mermaid flow chart, a subgraph for each stage."""
    ids = _ids(diagram)
    lines = ["flowchart LR"]
    for index, column in enumerate(diagram.columns):
        lines.append(f'  subgraph s{index}["{_mermaid(column.stage)}"]')
        lines += [f'    {ids[job.name]}["{_mermaid(job.name)}"]' for job in column.jobs]
        lines.append("  end")
    lines += [f"  {ids[need]} --> {ids[job]}" for need, job in diagram.needs]
    lines += [f"  s{index} --> {ids[job]}" for index, job in diagram.joins]
    lines += [f"  s{left} --> s{right}" for left, right in diagram.steps]
    if manual := [ids[job.name] for job in _jobs(diagram) if job.when == "manual"]:
        lines.append("  classDef manual stroke-dasharray: 5 5")
        lines.append(f"  class {','.join(manual)} manual")
    return "\n".join(lines)


def draw_dot(diagram: Diagram) -> str:
    """Return a graph in Graphviz' language, a cluster for each stage."""
    ids = _ids(diagram)
    first = [ids[column.jobs[0].name] for column in diagram.columns]
    lines = [
        "digraph pipeline {",
        "  rankdir=LR",
        "  compound=true",
        '  node [shape=box, style="rounded"]',
    ]
    for index, column in enumerate(diagram.columns):
        lines += [f"  subgraph cluster_{index} {{", f"    label={_dot(column.stage)}"]
        for job in column.jobs:
            style = ', style="rounded,dashed"' if job.when == "manual" else ""
            lines.append(f"    {ids[job.name]} [label={_dot(job.name)}{style}]")
        lines.append("  }")
    lines += [f"  {ids[need]} -> {ids[job]}" for need, job in diagram.needs]
    lines += [
        f"  {first[index]} -> {ids[job]} [ltail=cluster_{index}]"
        for index, job in diagram.joins
    ]
    lines += [
        f"  {first[left]} -> {first[right]} "
        f"[ltail=cluster_{left}, lhead=cluster_{right}]"
        for left, right in diagram.steps
    ]
    return "\n".join([*lines, "}"])


def _jobs(diagram: Diagram) -> list[PlannedJob]:
    return [job for column in diagram.columns for job in column.jobs]


def _ids(diagram: Diagram) -> Mapping[JobName, str]:
    return {job.name: f"j{index}" for index, job in enumerate(_jobs(diagram))}


def _mermaid(text: str) -> str:
    """Escape a label: Mermaid has entities of its own, and reads HTML otherwise."""
    for character, name in (("#", "35"), ('"', "quot"), ("<", "lt"), (">", "gt")):
        text = text.replace(character, f"#{name};")
    return text


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
