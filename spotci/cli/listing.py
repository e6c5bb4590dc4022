"""``spotci list``: the jobs that the pipeline has in a context."""

from __future__ import annotations

import csv
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from spotci.cli.descriptions import description
from spotci.cli.json_form import errors_as_json, print_document
from spotci.cli.loading import load, print_warnings
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.cli.shapes import job_shape, warning_shape

if TYPE_CHECKING:
    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen
    from spotci.pipeline import Job

__all__ = ["command", "document"]

#: Columns of a cell of the table; csv and json have the whole of it.
_WIDEST = 60
_COLUMNS = ("name", "stage", "when", "allow_failure", "needs", "image")
#: A narrow terminal goes without the image, allow_failure, the description, and in
#: the end the needs.
_NEEDS, _OPTIONAL, _LEAST = 4, (5, 3, 6, 4), 14


@click.command("list", cls=PipelineCommand)
@click.option("--all", "show_all", is_flag=True, help="Show what is left out, and why.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="The form of the output.",
)
@pipeline_options
def command(chosen: Chosen, *, show_all: bool, form: str) -> int:
    """List the jobs that the pipeline has in this context.

    \b
    spotci list                              for the branch you are on
    spotci list --all                        with the jobs that rules exclude
    spotci list --event merge_request        for its merge request
    spotci list --tag v1.2.0 --format json   for programs
    """  # noqa: D301 - click reads the \b
    if form == "json":
        return errors_as_json(lambda: print_document(document(load(chosen))))
    loaded = load(chosen)
    print_warnings(loaded.compilation.warnings)
    if form == "csv":
        _csv(loaded)
    else:
        _table(loaded, show_all=show_all)
    return 0


def document(loaded: Loaded) -> dict[str, Any]:
    """Return what ``--format json`` prints, a contract with other tools."""
    compilation, pipeline = loaded.compilation, loaded.pipeline
    return {
        "created": compilation.pipeline is not None,
        "reason": compilation.reason,
        "name": pipeline.name,
        "source": str(pipeline.source),
        "ref": pipeline.ref,
        "stages": list(pipeline.stages),
        "jobs": [job_shape(job) for job in pipeline.jobs.values()],
        "excluded": [
            {"name": item.name, "reason": item.reason} for item in compilation.excluded
        ],
        "warnings": [warning_shape(item) for item in compilation.warnings],
    }


def _table(loaded: Loaded, *, show_all: bool) -> None:
    from spotci.report.table import render_table  # noqa: PLC0415 - for this form alone
    from spotci.report.terminal import (  # noqa: PLC0415 - as used
        Paint,
        fit,
        terminal_width,
        use_colour,
    )

    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    compilation, pipeline = loaded.compilation, loaded.pipeline
    if compilation.pipeline is None:
        print(f"no pipeline is created: {compilation.reason}")
    else:
        rows = [
            tuple(fit(cell, _WIDEST) for cell in (*_row(job), description(job) or ""))
            for job in pipeline.jobs.values()
        ]
        table = render_table(
            (*_COLUMNS, "description"),
            rows,
            paint=paint,
            width=terminal_width(sys.stdout),
            flexible=_NEEDS,
            optional=_OPTIONAL,
            least=_LEAST,
        )
        print(table)
    if show_all and compilation.excluded:
        rows = [(item.name, item.reason) for item in compilation.excluded]
        print("\n" + render_table(("excluded", "reason"), rows, paint=paint))
    elif compilation.excluded:
        count = len(compilation.excluded)
        noun = "job is" if count == 1 else "jobs are"
        print(paint("dim", f"\n{count} {noun} left out: spotci list --all tells why"))


def _csv(loaded: Loaded) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_row(job) for job in loaded.pipeline.jobs.values())


def _row(job: Job) -> tuple[str, ...]:
    failing = job.allow_failure
    codes = ", ".join(map(str, failing.exit_codes))
    return (
        job.name,
        job.stage,
        str(job.when),
        f"exit {codes}" if codes else ("yes" if failing.allowed else ""),
        ", ".join(need.job for need in job.needs or ()) if job.needs != () else "[]",
        job.image.name if job.image else "",
    )
