"""What jobs hand on to those behind them: artifact layers and dotenv variables."""

from __future__ import annotations

from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.pipeline import JobName
from spotci.variables import effective, expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from spotci.executor.backend import LayerId, Workspaces
    from spotci.executor.plan import RunPlan
    from spotci.pipeline import CrossNeed, Job
    from spotci.variables import Variable

__all__ = ["Handover", "HandoverStore", "adopt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What one job handed on; ``id`` is its ``CI_JOB_ID``."""

    id: int = 0
    layer: LayerId | None = None
    variables: tuple[Variable, ...] = ()


@dataclass(slots=True)
class HandoverStore:
    """Remembers what the jobs of a run handed on, and brings in that of earlier ones.

    The layers live as long as the run. ``upstream`` are the stores of the pipelines
    that led to this one, by their ``CI_PIPELINE_ID``: parent, grandparent.
    """

    plan: RunPlan
    workspaces: Workspaces
    upstream: Mapping[str, HandoverStore] = field(
        default_factory=lambda: MappingProxyType({})
    )
    _known: dict[JobName, Handover] = field(default_factory=dict)
    _layers: list[LayerId] = field(default_factory=list)
    #: Copies of layers in the record.
    _copies: dict[LayerId, Path] = field(default_factory=dict)
    #: Jobs whose artifacts went with an engine.
    _gone: set[JobName] = field(default_factory=set)
    _adopting: anyio.Lock = field(default_factory=anyio.Lock)

    def put(self, job: JobName, handover: Handover) -> None:
        """Remember what a job handed on; that of an earlier attempt is forgotten."""
        self._known[job] = handover
        self._gone.discard(job)
        if handover.layer is not None:
            self._layers.append(handover.layer)

    def copied(self, layer: LayerId, folder: Path) -> None:
        """Remember that a layer has been copied to the record."""
        self._copies[layer] = folder

    async def move(self, workspaces: Workspaces) -> tuple[JobName, ...]:
        """Go over to an engine in the place of one that died; return whose is gone.

        What is not there any more is brought in from the record. Raises EngineError;
        the next call goes on from there.
        """
        self.workspaces = workspaces
        held = {
            name: handover.layer
            for name, handover in self._known.items()
            if handover.layer is not None
        }
        there = await workspaces.survivors(tuple(held.values()))
        gone = []
        for name, layer in held.items():
            if layer in there:
                continue
            copy = self._copies.get(layer)
            if copy is None:
                self._known[name] = replace(self._known[name], layer=None)
                self._gone.add(name)
                gone.append(name)
                continue
            brought = await workspaces.adopt(copy)
            self._copies[brought] = copy
            self.put(name, replace(self._known[name], layer=brought))
        return tuple(gone)

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
            if name in self._gone
            or (
                name not in self._known
                and name in self.plan.earlier
                and self.plan.earlier[name].lost
            )
        )

    def of_job(self, name: str) -> dict[JobName, Handover]:
        """Return what a job handed on, or each instance of a ``parallel`` job."""
        jobs = self.plan.pipeline.jobs
        return {
            known: handover
            for known, handover in self._known.items()
            if known == name or (name not in jobs and jobs[known].base_name == name)
        }

    def from_upstream(self, job: Job) -> dict[JobName, Handover]:
        """Return what a job gets from other pipelines, by ``needs:pipeline``."""
        found: dict[JobName, Handover] = {}
        for number, need in self._upstream_needs(job):
            for name, handover in self._look_up(number, need).items():
                known = name in found or name in self.plan.pipeline.jobs
                shown = f"{name} of pipeline {number}" if known else name
                found[JobName(shown)] = handover
        return found

    def lacks_upstream(self, job: Job) -> bool:
        """Return whether a job needs a parent's artifacts where there is no parent."""
        return not self.upstream and any(
            need.pipeline is not None and need.job is not None and need.artifacts
            for need in job.cross_needs
        )

    def missing_upstream(self, job: Job) -> tuple[str, ...]:
        """Return the jobs of other pipelines that have no artifacts for this one."""
        return tuple(
            f"{need.job} of pipeline {number or need.pipeline}"
            for number, need in self._upstream_needs(job)
            if not any(each.layer for each in self._look_up(number, need).values())
        )

    def _upstream_needs(self, job: Job) -> Iterator[tuple[str, CrossNeed]]:
        """Yield the needs of other pipelines of this run, with their ids."""
        if not self.upstream:
            return
        for need in job.cross_needs:
            if need.pipeline is not None and need.job is not None and need.artifacts:
                variables = effective(job.variables)
                yield expand(need.pipeline, variables, keep_undefined=False), need

    def _look_up(self, number: str, need: CrossNeed) -> dict[JobName, Handover]:
        store = self.upstream.get(number)
        return {} if store is None else store.of_job(need.job or "")

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
            if name not in self._known:
                layer = await adopt(self.workspaces, earlier.artifacts, attempts)
                self.put(name, Handover(layer=layer, variables=earlier.variables))
                self.copied(layer, earlier.artifacts)
            return self._known[name]


async def adopt(workspaces: Workspaces, folder: Path, attempts: int) -> LayerId:
    """Make a layer of a folder of the host, in so many attempts; raise EngineError."""
    while True:
        attempts -= 1
        try:
            return await workspaces.adopt(folder)
        except EngineError:
            if attempts <= 0:
                raise
