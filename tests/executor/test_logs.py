from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.executor.logs import (
    MAX_LINE,
    Lines,
    LogDecoder,
    SectionEnd,
    SectionStart,
)
from spotci.executor.masking import Secrets
from spotci.executor.neutral import neutralise

if TYPE_CHECKING:
    from spotci.executor.logs import (
        LogItem,
    )

SECRET = "s3cr3t-value"


def decode(
    *pieces: bytes, secrets: tuple[str, ...] = (), limit: int = 1 << 30
) -> list[LogItem]:
    decoder = LogDecoder(
        Secrets(secrets), limit=limit, reserved=frozenset({"step_script"})
    )
    items = [item for piece in pieces for item in decoder.feed(piece)]
    return [*items, *decoder.close()]


def text_of(items: list[LogItem]) -> str:
    return "\n".join(item.text for item in items if isinstance(item, Lines))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        pytest.param(b"one\ntwo\n", "one\ntwo", id="lines"),
        pytest.param(b"one\n\ntwo", "one\n\ntwo", id="empty line, no last newline"),
        pytest.param(b"\n", "", id="only an empty line"),
        pytest.param(b"a\r\nb\r\n", "a\nb", id="CR LF"),
        pytest.param(b"10%\r50%\r100%\n", "100%", id="progress"),
        pytest.param(b"10%\r50%\r\n", "50%", id="progress ends in CR LF"),
        pytest.param(b"\x1b[31mred\x1b[0;m\n", "\x1b[31mred\x1b[0;m", id="colour"),
        pytest.param(b"\x1b[2J\x1b[1;1Hclear\n", "clear", id="cursor"),
        pytest.param(b"\x1b\x1b\x1b[31mred\n", "\x1b[31mred", id="row, colour"),
        pytest.param(b"\x1b\x1b\x1b[2Jclear\n", "clear", id="row, cursor"),
        pytest.param(b"\x1b\x1bctext\x1b\x1b\n", "text", id="row, reset"),
        pytest.param(b"\x1b[Kerase\x1b[0K\n", "erase", id="erase"),
        pytest.param(b"\x1b]0;title\x07text\n", "text", id="title"),
        pytest.param(b"\x1b]52;c;aGk=\x1b\\text\n", "text", id="clipboard"),
        pytest.param(
            b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link", id="hyperlink"
        ),
        pytest.param(b"\x1b]0;open\nnext\n", "0;open\nnext", id="title without end"),
        pytest.param(b"\x1bPq#0\x1b\\text\n", "text", id="DCS"),
        pytest.param(b"a\x07\x08\x00b\x7f\n", "ab", id="control characters"),
        pytest.param("a\x9b2Jb\n".encode(), "a\ufffd2Jb", id="C1"),
        pytest.param(b"\xc2\x1b[2J\x9b31m\n", "\ufffd31m", id="C1 by removal"),
        pytest.param(b"\xff\xfeok\n", "\ufffd\ufffdok", id="not UTF-8"),
        pytest.param("ünï\tcode\n".encode(), "ünï\tcode", id="UTF-8 and tab"),
    ],
)
def test_lines(printed: bytes, expected: str) -> None:
    assert text_of(decode(printed)) == expected
    assert text_of(decode(*(bytes([byte]) for byte in printed))) == expected


def test_sections() -> None:
    items = decode(
        b"before\n"
        b"\x1b[0Ksection_start:1560896352:my.first[collapsed=true]\r\x1b[0KTitle\n"
        b"inside\n"
        b"\x1b[0Ksection_end:1560896353:my.first\r\x1b[0K\n"
        b"after\n"
    )

    assert items == [
        Lines("before"),
        SectionStart(name="my.first", title="Title", collapsed=True),
        Lines("inside"),
        SectionEnd(name="my.first"),
        Lines("after"),
    ]


def test_an_end_and_a_start_on_one_line() -> None:
    items = decode(
        b"section_start:1:a\r\x1b[0KA\nsection_end:2:a\r\x1b[0K"
        b"section_start:2:b\r\x1b[0KB\nx\n"
    )

    assert items == [
        SectionStart(name="a", title="A"),
        SectionEnd(name="a"),
        SectionStart(name="b", title="B"),
        Lines("x"),
        SectionEnd(name="b"),
    ]


def test_inner_sections_end_with_their_outer_one() -> None:
    items = decode(
        b"section_start:1:a\r\x1b[0KA\nsection_start:1:b\r\x1b[0KB\n"
        b"section_end:2:a\r\x1b[0K\n"
    )

    assert items[2:] == [SectionEnd(name="b"), SectionEnd(name="a")]


def test_a_script_cannot_end_the_runners_sections() -> None:
    items = decode(
        b"section_end:1:step_script\r\x1b[0K\nsection_end:1:unknown\r\x1b[0K\n"
        b"section_start:1:step_script\r\x1b[0Kfake\nx\n"
    )

    assert items == [Lines("x")]


def test_titles_are_masked_and_neutral() -> None:
    items = decode(
        f"section_start:1:a\r\x1b[0K\x1b[2J{SECRET}!\n".encode(), secrets=(SECRET,)
    )

    assert items[0] == SectionStart(name="a", title="[MASKED]!")


@pytest.mark.parametrize("size", [1, 7, 4096, MAX_LINE, 1 << 18])
def test_secrets_at_the_borders_of_pieces_and_lines(size: int) -> None:
    for offset in (0, 1, len(SECRET) - 1):
        filler = b"x" * (MAX_LINE - offset)
        printed = filler + SECRET.encode() + filler + b"\n"
        pieces = [printed[at : at + size] for at in range(0, len(printed), size)]

        items = decode(*(pieces if size > 1 else [printed]), secrets=(SECRET,))

        joined = text_of(items).replace("\n", "")
        assert SECRET not in joined
        assert joined == "x" * len(filler) + "[MASKED]" + "x" * len(filler)


def test_a_secret_with_an_escape_inside_is_masked() -> None:
    printed = f"{SECRET[:4]}\x1b[K{SECRET[4:]}\n".encode()

    assert text_of(decode(printed, secrets=(SECRET,))) == "[MASKED]"


def test_long_lines_are_wrapped_between_characters() -> None:
    items = decode(("ä" * MAX_LINE + "\n").encode())

    lines = text_of(items).split("\n")

    assert "".join(lines) == "ä" * MAX_LINE
    assert "\ufffd" not in text_of(items)


def test_memory_is_bounded_for_a_line_without_end() -> None:
    decoder = LogDecoder(Secrets([SECRET]), limit=1 << 40)

    for _ in range(100):
        for item in decoder.feed(b"x" * 100_000):
            assert isinstance(item, Lines)
            assert len(item.text) <= MAX_LINE
        assert len(decoder._partial) + len(decoder._pending) <= 2 * MAX_LINE


def test_a_progress_bar_without_end_keeps_its_last_state() -> None:
    items = decode(*(b"%d%%\r" % (number % 100) for number in range(50_000)), b"\n")

    assert text_of(items) == "99%"


def test_the_limit_cuts_the_log_and_says_so() -> None:
    items = decode(b"0123456789\n" * 10, b"more\n", limit=25)

    assert text_of(items) == (
        "0123456789\n0123456789\n012\n"
        "\x1b[33;1mJob's log exceeded limit of 25 bytes.\n"
        "Job execution will continue but no more output will be collected.\x1b[0;m"
    )


def test_no_secret_is_cut_in_half_by_the_limit() -> None:
    for limit in range(1, 40):
        shown = text_of(
            decode(f"ab {SECRET} cd\n".encode(), secrets=(SECRET,), limit=limit)
        )

        assert SECRET[:4] not in shown


@pytest.mark.property
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from(
                [
                    b"\n",
                    b"\r",
                    b"\x1b[31m",
                    b"\x1b]0;t\x07",
                    b"\x1b[2J",
                    SECRET.encode(),
                    "ü✓".encode(),
                    b"section_start:1:a\r\x1b[0KTitle\n",
                    b"section_end:1:a\r\x1b[0K\n",
                ]
            ),
        ),
        max_size=20,
    ),
    st.lists(st.integers(0, 200), max_size=20),
)
def test_the_log_is_the_same_however_it_is_cut(
    parts: list[bytes], places: list[int]
) -> None:
    printed = b"".join(parts)
    borders = sorted({0, len(printed), *(p for p in places if p < len(printed))})
    pieces = [printed[start:end] for start, end in pairwise(borders)]

    whole = decode(printed, secrets=(SECRET,))
    cut = decode(*pieces, secrets=(SECRET,))

    assert text_of(cut) == text_of(whole)
    assert [item for item in cut if not isinstance(item, Lines)] == [
        item for item in whole if not isinstance(item, Lines)
    ]
    assert SECRET not in text_of(whole)


@pytest.mark.property
@given(st.binary(max_size=60))
def test_what_is_neutral_stays_so(data: bytes) -> None:
    once = neutralise(data)

    assert neutralise(once) == once
