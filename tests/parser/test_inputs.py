"""What GitLab checks of ``spec:inputs``, in its words, and the values that result."""

from __future__ import annotations

from typing import Any

import pytest

from spotci.context import InputText
from spotci.parser.inputs import InputsError, check_definitions, resolve_inputs


def errors_of(spec: Any, inputs: Any = None) -> list[str]:
    with pytest.raises(InputsError) as caught:
        resolve_inputs(spec, inputs or {})
    return caught.value.messages


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        pytest.param("text", " config should be a hash", id="no map"),
        pytest.param({"x": 1}, " config contains unknown keys: x", id="unknown key"),
        pytest.param({"type": "x"}, " input type unknown value: x", id="type"),
        pytest.param({"type": []}, " input type unknown value: []", id="list as type"),
        pytest.param({"type": None}, " input type unknown value: ", id="null type"),
        pytest.param(
            {"description": True},
            " input description must be an alphanumeric string",
            id="description",
        ),
        pytest.param({"regex": 1}, " input regex should be a string", id="regex"),
        pytest.param({"options": 1}, " input options should be an array", id="options"),
        pytest.param(
            {"options": ["a"] * 51},
            " config cannot define more than 50 options",
            id="51 options",
        ),
        pytest.param(
            {"options": ["a", None]},
            " config options array cannot contain null values",
            id="null among options",
        ),
        pytest.param(
            {"rules": [], "default": 1},
            " config these keys cannot be used together: rules, default",
            id="rules and default",
        ),
        pytest.param(
            {"rules": "x"}, ":rules config should be an array of hashes", id="rules"
        ),
        pytest.param({"rules": [1]}, ":rules:rule config should be a hash", id="rule"),
        pytest.param({"rules": [{}]}, ":rules:rule config can't be blank", id="blank"),
        pytest.param(
            {"rules": [{"options": 1}]},
            ":rules:rule options should be an array",
            id="options of a rule",
        ),
        pytest.param(
            {"rules": [{"if": "$["}]},
            ":rules:rule if invalid expression syntax",
            id="expression",
        ),
        pytest.param(
            {"rules": [{"if": True, "default": 1}]},
            ":rules:rule if invalid expression syntax",
            id="no expression",
        ),
        pytest.param(
            {"rules": [{"if": "$[[ inputs.x ]]"}]},
            ":rules:rule config rule with 'if' must define 'options' or 'default'",
            id="a condition for nothing",
        ),
        pytest.param(
            {"rules": [{"default": "a"}]},
            ":rules:rule config fallback rule must define 'options'",
            id="fallback",
        ),
        pytest.param(
            {"rules": [{"if": None, "default": "a"}]},
            ":rules:rule config fallback rule must define 'options'",
            id="a null condition is none",
        ),
    ],
)
def test_wrong_definitions(definition: Any, message: str) -> None:
    assert f"header:spec:inputs:x{message}" in errors_of({"x": definition})


def test_rules_may_only_ask_for_inputs_that_are_defined() -> None:
    asks = {"rules": [{"options": ["a"]}, {"if": "!$[[ inputs.z ]]", "default": "a"}]}

    assert errors_of({"x": asks}) == [
        "header:spec:inputs:x config rule[1] references undefined inputs: z"
    ]


@pytest.mark.parametrize(
    "names", [pytest.param(["a"], id="itself"), pytest.param(["b", "a"], id="in turn")]
)
def test_rules_may_not_ask_in_a_circle(names: list[str]) -> None:
    spec = {
        name: {"rules": [{"if": f"$[[ inputs.{asked} ]] == '1'", "default": "1"}]}
        for name, asked in zip(sorted(names), names, strict=True)
    }

    assert errors_of(spec) == [
        "header:spec:inputs:a config circular dependency detected"
    ]


@pytest.mark.parametrize(
    ("definition", "given", "message"),
    [
        pytest.param(
            {"default": "x", "options": ["a"]},
            "a",
            "`x` cannot be used because it is not in the list of allowed options",
            id="a default is checked although a value is given",
        ),
        pytest.param(
            {"type": "number", "options": [1]},
            2,
            "`2` cannot be used because it is not in the list of the allowed options",
            id="numbers have words of their own",
        ),
        pytest.param(
            {"type": "boolean", "options": [True]},
            True,
            "Options can only be used with string and number inputs",
            id="options of a boolean",
        ),
        pytest.param(
            {"type": "array", "regex": "x"},
            [],
            "RegEx validation can only be used with string inputs",
            id="regex of an array",
        ),
        pytest.param({"regex": "("}, "a", "invalid regular expression", id="no regex"),
        pytest.param(
            {"default": None}, "a", "default value is not a string", id="null default"
        ),
        pytest.param({}, None, "required value has not been provided", id="null given"),
    ],
)
def test_wrong_values(definition: Any, given: Any, message: str) -> None:
    assert errors_of({"x": definition}, {"x": given}) == [f"`x` input: {message}"]


KIND = {"options": ["plain", "custom"], "default": "plain"}


@pytest.mark.parametrize(
    ("rules", "inputs", "expected"),
    [
        pytest.param(
            [{"if": "$[[ inputs.kind ]] == 'custom'", "default": "a"}],
            {"kind": "custom"},
            "a",
            id="the rule that matches",
        ),
        pytest.param(
            [{"if": "$[[ inputs.kind ]] == 'custom'", "default": None}],
            {},
            "",
            id="no rule matches: nothing needs to be given",
        ),
        pytest.param([{"options": ["a"], "default": "a"}], {}, "a", id="the fallback"),
        pytest.param(
            [{"options": [1], "default": "1"}], {}, "1", id="options are texts"
        ),
    ],
)
def test_rules_of_an_input(rules: Any, inputs: Any, expected: str) -> None:
    values = resolve_inputs({"kind": KIND, "x": {"rules": rules}}, inputs)

    assert values["x"] == expected


def test_a_null_default_of_the_rule_that_matches_asks_for_a_value() -> None:
    rules = [{"if": "$[[ inputs.kind ]] == 'custom'", "default": None}]
    spec = {"kind": KIND, "x": {"rules": rules}}

    assert errors_of(spec, {"kind": "custom"}) == [
        "`x` input: required value has not been provided"
    ]
    assert resolve_inputs(spec, {"kind": "custom", "x": "y"})["x"] == "y"


def test_the_command_line_gives_texts() -> None:
    spec = {"n": {"type": "number"}, "l": {"type": "array"}, "s": None}
    given = {"n": "7", "l": '["a"]', "s": "7"}

    values = resolve_inputs(spec, {name: InputText(v) for name, v in given.items()})

    assert values == {"n": 7, "l": ["a"], "s": "7"}


def test_definitions_without_faults_are_accepted() -> None:
    check_definitions({"a": None, "b": {"description": 1, "type": "array"}})
