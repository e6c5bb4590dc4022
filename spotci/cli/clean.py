"""``spotci clean``: what spotci made on this machine, and nothing else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import anyio
import click

from spotci.cli.engine_settings import engine_settings
from spotci.cli.loading import open_here, record_folder
from spotci.errors import EngineUnavailableError
from spotci.events import JobStatus
from spotci.runs import RunStore, folder_size
from spotci.scratch import discard_scratch, leftover_scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.dind.clean import Found, Part
    from spotci.dind.settings import EngineSettings
    from spotci.runs import Run

__all__ = ["command"]


@click.command("clean")
@click.option("--cache", is_flag=True, help="Caches, snapshots and artifact layers.")
@click.option("--images", is_flag=True, help="Images of the engine and its registry.")
@click.option("--runs", "records", is_flag=True, help="Records of this project's runs.")
@click.option(
    "--all-engines", is_flag=True, help="Of all engines of this user, by any name."
)
@click.option("--force", is_flag=True, help="Even what a run uses right now.")
@click.option("--dry-run", is_flag=True, help="Show what would go, with its size.")
def command(
    *,
    cache: bool,
    images: bool,
    records: bool,
    all_engines: bool,
    force: bool,
    dry_run: bool,
) -> int:
    """Remove everything that spotci made on this machine; options select parts of it.

    Records of runs go only with --runs. Only what bears spotci's label is touched, and
    temporary folders of runs that are gone.

    \b
    spotci clean --dry-run     what there is, with sizes
    spotci clean               the engine, its images, caches, networks and folders
    spotci clean --cache       caches alone
    """  # noqa: D301 - click reads the \b
    project = open_here()
    rows: list[tuple[str, str, str]] = []
    if not (cache or images or records):
        rows += _folders(dry_run=dry_run)
    if cache or images or not records:
        settings = engine_settings(project)
        parts = _parts(cache=cache, images=images)
        try:
            rows += anyio.run(_objects, settings, parts, all_engines, force, dry_run)
        except EngineUnavailableError:
            # Who runs jobs without containers may have no Docker.
            if project.settings.engine.kind != "shell":
                _print(rows, dry_run=dry_run)
                raise
    if records:
        rows += _records(RunStore(record_folder(project)), dry_run=dry_run)
    _print(rows, dry_run=dry_run)
    if not rows:
        print("there is nothing of ours here")
    return 0


def _parts(*, cache: bool, images: bool) -> tuple[Part, ...]:
    from spotci.dind.clean import Part  # noqa: PLC0415 - start-up time

    chosen = ((Part.CACHE, cache), (Part.IMAGES, images))
    return tuple(part for part, wanted in chosen if wanted)


async def _objects(
    settings: EngineSettings,
    parts: Sequence[Part],
    all_engines: bool,  # noqa: FBT001 - anyio.run passes no keywords
    force: bool,  # noqa: FBT001 - the same
    dry_run: bool,  # noqa: FBT001 - the same
) -> list[tuple[str, str, str]]:
    from spotci.dind import clean  # noqa: PLC0415 - start-up time

    found = await clean.find_objects(
        settings, parts=parts, every_engine=all_engines, sizes=dry_run
    )
    if not dry_run:
        found = await clean.clean(settings, found, force=force)
    return [_row(item) for item in found]


def _row(item: Found) -> tuple[str, str, str]:
    name = f"{item.name} (a run uses it)" if item.busy else item.name
    return (str(item.kind), name, _size(item.size))


def _folders(*, dry_run: bool) -> list[tuple[str, str, str]]:
    """Remove the temporary folders of runs that are gone, and what was kept of them."""
    rows = []
    for folder in leftover_scratch():
        rows.append(("folder", str(folder), _size(folder_size(folder))))
        if not dry_run:
            discard_scratch(folder)
    return rows


def _records(store: RunStore, *, dry_run: bool) -> list[tuple[str, str, str]]:
    """Remove the records of runs that have ended."""
    rows = []
    for run in store.list():
        if run.status == JobStatus.RUNNING:
            continue
        rows.append(("record", _describe(run), _size(folder_size(run.folder))))
        if not dry_run:
            store.remove(run)
    return rows


def _describe(run: Run) -> str:
    return f"{run.id} ({run.status})"


def _size(size: int | None) -> str:
    from spotci.report.words import describe_bytes  # noqa: PLC0415 - as used

    return "" if size is None else describe_bytes(size)


def _print(rows: Sequence[tuple[str, str, str]], *, dry_run: bool) -> None:
    from spotci.report.table import render_table  # noqa: PLC0415 - as used
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

    if not rows:
        return
    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    headers = ("would go" if dry_run else "removed", "name", "size")
    print(render_table(headers, rows, paint=paint, right=frozenset({2})))
