"""``spotci report``: a recorded run as a page, or as a JUnit report."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from spotci.cli.loading import open_here, record_folder
from spotci.cli.words import complete_runs
from spotci.runs import RunStore, write_atomically

if TYPE_CHECKING:
    from spotci.report.state import RunState
    from spotci.runs import Run

__all__ = ["command", "state_of"]

_STDOUT = Path("-")


@click.command("report")
@click.option(
    "--run",
    "selector",
    metavar="ID",
    help="A run.  [default: the newest]",
    shell_complete=complete_runs,
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "junit"]),
    default="html",
    show_default=True,
)
@click.option(
    "--output",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; - is standard output.  [default: the run's record]",
)
@click.option("--no-open", is_flag=True, help="Do not open the page in a browser.")
def command(
    *, selector: str | None, form: str, target: Path | None, no_open: bool
) -> int:
    """Write the report of a run, and open the page in a browser.

    \b
    spotci report
    spotci report --no-open --output report.html
    spotci report --format junit --output -
    """  # noqa: D301 - click reads the \b
    project = open_here()
    run = RunStore(record_folder(project)).find(selector)
    name = "junit.xml" if form == "junit" else "report.html"
    path = target or run.folder / name
    text = _junit(run) if form == "junit" else _html(run, project.root, path)
    if path == _STDOUT:
        sys.stdout.write(text)
        return 0
    write_atomically(path, text.encode("utf-8", "replace"))
    print(path)
    if form == "html" and target is None and not no_open:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _html(run: Run, root: Path, target: Path) -> str:
    from spotci.cli.recorded_variables import read_variables  # noqa: PLC0415 - as used
    from spotci.report.html import render_html  # noqa: PLC0415 - as used
    from spotci.report.log_sections import LogSections  # noqa: PLC0415 - as used

    sections = LogSections()
    for event in run.events():
        sections.handle(event)
    variables, of_jobs = read_variables(run)

    def link(path: str) -> str:
        """Return the address of a folder of the project, as seen from the page."""
        absolute = root / path
        if target == _STDOUT:
            return absolute.as_uri()
        return quote(os.path.relpath(absolute, target.resolve().parent)) + "/"

    return render_html(
        state_of(run),
        run.log,
        sections=sections,
        variables=variables,
        job_variables=of_jobs,
        link=link,
    )


def state_of(run: Run) -> RunState:
    """Return the state that the events of a recorded run lead to."""
    from spotci.report.state import RunState  # noqa: PLC0415 - as used

    state = RunState()
    for event in run.events():
        state.handle(event)
    return state


def _junit(run: Run) -> str:
    from spotci.report.junit import render_junit  # noqa: PLC0415 - as used

    return render_junit(state_of(run))
