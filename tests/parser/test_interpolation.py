from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.parser.interpolation import InterpolationError, Values, interpolate
from spotci.variables import Level, Variable
from tests.parser.configurations import read

VALUES = Values(
    inputs={
        "text": "a b",
        "number": 7,
        "flag": True,
        "list": ["x", "y"],
        "deep": ["x", [{"name": 5}]],
        "none": None,
    },
    component={"name": "lint"},
    variables={
        "HOST": Variable(name="HOST", value="example.com", level=Level.PROJECT),
        "TOKEN": Variable(
            name="TOKEN", value="secret", level=Level.PROJECT, masked=True
        ),
    },
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$[[ inputs.number ]]", 7, id="a block keeps its type"),
        pytest.param("$[[inputs.list]]", ["x", "y"], id="without spaces"),
        pytest.param("$[[\n inputs.text\n ]]", "a b", id="lines around"),
        pytest.param(" $[[ inputs.number ]]", " 7", id="a space makes it a text"),
        pytest.param("$[[ inputs.flag ]]$[[ inputs.none ]]", "true", id="two blocks"),
        pytest.param("$[[ component.name ]]", "lint", id="component"),
        pytest.param("$[[ matrix.OS ]]", "$[[ matrix.OS ]]", id="matrix is for later"),
        pytest.param("$[[ inputs.text", "$[[ inputs.text", id="not closed"),
        pytest.param("$[[ a\nb ]]", "$[[ a\nb ]]", id="lines inside are no block"),
        pytest.param(
            "if $[[ x\nthen $[[ inputs.number ]]",
            "if $[[ x\nthen 7",
            id="a block after a beginning without end",
        ),
        pytest.param("$[[ inputs.list[1] ]]", "y", id="member of a list"),
        pytest.param("$[[ inputs.deep[1][0].name ]]", 5, id="deep in a list"),
        pytest.param("$[[ inputs.text | truncate(0, 1) ]]", "a", id="truncate"),
        pytest.param("$[[ inputs.text | posix_escape ]]", "a\\ b", id="posix_escape"),
        pytest.param("$[[ inputs.text | split(' ') ]]", ["a", "b"], id="split"),
    ],
)
def test_interpolate(text: str, expected: Any) -> None:
    value = interpolate(text, VALUES)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "$[[ inputs ]]",
            "invalid pattern used for interpolation. valid pattern is"
            " $[[ inputs.input ]]",
            id="nothing of the inputs",
        ),
        pytest.param(
            "$[[ inputs.text.length ]]",
            "unknown interpolation provided: `length` in `inputs.text.length`",
            id="a part of a text",
        ),
        pytest.param(
            "$[[ inputs.text[0] ]]",
            "cannot index into non-array value at [0] in `inputs.text[0]`",
            id="a member of a text",
        ),
        pytest.param(
            "$[[ inputs.list[2] ]]",
            "array index 2 out of bounds (size: 2) in `inputs.list[2]`",
            id="behind the end of a list",
        ),
        pytest.param(
            "$[[ inputs.list[x] ]]",
            "invalid array index in `inputs.list[x]`: `x` is not a valid index",
            id="no number as index",
        ),
        pytest.param(
            "$[[ inputs.list[0 ]]",
            "invalid array index in `inputs.list[0`: missing closing bracket",
            id="a bracket is missing",
        ),
        pytest.param(
            "$[[ inputs.list[0]x ]]",
            "invalid array index syntax in `inputs.list[0]x`",
            id="text behind an index",
        ),
        pytest.param(
            "$[[ inputs.[0] ]]",
            "invalid indexed access without a key in `inputs.[0]`",
            id="an index of nothing",
        ),
        pytest.param(
            "$[[ inputs.list[0][0][0][0][0][0] ]]",
            "too many array indices in `inputs.list[0][0][0][0][0][0]`"
            " (maximum depth: 5)",
            id="six indexes",
        ),
        pytest.param(
            "x $[[ inputs.no ]]",
            "unknown interpolation provided: `no` in `inputs.no`",
            id="input",
        ),
        pytest.param(
            "$[[ input.text ]]",
            "unknown interpolation provided: `input` in `input.text`",
            id="scope",
        ),
        pytest.param(
            "$[[ inputs.text | a | b | c | d ]]",
            "too many functions in interpolation block",
            id="functions",
        ),
        pytest.param(
            "$[[ inputs.number | expand_vars ]]",
            "error in `expand_vars` function: invalid input type: expand_vars can only"
            " be used with string inputs",
            id="type",
        ),
        pytest.param(
            f"$[[ inputs.{'a' * 1100} ]]",
            "maximum interpolation expression size exceeded",
            id="long block",
        ),
    ],
)
def test_a_wrong_block_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InterpolationError) as error:
        interpolate(text, VALUES)

    assert error.value.message == message
    assert text[error.value.start : error.value.end] == text[text.index("$[[") :]


def test_a_masked_variable_is_not_expanded() -> None:
    values = Values(inputs={"a": "$HOST $TOKEN"}, variables=VALUES.variables)

    with pytest.raises(InterpolationError, match="masked variables cannot be expanded"):
        interpolate("$[[ inputs.a | expand_vars ]]", values)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("$[[ x" * 200_000, id="not closed"),
        pytest.param("$[[ x" * 200_000 + "\nx ]]", id="closed on another line"),
        pytest.param("$[[ matrix.a ]]" * 60_000, id="for later"),
    ],
)
def test_blocks_are_found_in_linear_time(text: str) -> None:
    started = time.process_time()

    assert interpolate(text, VALUES) == text
    assert time.process_time() - started < 2


def test_inputs_that_multiply_are_refused() -> None:
    header = f"spec:\n  inputs:\n    a: {{default: {'x' * 100_000}}}\n---\n"

    _, one = read(header + "a: '" + "$[[ inputs.a ]] " * 100 + "'\n")
    _, many = read(header + "".join(f"a{n}: x$[[ inputs.a ]]\n" for n in range(500)))

    assert "too long after it was interpolated" in one[0]
    assert "The parsed YAML is too big" in many[0]


def interpolated(text: str) -> Any:
    try:
        return interpolate(text, VALUES)
    except InterpolationError as error:
        return error.message


@given(st.text(alphabet="$[]{}|.\n inputsae", max_size=60))
def test_any_text_gives_a_value_or_an_error(text: str) -> None:
    assert isinstance(interpolated(text), str | list | int | None)
