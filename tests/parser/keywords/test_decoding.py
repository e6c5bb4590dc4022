from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st

from spotci.parser.keywords.decoding import (
    flattened,
    given,
    is_blank,
    nested_strings,
    plain,
    required_keys,
    ruby_text,
    seconds_of,
    strings,
    together,
    unknown_keys,
)
from spotci.parser.nodes import Reference, Scalar, Sequence
from spotci.parser.problems import Problems
from tests.trees import tree

if TYPE_CHECKING:
    from spotci.parser.nodes import Node


def value(text: str) -> Node:
    return tree(f"key: {text}").entries["key"].value


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        (1, "1"),
        (1.1, "1.1"),
        (1e3, "1000.0"),
        (1e20, "1.0e+20"),
        (1.5e-7, "1.5e-07"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ("yes", "yes"),
    ],
)
def test_numbers_become_texts_as_in_ruby(scalar: object, text: str) -> None:
    assert ruby_text(scalar) == text


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("null", True),
        ("false", True),
        ("''", True),
        ("' '", True),
        ("[]", True),
        ("{}", True),
        ("0", False),
        ("true", False),
        ("[null]", False),
        ("{a: }", False),
        ("x", False),
    ],
)
def test_blank_is_what_rails_calls_blank(text: str, blank: bool) -> None:
    assert is_blank(value(text)) is blank


def test_null_counts_as_absent() -> None:
    mapping = tree("a: null\nb: 1\n")

    assert given(mapping, "a") is None
    assert given(mapping, "b") == mapping.get("b")
    assert given(mapping, "c") is None


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        pytest.param("x", 6, "write it as a list: [x]", id="text"),
        pytest.param("[a, 1]", 10, 'quote it: "1"', id="integer"),
        pytest.param("[a, yes]", 10, 'quote it: "yes"', id="boolean as written"),
        pytest.param("[a, [b]]", 10, "it must not be a list here", id="nested"),
        pytest.param(
            "[{a: b}]",
            7,
            'quote the whole line: the ": " in it makes a mapping of it',
            id="mapping",
        ),
        pytest.param("[null]", 7, None, id="null"),
    ],
)
def test_strings_points_at_what_is_none(
    text: str, column: int, hint: str | None
) -> None:
    problems = Problems()

    assert strings(value(text), "jobs:a:tags config", problems) is None

    (error,) = problems.errors
    assert error.message == "jobs:a:tags config should be an array of strings"
    assert error.span is not None
    assert (error.span.column, error.hint) == (column, hint)


@pytest.mark.parametrize("levels", [1, 9, 10])
def test_lists_may_be_nested_ten_levels(levels: int) -> None:
    problems = Problems()
    text = "[" * levels + "x" + "]" * levels

    assert nested_strings(value(text), "p", problems, single=False) == ("x",)
    assert problems.errors == []


@pytest.mark.parametrize("text", ["[" * 11 + "x" + "]" * 11, "x", "1", "{a: b}"])
def test_anything_else_is_no_nested_list(text: str) -> None:
    problems = Problems()

    assert nested_strings(value(text), "stages", problems, single=False) is None

    assert [error.message for error in problems.errors] == [
        (
            "stages config should be an array of strings or a nested array of strings"
            " up to 10 levels deep"
        )
    ]


def test_flattened_keeps_the_order() -> None:
    node = value("[a, [b, [c]], d]")
    assert isinstance(node, Sequence)

    found = [item.value for item in flattened(node) if isinstance(item, Scalar)]

    assert found == ["a", "b", "c", "d"]


def test_several_unknown_keys_share_one_message_with_a_hint_for_each() -> None:
    problems = Problems()
    mapping = tree("pahts: []\nname: x\nqqq: 1\n")

    unknown_keys(mapping, {"paths", "name"}, "jobs:a:artifacts", problems)

    (error,) = problems.errors
    assert error.message == (
        "jobs:a:artifacts config contains unknown keys: pahts, qqq"
    )
    assert error.hint == '"pahts" in line 1: did you mean "paths"?; "qqq" in line 3'


def test_hint_of_the_caller_comes_before_a_guess() -> None:
    problems = Problems()

    unknown_keys(tree("users: x\n"), {"user"}, "p", problems, hints={"users": "use it"})

    assert [error.hint for error in problems.errors] == ["use it"]


def test_required_keys_are_named() -> None:
    problems = Problems()

    assert not required_keys(tree("a: 1\n"), ("b", "a", "c"), "p", problems)
    assert required_keys(tree("a: 1\n"), ("a",), "p", problems)

    assert [error.message for error in problems.errors] == [
        "p config missing required keys: b, c"
    ]


def test_keys_that_exclude_each_other() -> None:
    problems = Problems()

    together(tree("run: []\nscript: x\n"), ("script", "run"), "p", problems)
    together(tree("script: x\n"), ("script", "run"), "p", problems)

    assert [error.message for error in problems.errors] == [
        "p config these keys cannot be used together: run, script"
    ]


def test_unresolved_reference_is_shown_by_its_argument() -> None:
    node = Reference(value("[a, b]"), value("x").span)

    assert plain(node) == ["a", "b"]
    assert not is_blank(node)


def test_seconds_of_a_duration() -> None:
    assert seconds_of("1h 30m") == timedelta(hours=1, minutes=30)


def test_plain_keeps_keys_that_are_no_texts() -> None:
    assert plain(tree("2: [a, {b: null}]\n1.5: x\nnull: y\ntrue: z\n")) == {
        2: ["a", {"b": None}],
        "1.5": "x",
        "": "y",
        True: "z",
    }


@given_values(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_reads_as_the_number(number: float) -> None:
    assert float(ruby_text(number)) == number
