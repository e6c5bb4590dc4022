"""What a job begins with besides its sources: layers of caches and of artifacts."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import anyio

from spotci.dataclass import dataclass
from spotci.executor.artifacts import tell_downloads
from spotci.executor.cache import resolve_caches
from spotci.executor.cache_phases import find_caches, tell_restored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.executor.backend import LayerId, Workspaces
    from spotci.executor.cache import JobCache
    from spotci.executor.handover import Handover, HandoverStore
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.trace import Trace
    from spotci.pipeline import Job, JobName


class BringElsewhere(Protocol):
    """Brings in what a job gets of other projects; see ProjectNeeds.layers."""

    async def __call__(self, *, attempts: int) -> Mapping[JobName, Handover]: ...


__all__ = ["JobInputs", "find_inputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInputs:
    """The caches and artifacts of one attempt.

    ``found`` holds for each cache to restore, by its position, the key that was there
    and its layer, or None.
    """

    caches: tuple[JobCache, ...] = ()
    found: Mapping[int, tuple[str, LayerId] | None] = field(
        default_factory=lambda: MappingProxyType({})
    )
    downloads: Mapping[JobName, Handover] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def layers(self) -> tuple[LayerId, ...]:
        """The layers of the workspace: artifacts lie over caches."""
        caches = [hit[1] for hit in self.found.values() if hit is not None]
        artifacts = [
            handover.layer
            for handover in self.downloads.values()
            if handover.layer is not None
        ]
        return tuple(dict.fromkeys([*caches, *artifacts]))

    async def tell(self, trace: Trace) -> None:
        """Say in the log what the job gets, in the phases of the runner."""
        if self.caches:
            async with trace.section("restore_cache", "Restoring cache"):
                await tell_restored(trace, self.caches, self.found)
        if self.downloads:
            async with trace.section("download_artifacts", "Downloading artifacts"):
                await tell_downloads(trace, self.downloads)


async def find_inputs(
    job: Job,
    plan: RunPlan,
    variables: JobVariables,
    *,
    workspaces: Workspaces,
    store: HandoverStore,
    elsewhere: BringElsewhere,
) -> JobInputs:
    """Look for the caches and the artifacts of a job; raise EngineError.

    ``elsewhere`` brings in the artifacts of other projects.
    """
    attempts = max(1, variables.number("ARTIFACT_DOWNLOAD_ATTEMPTS", default=1))
    caches: tuple[JobCache, ...] = ()
    if job.cache:
        caches = await anyio.to_thread.run_sync(
            resolve_caches, job.cache, plan, variables.expand
        )
    found: dict[int, tuple[str, LayerId] | None] = {}
    if plan.options.ignore_caches:
        found = {index: None for index, cache in enumerate(caches) if cache.restores}
    elif caches:
        found = await find_caches(
            workspaces,
            caches,
            project_path=plan.project_path,
            attempts=max(1, variables.number("RESTORE_CACHE_ATTEMPTS", default=1)),
        )
    return JobInputs(
        caches=caches,
        found=found,
        downloads={
            **{
                name: handover
                for name, handover in store.from_upstream(job).items()
                if handover.layer is not None
            },
            **await elsewhere(attempts=attempts),
            **await store.layers(store.sources(job), attempts=attempts),
        },
    )
