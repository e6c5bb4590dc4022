from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from spotci.project.setting_values import (
    WrongValueError,
    choice,
    duration,
    flag,
    number,
    size,
    text,
    texts,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (text, "a", "a"),
        (texts, ["a", "b"], ("a", "b")),
        (texts, "a, b,,", ("a", "b")),
        (texts, "", ()),
        (flag, True, True),
        (flag, "Yes", True),
        (flag, "0", False),
        (whole(1, 9), 3, 3),
        (whole(1, 9), "3", 3),
        (size, "8g", "8g"),
        (size, 4096, "4096"),
        (number, 2, 2.0),
        (number, "1.5", 1.5),
        (duration, 90, timedelta(seconds=90)),
        (duration, "90", timedelta(seconds=90)),
        (duration, 0.5, timedelta(seconds=0.5)),
        (duration, "1h 30m", timedelta(minutes=90)),
        (choice("a", "b"), "b", "b"),
    ],
)
def test_values(
    read: Callable[[object], object], value: object, expected: object
) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (text, 1, "must be a text"),
        (text, "", "must be a text"),
        (texts, 1, "must be a list of texts"),
        (texts, ["a", 1], "must be a list of texts"),
        (flag, "maybe", "must be true or false"),
        (flag, None, "must be true or false"),
        (size, "8 apples", 'must be a size such as "8g"'),
        (size, True, 'must be a size such as "8g"'),
        (whole(1, 9), 0, "must be a whole number from 1 to 9"),
        (whole(1, 9), "10", "must be a whole number from 1 to 9"),
        (whole(1, 9), "x", "must be a whole number from 1 to 9"),
        (whole(1, 9), 1.5, "must be a whole number from 1 to 9"),
        (number, "x", "must be a number above 0"),
        (number, -1, "must be a number above 0"),
        (number, True, "must be a number above 0"),
        (number, "inf", "must be a number above 0"),
        (number, "nan", "must be a number above 0"),
        (duration, True, 'must be a duration such as "1h 30m"'),
        (duration, -1, 'must be a duration such as "1h 30m"'),
        (duration, [], 'must be a duration such as "1h 30m"'),
        (duration, "soon", 'must be a duration such as "1h 30m"'),
        (duration, "9" * 400, 'must be a duration such as "1h 30m"'),
        (duration, 1e300, 'must be a duration such as "1h 30m"'),
        (choice("a", "b"), "c", "must be one of a, b"),
        (choice("a", "b"), 1, "must be one of a, b"),
    ],
)
def test_wrong_values(
    read: Callable[[object], object], value: object, message: str
) -> None:
    with pytest.raises(WrongValueError) as caught:
        read(value)

    assert str(caught.value) == message
