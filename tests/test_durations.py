from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 Day", 86_400),
        ("30 seconds", 30),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        ("3 mins 4 sec", 184),
        ("2 hrs, 20 min", 8_400),
        ("2h20min", 8_400),
        ("6 mos 1 day", 6 * 2_592_000 + 86_400),
        ("47 yrs 6 mos and 4d", 47 * 31_557_600 + 6 * 2_592_000 + 4 * 86_400),
        ("3 weeks and 2 days", 3 * 604_800 + 2 * 86_400),
        ("1 day plus 1 hour with 1 min", 90_060),
        ("1:02", 62),
        ("1:02:03", 3_723),
        ("1:00:00:00", 86_400),
        ("90", 90),
        ("1.5h", 5_400),
        (".5 min", 30),
        ("0.25 s", 0.25),
        ("1 min 30", 90),
        ("day", 86_400),
        ("minute 30sec", 90),
        ("three weeks", 1_814_400),
        ("1 day hour", 86_400),
    ],
)
def test_duration_is_read_as_gitlab_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_whole_seconds_are_an_integer() -> None:
    assert str(parse_duration("1.5h")) == "5400"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("never", id="word"),
        pytest.param("not-a-number", id="hyphens"),
        pytest.param("7 elephants", id="unknown unit"),
        pytest.param("1 2 min", id="two numbers"),
        pytest.param("-5 min", id="negative"),
        pytest.param("0", id="zero"),
        pytest.param("0 s", id="zero seconds"),
        pytest.param("1:2:3:4:5:6:7", id="too many parts of a clock"),
        pytest.param("$TIMEOUT", id="variable"),
        pytest.param("9" * 400, id="endless"),
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_duration(text)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_parts_add_up_however_they_are_joined(hours: int, minutes: int) -> None:
    expected = hours * 3_600 + minutes * 60

    assert parse_duration(f"{hours}h{minutes}m") == expected
    assert parse_duration(f"{hours} hours and {minutes} minutes") == expected


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds > 0
