"""What jobs need of other projects: ``needs:project``, and bridges that mirror one.

The port says what pipelines of other projects have left on this machine; nothing is
asked of a GitLab. "needs:project" and "Mirror the status of an upstream pipeline" in
GitLab's YAML reference describe both.
"""

from __future__ import annotations

from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import anyio

from spotci.dataclass import dataclass
from spotci.events import FailureReason, JobStatus
from spotci.executor.end import End, failed
from spotci.executor.handover import Handover, adopt
from spotci.pipeline import JobName
from spotci.variables import effective, expand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from spotci.executor.backend import LayerId, Workspaces
    from spotci.executor.plan import EarlierJob, RunPlan
    from spotci.pipeline import CrossNeed, Job
    from spotci.variables import Variable

__all__ = [
    "Elsewhere",
    "ElsewhereUnavailableError",
    "Needed",
    "ProjectNeeds",
    "mirror_status",
]

#: Seconds between two looks at a pipeline that runs.
_POLL = 1.0
_OPEN = (JobStatus.RUNNING, JobStatus.PENDING, JobStatus.CREATED)


class ElsewhereUnavailableError(Exception):
    """GitLab would know it, and spotci cannot: ``message`` says what is missing."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Elsewhere(Protocol):
    """What pipelines of other projects have left on this machine."""

    async def artifacts(self, project: str, ref: str, job: str) -> EarlierJob | None:
        """Return what the last passed job of this name on this ref handed on.

        None where there is none. Raises ElsewhereUnavailableError where the project
        is not on this machine.
        """
        ...

    async def status(self, project: str) -> JobStatus:
        """Return the status of the newest pipeline of a project.

        Raises ElsewhereUnavailableError where the project is not on this machine, or
        has not run here.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What one job gets of other projects, and what it lacks, in words."""

    found: Mapping[CrossNeed, EarlierJob] = field(
        default_factory=lambda: MappingProxyType({})
    )
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Those of dotenv reports."""
        return tuple(
            variable for found in self.found.values() for variable in found.variables
        )


@dataclass(slots=True)
class ProjectNeeds:
    """Looks for what the jobs of a pipeline need of other projects."""

    plan: RunPlan
    workspaces: Workspaces
    _layers: dict[CrossNeed, LayerId] = field(default_factory=dict)
    _adopting: anyio.Lock = field(default_factory=anyio.Lock)

    async def find(self, job: Job) -> Needed:
        """Return what a job gets; it costs nothing where it needs nothing."""
        found: dict[CrossNeed, EarlierJob] = {}
        missing: list[str] = []
        warnings: list[str] = []
        for need in _expanded(job):
            try:
                earlier = await self._look(need)
            except ElsewhereUnavailableError as error:
                warnings.append(f"needs:project: {error.message}")
                continue
            if earlier is None:
                missing.append(f"{need.job} of {need.project} ({need.ref})")
            else:
                found[need] = earlier
        return Needed(
            found=found, missing=tuple(missing), warnings=tuple(dict.fromkeys(warnings))
        )

    async def layers(
        self, needed: Needed, *, attempts: int = 1
    ) -> dict[JobName, Handover]:
        """Bring the artifacts into the engine, in so many attempts; by name of job."""
        brought: dict[JobName, Handover] = {}
        for need, earlier in needed.found.items():
            if earlier.artifacts is None:
                continue
            async with self._adopting:
                if need not in self._layers:
                    self._layers[need] = await adopt(
                        self.workspaces, earlier.artifacts, attempts
                    )
            name = need.job or ""
            if name in brought or name in self.plan.pipeline.jobs:
                name = f"{name} of {need.project}"
            brought[JobName(name)] = Handover(layer=self._layers[need])
        return brought

    async def _look(self, need: CrossNeed) -> EarlierJob | None:
        if self.plan.elsewhere is None:
            raise ElsewhereUnavailableError("artifacts of other projects are not here")
        return await self.plan.elsewhere.artifacts(
            need.project or "", need.ref or "", need.job or ""
        )


async def mirror_status(
    job: Job,
    elsewhere: Elsewhere | None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> End:
    """Return how a bridge ends that mirrors the pipeline of another project."""
    if elsewhere is None:
        return _skipped("pipelines of other projects are not here")
    (project,) = {
        _expand(need.pipeline, job) for need in job.cross_needs if need.job is None
    }
    try:
        while (status := await elsewhere.status(project)) in _OPEN:
            await sleep(_POLL)
    except ElsewhereUnavailableError as error:
        return _skipped(error.message)
    message = f"the pipeline of {project} ended so: {status}"
    if status is JobStatus.FAILED:
        return failed(FailureReason.UNKNOWN_FAILURE, message)
    return End(status=status, message=message)


def _skipped(message: str) -> End:
    # Neither passed nor failed: what waits for it by needs is skipped, too.
    return End(status=JobStatus.SKIPPED, message=message)


def _expanded(job: Job) -> list[CrossNeed]:
    """Return the needs of other projects, their variables expanded, each once."""
    found = (
        replace(
            need,
            project=_expand(need.project, job),
            ref=_expand(need.ref, job),
            job=_expand(need.job, job),
        )
        for need in job.cross_needs
        if need.project is not None and need.artifacts
    )
    return list(dict.fromkeys(found))


def _expand(text: str | None, job: Job) -> str:
    return expand(text or "", effective(job.variables), keep_undefined=False)
