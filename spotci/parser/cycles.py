"""Circles among things that name each other: jobs by ``needs``, inputs by rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["find_cycle"]

_Name = TypeVar("_Name", bound=str)


def find_cycle(edges: Mapping[_Name, Sequence[_Name]]) -> tuple[_Name, ...] | None:
    """Return the names of a cycle, each before the one that it needs, or None.

    ``edges`` maps a name to those it needs. The pass is linear and without recursion.
    """
    done: set[_Name] = set()
    for root in edges:
        path: dict[_Name, Iterator[_Name]] = {}
        if root not in done:
            path[root] = iter(edges[root])
        while path:
            name, waiting = next(reversed(path.items()))
            needed = next(waiting, None)
            if needed is None:
                done.add(name)
                del path[name]
            elif needed in path:
                chain = list(path)
                return tuple(chain[chain.index(needed) :])
            elif needed not in done and needed in edges:
                path[needed] = iter(edges[needed])
    return None
