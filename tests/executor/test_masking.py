from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.executor.masking import MASK, MaskStream, Secrets

CANARY = "Xq7-vT2_pL9/kR4+mW8=zB1c"


def through(secrets: Secrets, pieces: list[bytes]) -> bytes:
    stream = MaskStream(secrets)
    return b"".join([*map(stream.feed, pieces), stream.flush()])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(place for place in places if place < len(data))})
    return [data[start:end] for start, end in pairwise(borders)]


@pytest.mark.parametrize(
    "printed",
    [
        pytest.param(CANARY, id="plain"),
        pytest.param(f"x{CANARY}{CANARY}y", id="twice"),
        pytest.param(CANARY[:-1] + CANARY, id="behind its own beginning"),
        pytest.param(quote(CANARY, safe=""), id="URL"),
        pytest.param(quote(CANARY, safe="").lower(), id="URL in lower case digits")
        if CANARY.islower()
        else pytest.param(quote(CANARY), id="path of a URL"),
        pytest.param(json.dumps(CANARY), id="JSON"),
        pytest.param(json.dumps(CANARY).replace("/", "\\/"), id="JSON of PHP"),
        pytest.param(b64encode(CANARY.encode()).decode(), id="base64"),
        pytest.param(b64encode(f"a{CANARY}".encode()).decode(), id="base64 after one"),
        pytest.param(
            b64encode(f"ab{CANARY}b".encode()).decode(), id="base64 after two"
        ),
        pytest.param(
            urlsafe_b64encode(f"user:{CANARY}".encode()).decode(), id="base64 of URLs"
        ),
    ],
)
def test_a_secret_is_masked_at_every_cut(printed: str) -> None:
    secrets = Secrets([CANARY])
    data = f"before {printed} after\n".encode()

    for place in range(len(data)):
        shown = through(secrets, [data[:place], data[place:]])

        assert CANARY.encode() not in shown
        assert shown == through(secrets, [data])
        assert MASK in shown
        assert shown.startswith(b"before ")
        assert shown.endswith(b" after\n")


def test_byte_by_byte() -> None:
    data = f"a {CANARY} b".encode()

    shown = through(Secrets([CANARY]), [bytes([byte]) for byte in data])

    assert shown == b"a [MASKED] b"


@pytest.mark.parametrize(
    ("secrets", "data", "expected"),
    [
        pytest.param(["abcdef"], "xabcdefy", "x[MASKED]y", id="one"),
        pytest.param(["abcd", "abcdef"], "abcdefg", "[MASKED]g", id="longest wins"),
        pytest.param(["abcdef", "defghi"], "abcdefghi", "[MASKED]", id="overlapping"),
        pytest.param(["abcd"], "abcdabcd", "[MASKED][MASKED]", id="neighbours"),
        pytest.param(["aaaa"], "aaaaaaaaa", "[MASKED]", id="overlaps itself"),
        pytest.param(["it's it"], "'it'\\''s it'", "'[MASKED]'", id="shell's quotes"),
        pytest.param(["line one\nline two"], "line one", "[MASKED]", id="a line of it"),
        pytest.param(["secret\n"], "secret", "[MASKED]", id="without its newline"),
        pytest.param(["MASKED"], "MASKED", "MASKED", id="the mask's own text"),
        pytest.param(["pässwörd"], "pässwörd", "[MASKED]", id="not ASCII"),
    ],
)
def test_masked(secrets: list[str], data: str, expected: str) -> None:
    assert Secrets(secrets).mask_text(data) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "token glpat-abcdefghij0123456789 end",
            "token glpat-[MASKED] end",
            id="access token",
        ),
        pytest.param(
            "glab-glpat-abcdefghij0123456789", "glab-glpat-[MASKED]", id="behind a word"
        ),
        pytest.param("glpat-short", "glpat-short", id="no token"),
        pytest.param(
            "https://x/y?private_token=abc&z=1",
            "https://x/y?private_token=[MASKED]&z=1",
            id="query",
        ),
        pytest.param(
            "GET /?a=1&X-Amz-Signature=0123 HTTP",
            "GET /?a=1&X-Amz-Signature=[MASKED] HTTP",
            id="second of a query",
        ),
        pytest.param("?color=red", "?color=red", id="plain query"),
    ],
)
def test_masked_unasked(text: str, expected: str) -> None:
    assert Secrets([]).mask_text(text) == expected


def test_short_values_are_counted_and_not_masked() -> None:
    secrets = Secrets(["", "a", "abc", "abcd"])

    assert secrets.too_short == 2
    assert secrets.mask_text("a abc abcd") == "a abc [MASKED]"


def test_whole_lines_are_not_held_back() -> None:
    stream = MaskStream(Secrets([CANARY]))

    assert stream.feed(b"a line\n") == b"a line\n"
    assert stream.feed(b"Xq7") == b""
    assert stream.feed(b"-no") == b"Xq7-no"


def test_a_run_of_overlaps_does_not_pile_up() -> None:
    stream = MaskStream(Secrets(["aaaa"]))

    shown = b"".join(stream.feed(b"a" * 1000) for _ in range(100))
    held = stream.flush()

    assert shown == MASK
    assert held == b""


letters = st.text("abc", min_size=4, max_size=9)


@pytest.mark.property
@given(
    values=st.lists(letters, min_size=1, max_size=4),
    text=st.text("abc \n", max_size=60),
    places=st.lists(st.integers(0, 80), max_size=12),
    data=st.data(),
)
def test_no_secret_gets_through_however_it_is_cut(
    values: list[str], text: str, places: list[int], data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(text)))
    printed = (text[:position] + values[0] + text[position:]).encode()
    secrets = Secrets(values)

    shown = through(secrets, cut(printed, places))

    assert shown == secrets.mask(printed)
    for value in values:
        assert value.encode() not in shown


@pytest.mark.property
@given(
    st.text(min_size=4, max_size=40).filter(lambda text: len(text.encode()) >= 4),
    st.integers(0, 2),
    st.binary(max_size=5),
)
def test_base64_of_any_secret_is_masked(value: str, before: int, after: bytes) -> None:
    secret = value.encode()
    encoded = b64encode(bytes(before) + secret + after)
    inner = b64encode(bytes(before) + secret)
    core = inner[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]

    shown = Secrets([value]).mask(encoded)

    if len(core) >= 8 and core not in MASK:
        assert core not in shown
