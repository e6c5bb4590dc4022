"""What jobs hand on to those behind them: artifact layers and dotenv variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.executor.backend import LayerId, Workspaces
    from spotci.executor.plan import RunPlan
    from spotci.pipeline import Job, JobName
    from spotci.variables import Variable

__all__ = ["Handover", "HandoverStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What one job handed on; ``id`` is its ``CI_JOB_ID``."""

    id: int = 0
    layer: LayerId | None = None
    variables: tuple[Variable, ...] = ()


@dataclass(slots=True)
class HandoverStore:
    """Remembers what the jobs of a run handed on, and brings in that of earlier ones.

    The layers live as long as the run.
    """

    plan: RunPlan
    workspaces: Workspaces
    _known: dict[JobName, Handover] = field(default_factory=dict)
    _layers: list[LayerId] = field(default_factory=list)
    _adopting: anyio.Lock = field(default_factory=anyio.Lock)

    def put(self, job: JobName, handover: Handover) -> None:
        """Remember what a job handed on; that of an earlier attempt is forgotten."""
        self._known[job] = handover
        if handover.layer is not None:
            self._layers.append(handover.layer)

    def sources(self, job: Job) -> tuple[JobName, ...]:
        """Return the jobs that ``job`` takes artifacts from, in order.

        A need that is no job of this pipeline, as it was not selected, is taken from
        an earlier run.
        """
        pipeline = self.plan.pipeline
        wanted = (
            None
            if job.needs is None
            else [need.job for need in job.needs if need.artifacts]
        )
        elsewhere = [
            name
            for name in self.plan.earlier
            if name not in pipeline.jobs and (wanted is None or name in wanted)
        ]
        if wanted is None:
            here = list(pipeline.waits_for(job))
        else:
            here = [name for name in pipeline.jobs if name in wanted]
        names = [*elsewhere, *here]
        if job.dependencies is not None:
            names = [name for name in names if name in job.dependencies]
        return tuple(names)

    def lost(self, names: Iterable[JobName]) -> tuple[JobName, ...]:
        """Return those of the jobs whose artifacts were there once and are gone."""
        return tuple(
            name
            for name in names
            if name not in self._known
            and name in self.plan.earlier
            and self.plan.earlier[name].lost
        )

    def variables(self, names: Iterable[JobName]) -> tuple[Variable, ...]:
        """Return the dotenv variables of these jobs; of one name the last counts."""
        found: list[Variable] = []
        for name in names:
            if name in self._known:
                found += self._known[name].variables
            elif name in self.plan.earlier:
                found += self.plan.earlier[name].variables
        return tuple(found)

    async def layers(
        self, names: Iterable[JobName], *, attempts: int = 1
    ) -> dict[JobName, Handover]:
        """Return what these jobs handed on, of those that handed on artifacts.

        What an earlier run kept is brought in, in so many ``attempts``.
        """
        found = {}
        for name in names:
            handover = self._known.get(name) or await self._adopt(name, attempts)
            if handover.layer is not None:
                found[name] = handover
        return found

    async def drop(self) -> None:
        """Drop all layers: the run has ended."""
        for layer in self._layers:
            await self.workspaces.drop(layer)
        self._layers.clear()

    async def _adopt(self, name: JobName, attempts: int) -> Handover:
        """Bring in what an earlier run kept; once, whoever asks."""
        earlier = self.plan.earlier.get(name)
        if earlier is None or earlier.artifacts is None:
            return Handover()
        async with self._adopting:
            while name not in self._known:
                attempts -= 1
                try:
                    layer = await self.workspaces.adopt(earlier.artifacts)
                except EngineError:
                    if attempts <= 0:
                        raise
                    continue
                self.put(name, Handover(layer=layer, variables=earlier.variables))
            return self._known[name]
