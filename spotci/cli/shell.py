"""``spotci shell``: a shell in the container of a job."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from spotci.cli.loading import load, open_here
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.cli.words import complete_jobs
from spotci.errors import UsageError

if TYPE_CHECKING:
    from spotci.cli.options import Chosen
    from spotci.kept_jobs import KeptJob
    from spotci.project import Project

__all__ = ["command"]


@click.command("shell", cls=PipelineCommand)
@click.argument("job", required=False, shell_complete=complete_jobs)
@click.option(
    "-c",
    "--command",
    "line",
    metavar="COMMAND",
    help="Run this command in place of a shell that asks for some.",
)
@click.option(
    "--before-script", is_flag=True, help="Run the job's before_script first."
)
@click.option(
    "--fresh",
    is_flag=True,
    help="As the job is before it runs, though a failed one was kept.",
)
@click.option(
    "--no-needs",
    is_flag=True,
    help="Never run the jobs that it needs: go without artifacts that are missing.",
)
@click.option(
    "--remove",
    is_flag=True,
    help="Remove the kept containers of JOB, or of all jobs of this project.",
)
@click.option(
    "--engine",
    type=click.Choice(["dind", "shell"]),
    help="A Docker engine of our own, or no containers at all.  [default: dind]",
)
@pipeline_options
def command(
    chosen: Chosen,
    /,
    *,
    job: str | None,
    line: str | None,
    before_script: bool,
    fresh: bool,
    no_needs: bool,
    remove: bool,
    engine: str | None,
) -> int:
    """Open a shell in the container of a job.

    It is what the script of the job would find: its image, its services, its variables,
    its files with the artifacts of the last run. Where there are none, the jobs that it
    needs run first. Everything goes when the shell ends.

    Of a job that failed in a run with --keep, the shell is in what it left, which stays
    for the next time. Without JOB, what is kept is listed. Without a terminal the
    commands are read from the input.

    \b
    spotci shell test                     look around before the job runs
    spotci shell test -c 'pytest -x'      one command, whose exit code is ours
    spotci run --keep test                …fails
    spotci shell test                     look into what it left
    spotci shell --remove                 and remove that
    """  # noqa: D301 - click reads the \b
    from spotci.cli import kept, visit  # noqa: PLC0415 - start-up time

    overrides = {} if engine is None else {"engine.kind": engine}
    if job is None:
        if line is not None or before_script or fresh:
            raise UsageError("the name of a job is missing")
        return _without_job(open_here(overrides=overrides), remove=remove)
    loaded = load(chosen, overrides=overrides)
    found = loaded.job(job)
    if remove:
        return _removed(kept.remove(loaded.project, found.name))
    wish = visit.Wish(
        job=found.name, command=line, before_script=before_script, needs=not no_needs
    )
    if not fresh:
        code = kept.enter(loaded.project, wish)
        if code is not None:
            return code
    return visit.begin(loaded, chosen, wish)


def _without_job(project: Project, *, remove: bool) -> int:
    from spotci.cli import kept  # noqa: PLC0415 - start-up time

    if remove:
        return _removed(kept.remove(project, None))
    found = kept.listed(project)
    if not found:
        raise UsageError(
            "the name of a job is missing", hint="spotci list shows the names"
        )
    from spotci.report.table import render_table  # noqa: PLC0415 - as used
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    rows = [_row(each) for each in found]
    print(render_table(("kept job", "run", "image", "end"), rows, paint=paint))
    return 0


def _row(job: KeptJob) -> tuple[str, ...]:
    return job.job, job.run, job.image, job.end


def _removed(names: tuple[str, ...]) -> int:
    for name in names:
        print(f"removed the container of {name}")
    if not names:
        print("nothing is kept", file=sys.stderr)
    return 0
