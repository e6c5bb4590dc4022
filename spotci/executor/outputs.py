"""What a job leaves when its script has ended: caches, artifacts, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.events import FailureReason, JobStatus
from spotci.executor.artifacts import Saver, resolve_artifacts
from spotci.executor.cache_phases import CacheSaver
from spotci.executor.end import End
from spotci.executor.files import FileSet, needed_folders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.events import TestCounts
    from spotci.executor.artifacts import Archive, JobArtifacts
    from spotci.executor.backend import Workspace, Workspaces
    from spotci.executor.cache import JobCache
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.trace import Trace
    from spotci.pipeline import Job
    from spotci.variables import Variable

__all__ = ["JobOutputs"]


@dataclass(slots=True, kw_only=True)
class JobOutputs:
    """Saves what one attempt leaves; the fields at the end say what there is.

    They are set even where saving is canceled half way.
    """

    job: Job
    plan: RunPlan
    workspaces: Workspaces
    trace: Trace
    archive: Archive | None = None
    reports: Archive | None = None
    #: Of dotenv reports.
    variables: tuple[Variable, ...] = ()
    tests: TestCounts | None = None

    async def save(
        self,
        end: End,
        workspace: Workspace,
        *,
        caches: Sequence[JobCache],
        variables: JobVariables,
    ) -> End:
        """Save caches and artifacts as far as this end of the script lets them.

        Returns the end of the job: a dotenv report that is refused fails it.
        """
        caches = [cache for cache in caches if cache.saves_after(success=end.passed)]
        artifacts = resolve_artifacts(self.job, variables.expand)
        if artifacts is not None and not artifacts.matter(success=end.passed):
            artifacts = None
        if not caches and artifacts is None:
            return end
        files = await self._files(caches, artifacts, workspace, success=end.passed)
        if caches:
            await self._save_caches(caches, files, workspace, end)
        if artifacts is not None:
            return await self._save_artifacts(artifacts, files, workspace, end)
        return end

    async def _files(
        self,
        caches: Sequence[JobCache],
        artifacts: JobArtifacts | None,
        workspace: Workspace,
        *,
        success: bool,
    ) -> FileSet:
        """List what the patterns may mean, once for all of them."""
        project_dir = workspace.spec.project_dir
        patterns = [path for cache in caches if cache.saves for path in cache.paths]
        untracked = any(cache.saves and cache.untracked for cache in caches)
        if artifacts is not None:
            patterns += artifacts.patterns(success=success)
            untracked = untracked or artifacts.looks_for_untracked(success=success)
        under = needed_folders(patterns, project_dir, untracked=untracked)
        tree = self.plan.tree
        return FileSet(
            entries={}
            if under == ()
            else await self.workspaces.listing(workspace, under=under),
            # Files that the user has not committed yet came with the source tree:
            # no job made them.
            tracked=tree.tracked | {entry.path for entry in tree.entries}
            if untracked
            else frozenset(),
            project_dir=project_dir,
        )

    async def _save_caches(
        self,
        caches: Sequence[JobCache],
        files: FileSet,
        workspace: Workspace,
        end: End,
    ) -> None:
        name = "archive_cache" if end.passed else "archive_cache_on_failure"
        async with self.trace.section(name, f"Saving cache for {end.adjective} job"):
            saver = CacheSaver(
                workspaces=self.workspaces,
                workspace=workspace,
                trace=self.trace,
                project_path=self.plan.project_path,
            )
            await saver.save(caches, files)

    async def _save_artifacts(
        self,
        artifacts: JobArtifacts,
        files: FileSet,
        workspace: Workspace,
        end: End,
    ) -> End:
        saver = Saver(
            job=self.job.name,
            workspaces=self.workspaces,
            workspace=workspace,
            trace=self.trace,
            files=files,
        )
        name = f"upload_artifacts_on_{'success' if end.passed else 'failure'}"
        try:
            async with self.trace.section(
                name, f"Uploading artifacts for {end.adjective} job"
            ):
                await saver.save(artifacts, success=end.passed)
        finally:
            self.archive, self.reports = saver.archive, saver.reports
            self.variables, self.tests = saver.variables, saver.tests
        if saver.error is None or not end.passed:
            return end
        return End(
            status=JobStatus.FAILED,
            exit_code=1,
            reason=FailureReason.SCRIPT_FAILURE,
            message=f"the dotenv report is refused: {saver.error}",
        )
