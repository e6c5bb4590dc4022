from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from spotci.executor.pending import PendingJobs
from spotci.executor.slots import Slots
from spotci.pipeline import Trigger
from tests.builders import job

if TYPE_CHECKING:
    from spotci.executor.slots import Resource
    from spotci.pipeline import JobName

STAGING: Resource = ("group/project", "staging")


def pending(slots: Slots, *names: str, group: str = "") -> PendingJobs:
    """Let jobs wait; those whose names begin with ``group`` want the resource."""
    jobs = [job(name) for name in names]
    groups = {each.name: STAGING for each in jobs if group and group in each.name}
    found = PendingJobs(slots, groups)
    for each in jobs:
        found.add(each, 1)
    return found


def taken(queue: PendingJobs) -> list[str]:
    """Take all that can start now; nothing of it starts."""
    return [str(candidate.job.name) for candidate in iter(queue.take, None)]


def test_jobs_come_in_the_order_of_arrival() -> None:
    assert taken(pending(Slots(1), "c", "a", "b")) == ["c", "a", "b"]


def test_without_a_slot_only_bridges_start() -> None:
    queue = pending(Slots(0), "a")
    queue.add(job("bridge", trigger=Trigger(project="b/c")), 1)

    assert taken(queue) == ["bridge"]
    assert queue


def test_a_job_that_waits_for_a_resource_holds_up_nobody() -> None:
    slots = Slots(2)
    slots.take(STAGING, counts=True)
    queue = pending(slots, "deploy 1", "test", "deploy 2", group="deploy")

    assert taken(queue) == ["test"]
    assert [held.job.name for held in queue.take_newly_held()] == [
        "deploy 1",
        "deploy 2",
    ]
    assert queue.take_newly_held() == []
    assert queue


def test_a_freed_resource_wakes_the_longest_waiting_job_before_all_others() -> None:
    slots = Slots(1)
    slots.take(STAGING, counts=False)
    queue = pending(slots, "deploy 1", "deploy 2", group="deploy")
    assert taken(queue) == []
    queue.add(job("test"), 1)

    slots.give_back(STAGING, counts=False)
    queue.freed(STAGING)

    assert taken(queue) == ["deploy 1", "test"]
    queue.freed(STAGING)
    assert taken(queue) == ["deploy 2"]
    assert not queue


def test_another_pipeline_may_be_faster_at_the_resource() -> None:
    slots = Slots(1)
    slots.take(STAGING, counts=False)
    queue = pending(slots, "deploy", group="deploy")
    assert taken(queue) == []

    queue.freed(STAGING)

    assert taken(queue) == []


def test_cleared_jobs_are_forgotten() -> None:
    slots = Slots(1)
    slots.take(STAGING, counts=False)
    queue = pending(slots, "deploy", group="deploy")
    assert taken(queue) == []
    queue.add(job("test"), 1)

    queue.clear()

    assert not queue
    assert queue.take_newly_held() == []


@dataclass(slots=True)
class CountingSlots(Slots):
    """Counts how often somebody looks whether a resource is taken."""

    looks: int = 0

    def is_taken(self, resource: Resource | None) -> bool:
        self.looks += 1
        return resource in self._taken


@pytest.mark.parametrize("count", [50, 800])
def test_jobs_of_one_resource_are_looked_at_a_few_times_each(count: int) -> None:
    slots = CountingSlots(4)
    names = [f"deploy {number}" for number in range(count)]
    queue = pending(slots, *names, group="deploy")
    ended: list[JobName] = []

    while (candidate := queue.take()) is not None:
        slots.take(STAGING, counts=True)
        assert queue.take() is None
        ended.append(candidate.job.name)
        slots.give_back(STAGING, counts=True)
        queue.freed(STAGING)

    assert ended == names
    assert slots.looks <= 4 * count
