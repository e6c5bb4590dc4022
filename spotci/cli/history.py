"""``spotci runs`` and ``spotci artifacts``: what earlier runs left."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spotci.cli.loading import open_here, record_folder
from spotci.cli.logs import recorded_jobs
from spotci.cli.words import complete_jobs, complete_runs
from spotci.errors import UsageError
from spotci.events import ArtifactsSaved, JobStatus
from spotci.runs import CRASHED, RunStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.pipeline import JobName
    from spotci.report.terminal import Paint
    from spotci.runs import Run

__all__ = ["artifacts", "runs"]

_FORM = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="The form of the output.",
)


@click.command("runs")
@_FORM
def runs(*, form: str) -> int:
    """List the recorded runs of this project, the newest first.

    \b
    spotci runs                  for you
    spotci runs --format json    for programs
    """  # noqa: D301 - click reads the \b
    found = RunStore(record_folder(open_here())).list()
    if form == "json":
        print(json.dumps([_run_shape(run) for run in found], indent=2))
    elif found:
        _print_table(
            ("run", "status", "started", "duration", "source", "ref", "failed jobs"),
            [_run_row(run, _paint()) for run in found],
            flexible=6,
            optional=(4, 3),
        )
    else:
        print("no run is recorded here yet")
    return 0


@click.command("artifacts")
@click.argument("jobs", metavar="[JOB]...", nargs=-1, shell_complete=complete_jobs)
@click.option(
    "--run",
    "selector",
    metavar="ID",
    help="A run.  [default: the newest]",
    shell_complete=complete_runs,
)
@click.option(
    "--zip",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write an archive of each job there; artifacts:name is its name.",
)
@_FORM
def artifacts(
    *, jobs: tuple[str, ...], selector: str | None, folder: Path | None, form: str
) -> int:
    """List the artifacts of a run: the job, its files, and the folder they are in.

    \b
    spotci artifacts
    spotci artifacts build-services --run 1qsffj
    spotci artifacts build-services --zip .
    """  # noqa: D301 - click reads the \b
    from spotci.report.words import describe_bytes  # noqa: PLC0415 - as used

    project = open_here()
    run = RunStore(record_folder(project)).find(selector)
    wanted = set(recorded_jobs(run, jobs))
    saved = _saved(run, wanted)
    archives = (
        {} if folder is None else _write_archives(project.root, run, saved, folder)
    )
    if form == "json":
        shapes = [_artifact_shape(item, archives) for item in saved]
        print(json.dumps(shapes, indent=2))
    elif archives:
        for path in archives.values():
            print(path)
    elif saved:
        rows = [
            (item.job, str(item.files), describe_bytes(item.bytes), item.path)
            for item in saved
        ]
        _print_table(("job", "files", "size", "folder"), rows, right=frozenset({1, 2}))
    else:
        print(f"no job of run {run.id} has left artifacts")
    return 0


def _saved(run: Run, wanted: set[JobName]) -> list[ArtifactsSaved]:
    """Return the last artifacts of each job: an earlier attempt's are replaced."""
    last = {
        event.job: event
        for event in run.events()
        if isinstance(event, ArtifactsSaved) and event.job in wanted
    }
    return list(last.values())


def _write_archives(
    root: Path, run: Run, saved: Sequence[ArtifactsSaved], folder: Path
) -> dict[JobName, Path]:
    """Write an archive for each job, and return where they are."""
    from spotci.cli.archive import archive_paths, write_archive  # noqa: PLC0415 - rare

    paths = archive_paths(folder, {item.job: item.name for item in saved}, run.slugs)
    for item in saved:
        try:
            write_archive(root / item.path, paths[item.job])
        except OSError as error:
            raise UsageError(f"no archive of {item.job}: {error}") from error
    return paths


def _artifact_shape(
    item: ArtifactsSaved, archives: Mapping[JobName, Path]
) -> dict[str, Any]:
    archive = archives.get(item.job)
    return {
        "job": item.job,
        "name": item.name,
        "archive": None if archive is None else str(archive),
        "path": item.path,
        "files": item.files,
        "bytes": item.bytes,
    }


def _failed(run: Run) -> list[str]:
    return [
        name
        for name, result in run.results.items()
        if result.status is JobStatus.FAILED and not result.allow_failure
    ]


def _run_shape(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": str(run.status),
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "duration": run.duration,
        "source": run.source,
        "ref": run.ref,
        "sha": run.sha,
        "coverage": run.coverage,
        "passed_with_warnings": run.passed_with_warnings,
        "command": ["spotci", *run.command],
        "failed_jobs": _failed(run),
        "folder": str(run.folder),
    }


def _run_row(run: Run, paint: Paint) -> tuple[str, ...]:
    from spotci.report.words import (  # noqa: PLC0415 - as used
        describe_duration,
        status_sign,
        status_style,
        status_word,
    )

    if run.status == CRASHED:
        status = paint("red", "✗ crashed")
    else:
        known, warning = JobStatus(run.status), run.passed_with_warnings
        text = f"{status_sign(known, warning=warning)} {status_word(known)}"
        status = paint(status_style(known, warning=warning), text)
    seconds = run.duration
    if run.status == JobStatus.RUNNING:
        seconds = time.time() - run.started_at
    started = datetime.fromtimestamp(run.started_at).astimezone()
    return (
        run.id,
        status,
        f"{started:%Y-%m-%d %H:%M}",
        describe_duration(seconds),
        run.source,
        run.ref,
        ", ".join(_failed(run)),
    )


def _print_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    flexible: int | None = None,
    optional: Sequence[int] = (),
) -> None:
    from spotci.report.table import render_table  # noqa: PLC0415 - as used
    from spotci.report.terminal import terminal_width  # noqa: PLC0415 - as used

    table = render_table(
        headers,
        rows,
        paint=_paint(),
        right=right,
        width=terminal_width(sys.stdout),
        flexible=flexible,
        optional=optional,
    )
    print(table)


def _paint() -> Paint:
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

    return Paint(enabled=use_colour(sys.stdout, os.environ))
