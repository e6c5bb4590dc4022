"""What jobs that do not run this time handed on in earlier runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotci.cli.loading import record_folder
from spotci.events import ArtifactsSaved, JobStatus
from spotci.executor.plan import EarlierJob
from spotci.pipeline import When
from spotci.runs import RunStore
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from spotci.cli.loading import Loaded
    from spotci.cli.selection import Selection
    from spotci.pipeline import Job, JobName
    from spotci.runs import Run

__all__ = ["earlier_jobs", "sources_without"]


def earlier_jobs(loaded: Loaded, selection: Selection) -> dict[JobName, EarlierJob]:
    """Return what each job that a selected job downloads from last handed on.

    Each is looked for in the newest run where it passed and whose record still holds
    its artifacts. A job that none has is left out.
    """
    wanted = _sources(loaded, selection)
    found: dict[JobName, EarlierJob] = {}
    for run in RunStore(record_folder(loaded.project)).list():
        if not wanted:
            break
        for name, folder in _saved(loaded.project.root, run).items():
            if job := wanted.get(name):
                found[name] = EarlierJob(
                    artifacts=folder, variables=_dotenv(job, folder)
                )
                del wanted[name]
    return found


def sources_without(
    loaded: Loaded, selection: Selection, earlier: Mapping[JobName, EarlierJob]
) -> tuple[JobName, ...]:
    """Return the jobs whose artifacts selected jobs want and no earlier run has.

    Manual jobs do not count where nothing names them: nobody played them.
    """
    asked = {
        name
        for job in (loaded.jobs[name] for name in selection.pipeline.jobs)
        for name in (
            *(need.job for need in job.needs or ()),
            *(job.dependencies or ()),
        )
    }
    return tuple(
        name
        for name, job in _sources(loaded, selection).items()
        if name not in earlier and (name in asked or job.when is not When.MANUAL)
    )


def _sources(loaded: Loaded, selection: Selection) -> dict[JobName, Job]:
    """Return the jobs that selected ones download from and that are not selected."""
    selected = selection.pipeline.jobs
    whole = replace(loaded.pipeline, jobs=loaded.jobs)
    names = {
        source
        for name in selected
        for source in whole.artifact_sources(whole.jobs[name])
        if source not in selected
    }
    return {name: whole.jobs[name] for name in names if whole.jobs[name].artifacts}


def _saved(root: Path, run: Run) -> dict[JobName, Path]:
    """Return the folders of artifacts that passed jobs of a run left."""
    passed = {
        name
        for name, result in run.results.items()
        if result.status is JobStatus.SUCCESS
    }
    folders = {
        event.job: root / event.path
        for event in run.events()
        if isinstance(event, ArtifactsSaved) and event.job in passed
    }
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def _dotenv(job: Job, folder: Path) -> tuple[Variable, ...]:
    from spotci.executor.reports import ReportError, parse_dotenv  # noqa: PLC0415 - rare

    variables: list[Variable] = []
    patterns = job.artifacts.reports.get("dotenv", ()) if job.artifacts else ()
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            if file.is_symlink() or not file.is_file():
                continue
            try:
                pairs = parse_dotenv(file.read_text("utf-8", "surrogateescape"))
            except ReportError:
                # It passed then, and its report was refused then, too.
                continue
            variables += [
                Variable(
                    name=name,
                    value=value,
                    level=Level.DOTENV,
                    expand=False,
                    origin=f"dotenv of {job.name}",
                )
                for name, value in pairs
            ]
    return tuple(variables)
