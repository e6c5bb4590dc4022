"""What the jobs of all pipelines of a run share: slots, and resource groups."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Resource", "Slots"]

#: A project and a ``resource_group`` of it: the groups of two projects are not one.
Resource: TypeAlias = "tuple[str, str]"


@dataclass(slots=True)
class Slots:
    """So many jobs may run at once, and one for each resource.

    Nobody waits here: a scheduler looks, takes, and is woken when something may have
    become free. All of it happens between two awaits, so no lock is needed.
    """

    free: int
    _taken: set[Resource] = field(default_factory=set)
    _watchers: list[Callable[[Resource | None], None]] = field(default_factory=list)

    def is_taken(self, resource: Resource | None) -> bool:
        """Return whether a job holds this resource; None is held by nobody."""
        return resource in self._taken

    def take(self, resource: Resource | None, *, counts: bool) -> None:
        """Let a job start; one that does not count takes no slot."""
        self.free -= counts
        if resource is not None:
            self._taken.add(resource)

    def give_back(self, resource: Resource | None, *, counts: bool) -> None:
        """Let a job end, and wake those who may wait for what it held."""
        self.free += counts
        if resource is not None:
            self._taken.discard(resource)
        for wake in self._watchers:
            wake(resource)

    @contextmanager
    def watched(self, wake: Callable[[Resource | None], None]) -> Iterator[None]:
        """Call ``wake`` whenever a job ends, while inside, with what it held."""
        self._watchers.append(wake)
        try:
            yield
        finally:
            self._watchers.remove(wake)
