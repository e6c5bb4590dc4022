"""``spotci graph``: the jobs, and what they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotci.cli.loading import load
from spotci.cli.options import pipeline_options
from spotci.pipeline import When

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.cli.options import Chosen
    from spotci.pipeline import Job, JobName, Pipeline

__all__ = ["command", "dot", "mermaid", "reduced_edges", "text"]


@click.command("graph")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot"]),
    default="text",
    show_default=True,
)
@pipeline_options
def command(chosen: Chosen, *, form: str) -> int:
    """Draw the jobs of the pipeline and what they wait for.

    \b
    spotci graph                                 in the terminal
    spotci graph --format mermaid                for a page of Markdown
    spotci graph --format dot | dot -Tsvg        with Graphviz
    """  # noqa: D301 - click reads the \b
    pipeline = load(chosen).pipeline
    draw = {"text": text, "mermaid": mermaid, "dot": dot}[form]
    print(draw(pipeline))
    return 0


def reduced_edges(pipeline: Pipeline) -> list[tuple[JobName, JobName]]:
    """Return the edges that no longer path implies, in the order of the pipeline."""
    import networkx as nx  # noqa: PLC0415 - start-up time

    reduced = nx.transitive_reduction(pipeline.graph())
    order = {name: index for index, name in enumerate(pipeline.jobs)}
    return sorted(reduced.edges, key=lambda edge: (order[edge[0]], order[edge[1]]))


def text(pipeline: Pipeline) -> str:
    """Return the stages with their jobs, each with its needs, for a terminal."""
    lines: list[str] = []
    for stage, jobs in _stages(pipeline):
        lines.append(stage)
        for index, job in enumerate(jobs, 1):
            branch = "└─" if index == len(jobs) else "├─"
            lines.append(f"{branch} {job.name}{_remarks(job)}")
    return "\n".join(lines)


def mermaid(pipeline: Pipeline) -> str:
    """Return a Mermaid flow chart, a subgraph for each stage."""
    ids = _ids(pipeline.jobs)
    lines = ["flowchart LR"]
    for index, (stage, jobs) in enumerate(_stages(pipeline)):
        lines.append(f'  subgraph s{index}["{_mermaid_text(stage)}"]')
        lines += [f'    {ids[job.name]}["{_mermaid_text(job.name)}"]' for job in jobs]
        lines.append("  end")
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in reduced_edges(pipeline)]
    manual = [
        ids[job.name] for job in pipeline.jobs.values() if job.when is When.MANUAL
    ]
    if manual:
        lines.append("  classDef manual stroke-dasharray: 5 5")
        lines.append(f"  class {','.join(manual)} manual")
    return "\n".join(lines)


def dot(pipeline: Pipeline) -> str:
    """Return a graph in Graphviz' language, a cluster for each stage."""
    ids = _ids(pipeline.jobs)
    lines = [
        "digraph pipeline {",
        "  rankdir=LR",
        '  node [shape=box, style="rounded"]',
    ]
    for index, (stage, jobs) in enumerate(_stages(pipeline)):
        lines += [f"  subgraph cluster_{index} {{", f"    label={_dot_text(stage)}"]
        for job in jobs:
            style = ', style="rounded,dashed"' if job.when is When.MANUAL else ""
            lines.append(f"    {ids[job.name]} [label={_dot_text(job.name)}{style}]")
        lines.append("  }")
    lines += [f"  {ids[a]} -> {ids[b]}" for a, b in reduced_edges(pipeline)]
    return "\n".join([*lines, "}"])


def _stages(pipeline: Pipeline) -> list[tuple[str, tuple[Job, ...]]]:
    stages = ((stage, pipeline.stage_jobs(stage)) for stage in pipeline.stages)
    return [(stage, jobs) for stage, jobs in stages if jobs]


def _remarks(job: Job) -> str:
    remarks = []
    if job.needs is not None:
        needs = ", ".join(need.job for need in job.needs)
        remarks.append(f" ← {needs}" if needs else " ← (nothing)")
    if job.when is not When.ON_SUCCESS:
        remarks.append(f" [{job.when}]")
    return "".join(remarks)


def _ids(names: Iterable[JobName]) -> Mapping[JobName, str]:
    return {name: f"j{index}" for index, name in enumerate(names)}


def _mermaid_text(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;")


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
