"""``spotci graph``: the jobs, and what they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotci.cli.loading import load
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.events import PlannedJob

if TYPE_CHECKING:
    from spotci.cli.options import Chosen
    from spotci.pipeline import Pipeline
    from spotci.report.diagram import Diagram

__all__ = ["command"]

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>pipeline</title>
<body>
{svg}
</body>
</html>"""


@click.command("graph", cls=PipelineCommand)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "svg", "html"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@pipeline_options
def command(chosen: Chosen, *, form: str) -> int:
    """Draw the jobs of the pipeline and what they wait for.

    \b
    spotci graph                                 in the terminal
    spotci graph --format mermaid                for a page of Markdown
    spotci graph --format svg > pipeline.svg     for a browser
    spotci graph --format dot | dot -Tpng        with Graphviz
    """  # noqa: D301 - click reads the \b
    print(_draw(_diagram(load(chosen).pipeline), form))
    return 0


def _diagram(pipeline: Pipeline) -> Diagram:
    from spotci.report.diagram import diagram_of  # noqa: PLC0415 - as used

    jobs = [
        PlannedJob(
            name=job.name,
            stage=job.stage,
            when=str(job.when),
            needs=pipeline.waits_for(job),
        )
        for job in pipeline.jobs.values()
    ]
    return diagram_of(pipeline.stages, jobs)


def _draw(diagram: Diagram, form: str) -> str:
    from spotci.report import drawings  # noqa: PLC0415 - as used
    from spotci.report.svg import draw_svg  # noqa: PLC0415 - as used

    match form:
        case "mermaid":
            return drawings.draw_mermaid(diagram)
        case "dot":
            return drawings.draw_dot(diagram)
        case "svg":
            return draw_svg(diagram)
        case "html":
            return _PAGE.format(svg=draw_svg(diagram))
        case _:
            return drawings.draw_text(diagram)
