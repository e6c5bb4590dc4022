from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spotci.tail import Tail

LINES = st.text(st.characters(exclude_characters="\n"), max_size=5)


@given(st.lists(st.lists(LINES, min_size=1)), st.integers(1, 8))
def test_the_last_lines_of_all_pieces_are_kept(
    pieces: list[list[str]], count: int
) -> None:
    tail = Tail(count)
    for lines in pieces:
        tail.feed("\n".join(lines))

    assert list(tail) == [line for lines in pieces for line in lines][-count:]


def test_a_line_is_cut() -> None:
    tail = Tail(2, width=3)
    tail.feed("abcdef\n" * 3 + "xyz123")

    assert list(tail) == ["abc", "xyz"]
    tail.clear()
    assert len(tail) == 0
