"""What pipelines of other projects have left: the records in their checkouts.

Another project is a checkout on this machine that the settings name under
``[projects]``; what ran there with spotci is in its ``.spotci``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from spotci.cli.earlier import handed_on
from spotci.cli.loading import record_folder
from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.events import JobStatus
from spotci.executor.elsewhere import ElsewhereUnavailableError
from spotci.pipeline import JobName
from spotci.runs import CRASHED, RunStore

if TYPE_CHECKING:
    from spotci.executor.plan import EarlierJob
    from spotci.project import Project
    from spotci.runs import Run

__all__ = ["ProjectElsewhere", "UncheckedError", "open_checkout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectElsewhere:
    """Looks into the checkouts that the settings of a project name."""

    project: Project

    async def artifacts(self, project: str, ref: str, job: str) -> EarlierJob | None:
        """Return what the last passed job handed on; see the port."""
        return await to_thread.run_sync(self._artifacts, project, ref, JobName(job))

    async def status(self, project: str) -> JobStatus:
        """Return the status of the newest pipeline; see the port."""
        return await to_thread.run_sync(self._status, project)

    def _artifacts(self, path: str, ref: str, job: JobName) -> EarlierJob | None:
        other = self._open(path)
        for run in RunStore(record_folder(other)).list():
            if run.ref == ref or not ref:
                found = handed_on(other.root, run, {job})
                if job in found:
                    return found[job]
        return None

    def _status(self, path: str) -> JobStatus:
        other = self._open(path)
        runs = RunStore(record_folder(other)).list()
        run = next((run for run in runs if run.ref == other.default_branch), None)
        if run is None:
            raise ElsewhereUnavailableError(
                f"no pipeline of {path} has run on {other.default_branch} here"
            )
        return _status_of(run)

    def _open(self, path: str) -> Project:
        try:
            return open_checkout(self.project, path)
        except UsageError as error:
            raise ElsewhereUnavailableError(error.message) from error


def open_checkout(project: Project, path: str) -> Project:
    """Open the project of a path: this one, or a checkout that the settings name.

    Raises UsageError for one that is not here, and for settings of it that are wrong.
    """
    from spotci.project import open_project  # noqa: PLC0415 - start-up time
    from spotci.project.load_settings import REPOSITORY_FILE  # noqa: PLC0415 - as above

    settings = project.settings
    folder = settings.projects.get(path)
    if path == project.path:
        folder = str(project.root)
    if folder is None:
        raise UncheckedError(
            f"{path} is not on this machine: name its checkout in .spotci.toml: "
            f'[projects] "{path}" = "../{path.rpartition("/")[2]}"'
        )
    # A repository may name its neighbours, not any folder of its reader.
    origin = settings.origins.get(f"projects.{path}", "")
    root = Path(folder)
    if not root.is_dir() or (
        origin.startswith(REPOSITORY_FILE) and not (root / ".git").exists()
    ):
        raise UncheckedError(
            f"{path}: the settings name {folder}, which is no git checkout"
        )
    return open_project(root, project.environ)


class UncheckedError(UsageError):
    """A project is not checked out on this machine."""


def _status_of(run: Run) -> JobStatus:
    return JobStatus.FAILED if run.status == CRASHED else JobStatus(run.status)
