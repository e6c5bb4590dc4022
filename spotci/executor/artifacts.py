"""``artifacts``: what a job takes from others, and what it hands on.

What it hands on becomes a layer inside the engine, which costs no copy; the record of
the run gets a copy in the background. Reports are read before the job ends: dotenv
can make it fail, junit counts its tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.executor.reports import (
    DOTENV_LIMIT,
    ReportError,
    dotenv_variables,
    parse_dotenv,
    parse_junit,
    sum_counts,
)
from spotci.executor.trace import RED
from spotci.pipeline import Artifacts, SaveWhen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spotci.events import TestCounts
    from spotci.executor.backend import LayerId, Workspace, Workspaces
    from spotci.executor.files import FileSet, Selected
    from spotci.executor.handover import Handover
    from spotci.executor.trace import Trace
    from spotci.pipeline import Job, JobName
    from spotci.variables import Variable

__all__ = [
    "Archive",
    "JobArtifacts",
    "Saver",
    "resolve_artifacts",
    "tell_downloads",
]

#: The name of an archive that a job does not name.
ARCHIVE = "artifacts"
_UPLOADING = "Uploading artifacts..."
_DOTENV = "dotenv"
_JUNIT = "junit"
#: Bytes of a JUnit report that are read.
_JUNIT_LIMIT = 64 << 20
_PAGES_FOLDER = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArtifacts:
    """The artifacts of one job, their variables expanded."""

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    untracked: bool = False
    when: SaveWhen = SaveWhen.ON_SUCCESS
    name: str = ARCHIVE
    reports: Mapping[str, tuple[str, ...]]

    def archive_after(self, *, success: bool) -> bool:
        """Return whether the job hands on an archive when it ended this way."""
        wanted = SaveWhen.ON_SUCCESS if success else SaveWhen.ON_FAILURE
        return (bool(self.paths) or self.untracked) and self.when in (
            wanted,
            SaveWhen.ALWAYS,
        )

    def matter(self, *, success: bool) -> bool:
        """Return whether there is anything to save after this end."""
        return self.archive_after(success=success) or bool(self.reports)

    def looks_for_untracked(self, *, success: bool) -> bool:
        """Return whether all files matter that git does not know."""
        return self.untracked and self.archive_after(success=success)

    def patterns(self, *, success: bool) -> tuple[str, ...]:
        """Return all patterns that have to be looked for."""
        paths = self.paths if self.archive_after(success=success) else ()
        return (*paths, *(path for paths in self.reports.values() for path in paths))


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Files of a job that are kept: of its ``paths``, or of its reports."""

    layer: LayerId
    files: int
    bytes: int
    name: str = ARCHIVE


def resolve_artifacts(job: Job, expand: Callable[[str], str]) -> JobArtifacts | None:
    """Return what a job hands on, or None where it hands on nothing."""
    artifacts = job.artifacts or Artifacts()
    paths = [expand(path) for path in artifacts.paths]
    published = _published(job)
    if published is not None and expand(published) not in paths:
        paths.append(expand(published))
    reports = {
        kind: tuple(expand(path) for path in patterns)
        for kind, patterns in artifacts.reports.items()
        if patterns
    }
    if not paths and not artifacts.untracked and not reports:
        return None
    return JobArtifacts(
        paths=tuple(paths),
        exclude=tuple(expand(path) for path in artifacts.exclude),
        untracked=artifacts.untracked,
        when=artifacts.when,
        name=_archive_name(expand(artifacts.name or "")),
        reports=reports,
    )


def _archive_name(text: str) -> str:
    """Return the name of an archive without its folder, as GitLab has it."""
    name = text.replace("\0", "").rstrip("/").rpartition("/")[2].strip()
    return ARCHIVE if name in ("", ".", "..") else name


async def tell_downloads(trace: Trace, handovers: Mapping[JobName, Handover]) -> None:
    """Say whose artifacts the job gets."""
    for name, handover in handovers.items():
        await trace.notice(f"Downloading artifacts for {name} ({handover.id})...")
        await trace.line(
            "Downloading artifacts from coordinator... ok        "
            f"id={handover.id} responseStatus=200 OK"
        )


@dataclass(slots=True, kw_only=True)
class Saver:
    """Saves the artifacts of one attempt; afterwards its fields say what there is.

    ``error`` is why an upload failed, which fails the job.
    """

    job: JobName
    workspaces: Workspaces
    workspace: Workspace
    trace: Trace
    files: FileSet
    archive: Archive | None = None
    reports: Archive | None = None
    variables: tuple[Variable, ...] = ()
    tests: TestCounts | None = None
    error: str | None = None

    async def save(self, artifacts: JobArtifacts, *, success: bool) -> None:
        """Make the layers and read the reports."""
        if artifacts.archive_after(success=success):
            await self.trace.notice(_UPLOADING)
            selected = self.files.select(
                artifacts.paths,
                exclude=artifacts.exclude,
                untracked=artifacts.untracked,
            )
            if await self._tell(selected, "archive"):
                self.archive = await self._layer(selected, artifacts.name)
        found: dict[str, None] = {}
        size = 0
        for kind, patterns in artifacts.reports.items():
            await self.trace.notice(_UPLOADING)
            selected = self.files.select(patterns)
            if not await self._tell(selected, kind):
                continue
            if not await self._read(kind, selected):
                continue
            size += selected.bytes
            found.update(dict.fromkeys(selected.paths))
        if found:
            layer = await self.workspaces.collect(self.workspace, tuple(sorted(found)))
            self.reports = Archive(layer=layer, files=len(found), bytes=size)

    async def _tell(self, selected: Selected, kind: str) -> bool:
        """Say what was found, and return whether there is something to upload."""
        await self.trace.remarks(selected.remarks)
        if not selected.paths:
            await self.trace.error("No files to upload")
            return False
        if kind != _DOTENV:
            await self._uploaded(kind)
        return True

    async def _uploaded(self, kind: str) -> None:
        await self.trace.line(
            f'Uploading artifacts as "{kind}" to coordinator... 201 Created'
        )

    async def _layer(self, selected: Selected, name: str) -> Archive:
        layer = await self.workspaces.collect(self.workspace, selected.paths)
        return Archive(
            layer=layer,
            files=len(selected.paths),
            bytes=selected.bytes,
            # It goes to the record and becomes the name of a file.
            name=self.trace.secrets.mask_text(name),
        )

    async def _read(self, kind: str, selected: Selected) -> bool:
        """Read reports that matter to spotci; return whether they are accepted."""
        if kind == _DOTENV:
            return await self._read_dotenv(selected)
        if kind == _JUNIT:
            await self._read_junit(selected)
        return True

    async def _read_dotenv(self, selected: Selected) -> bool:
        values: dict[str, str] = {}
        try:
            for path in selected.paths:
                data = await self.workspaces.read(
                    self.workspace, path, limit=DOTENV_LIMIT + 1
                )
                values.update(parse_dotenv(data.decode("utf-8", "replace")))
        except ReportError as error:
            self.error = str(error)
            await self.trace.line(
                'ERROR: Uploading artifacts as "dotenv" to coordinator... '
                f"400 Bad Request ({error})",
                colour=RED,
            )
            await self.trace.line("FATAL: invalid argument", colour=RED)
            return False
        self.variables = dotenv_variables(values, self.job)
        await self._uploaded(_DOTENV)
        return True

    async def _read_junit(self, selected: Selected) -> None:
        counts = [] if self.tests is None else [self.tests]
        for path in selected.paths:
            try:
                data = await self.workspaces.read(
                    self.workspace, path, limit=_JUNIT_LIMIT
                )
                counts.append(parse_junit(data))
            except (ReportError, EngineError) as error:
                await self.trace.warning(f"{path}: {error}")
        self.tests = sum_counts(counts)


def _published(job: Job) -> str | None:
    """Return the folder that a ``pages`` job publishes, or None for other jobs."""
    if job.pages is False or (job.pages is None and job.name != "pages"):
        return None
    if job.pages is None or job.pages is True:
        return _PAGES_FOLDER
    return str(job.pages.get("publish") or _PAGES_FOLDER)
