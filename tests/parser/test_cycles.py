from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.parser.cycles import find_cycle

names = st.integers(0, 8).map(str)


@pytest.mark.property
@given(st.dictionaries(names, st.lists(names, max_size=4)))
def test_find_cycle(edges: dict[str, list[str]]) -> None:
    cycle = find_cycle(edges)

    if cycle is not None:
        following = (*cycle[1:], cycle[0])
        assert all(
            needed in edges[job] for job, needed in zip(cycle, following, strict=True)
        )
        return
    # Without a cycle, taking away what needs nothing that is left takes all away.
    left = dict(edges)
    while left:
        free = [job for job in left if not any(need in left for need in left[job])]
        assert free
        for job in free:
            del left[job]


def test_find_cycle_takes_a_chain_longer_than_the_stack() -> None:
    chain = {str(n): [str(n + 1)] for n in range(5000)}

    assert find_cycle(chain) is None
