"""What jobs that do not run this time handed on in earlier runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotci.cli.loading import record_folder
from spotci.cli.selection import select
from spotci.events import ArtifactsSaved, JobStatus
from spotci.executor.plan import EarlierJob
from spotci.pipeline import When
from spotci.runs import RunStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from spotci.cli.loading import Loaded
    from spotci.cli.selection import Request, Selection
    from spotci.pipeline import Job, JobName
    from spotci.runs import Run
    from spotci.variables import Variable

__all__ = ["earlier_jobs", "handed_on", "reusing", "sources_without"]


def earlier_jobs(loaded: Loaded, selection: Selection) -> dict[JobName, EarlierJob]:
    """Return what each job that a selected job downloads from last handed on.

    Each is looked for in the newest run where it passed and whose record still holds
    its artifacts. A job that none has is left out. They come in the order of the
    pipeline: of two that wrote one file, the later job has it, as in GitLab.
    """
    sources = _sources(loaded, selection)
    wanted = set(sources)
    found: dict[JobName, EarlierJob] = {}
    for run in RunStore(record_folder(loaded.project)).list():
        if not wanted:
            break
        found |= handed_on(loaded.project.root, run, wanted)
        wanted -= found.keys()
    return {name: found[name] for name in sources if name in found}


def reusing(loaded: Loaded, request: Request) -> Request:
    """Return a request for the same jobs, and those that have to run for them.

    These are the jobs that they download from and whose artifacts no run has, then the
    jobs that these download from, and so on: all others are as they ran before.
    """
    excluded = loaded.compilation.excluded_jobs
    while True:
        request = replace(request, needs=False)
        selection = select(loaded.pipeline, excluded, request)
        missing = sources_without(loaded, selection, earlier_jobs(loaded, selection))
        if not missing:
            return request
        request = replace(request, names=(*request.names, *missing))


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


def handed_on(
    root: Path, run: Run, names: AbstractSet[JobName]
) -> dict[JobName, EarlierJob]:
    """Return what those of the jobs that passed in a run of a project handed on.

    ``root`` is the project's. A job of which nothing is kept any more is left out.
    """
    passed = [
        name
        for name in names
        if name in run.results and run.results[name].status is JobStatus.SUCCESS
    ]
    if not passed:
        return {}
    folders = {
        event.job: root / event.path
        for event in run.events()
        if isinstance(event, ArtifactsSaved)
    }
    found = {}
    for name in passed:
        folder = folders.get(name)
        artifacts = folder if folder is not None and folder.is_dir() else None
        variables = _dotenv(run, name)
        if artifacts is not None or (variables and folder is None):
            found[name] = EarlierJob(artifacts=artifacts, variables=variables)
    return found


def _sources(loaded: Loaded, selection: Selection) -> dict[JobName, Job]:
    """Return the jobs that selected ones download from and that are not selected.

    They are in the order of the pipeline.
    """
    selected = selection.pipeline.jobs
    whole = replace(loaded.pipeline, jobs=loaded.jobs)
    names = {
        source
        for name in selected
        for source in whole.artifact_sources(whole.jobs[name])
        if source not in selected
    }
    return {
        name: job for name, job in whole.jobs.items() if name in names and job.artifacts
    }


def _dotenv(run: Run, name: JobName) -> tuple[Variable, ...]:
    from spotci.executor.reports import (  # noqa: PLC0415 - rare
        ReportError,
        dotenv_variables,
        parse_dotenv,
    )

    file = run.folder / "dotenv" / f"{run.slugs.get(name)}.env"
    try:
        pairs = parse_dotenv(file.read_text("utf-8", "surrogateescape"))
    except (FileNotFoundError, ReportError):
        return ()
    return dotenv_variables(dict(pairs), name)
