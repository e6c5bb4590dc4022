"""Pending jobs in the order in which they became so, by what each waits for."""

from __future__ import annotations

from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.executor.slots import Resource, Slots
    from spotci.pipeline import Job, JobName

__all__ = ["Candidate", "PendingJobs"]


class Candidate(NamedTuple):
    """A job that is to run, and the number of its attempt."""

    job: Job
    attempt: int


@dataclass(slots=True)
class PendingJobs:
    """Gives out the jobs that can start, each looked at once for each thing it lacks.

    A job waits for a slot, in the order of arrival, or for its ``resource_group``,
    apart from the others: what is freed wakes one job, and costs nothing for the rest.
    A bridge needs no slot. ``groups`` are the resources of the jobs that have one.
    """

    slots: Slots
    groups: Mapping[JobName, Resource]
    _ready: deque[Candidate] = field(default_factory=deque)
    _bridges: deque[Candidate] = field(default_factory=deque)
    _held: dict[Resource, deque[Candidate]] = field(default_factory=dict)
    #: Jobs that began to wait for a resource and were not told of yet.
    _newly_held: list[Candidate] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._ready or self._bridges or self._held)

    def add(self, job: Job, attempt: int) -> None:
        """Let a job wait for its turn."""
        self._line(job).append(Candidate(job, attempt))

    def clear(self) -> None:
        """Forget all jobs."""
        self._ready.clear()
        self._bridges.clear()
        self._held.clear()
        self._newly_held.clear()

    def take(self) -> Candidate | None:
        """Return a job that can start now, which is pending no more; None: none can."""
        while self._bridges or (self._ready and self.slots.free):
            line = self._bridges or self._ready
            candidate = line.popleft()
            resource = self.groups.get(candidate.job.name)
            if resource is None or not self.slots.is_taken(resource):
                return candidate
            self._held.setdefault(resource, deque()).append(candidate)
            self._newly_held.append(candidate)
        return None

    def take_newly_held(self) -> list[Candidate]:
        """Return the jobs that began to wait for a resource since the last call."""
        held, self._newly_held = self._newly_held, []
        return held

    def freed(self, resource: Resource | None) -> None:
        """Let the job that has waited longest for a resource try again, first of all.

        None is a slot alone: those who wait for one are looked at anyhow.
        Where another pipeline is faster, it has to wait for the resource once more.
        """
        if resource is None:
            return
        waiting = self._held.get(resource)
        if waiting is None or self.slots.is_taken(resource):
            return
        candidate = waiting.popleft()
        if not waiting:
            del self._held[resource]
        self._line(candidate.job).appendleft(candidate)

    def _line(self, job: Job) -> deque[Candidate]:
        return self._bridges if job.is_bridge else self._ready
