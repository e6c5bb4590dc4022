from __future__ import annotations

import pytest

from spotci.variables import Level, Variable
from tests.trees import decoded, errors_of, job_of, job_with, messages_of


def values(variables: tuple[Variable, ...]) -> dict[str, str]:
    return {variable.name: variable.value for variable in variables}


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        pytest.param("x", "x", id="text"),
        pytest.param("''", "", id="empty"),
        pytest.param("20", "20", id="integer"),
        pytest.param("1.10", "1.1", id="float"),
        pytest.param("", "", id="null"),
        pytest.param("{value: 5}", "5", id="mapping"),
        pytest.param("{}", "", id="empty mapping"),
    ],
)
def test_value(yaml: str, value: str) -> None:
    assert values(job_of(f"variables: {{A: {yaml}}}").job.variables) == {"A": value}


def test_variable_knows_where_it_comes_from() -> None:
    (variable,) = job_of("variables: {A: {value: x, expand: false}}").job.variables

    assert variable == Variable(
        name="A", value="x", level=Level.JOB, expand=False, origin=".gitlab-ci.yml"
    )
    assert str(variable.span) == ".gitlab-ci.yml:3:15"


def test_number_as_name() -> None:
    assert values(job_of("variables: {10: 20}").job.variables) == {"10": "20"}


def test_null_is_no_variables() -> None:
    assert job_of("variables: null").job.variables == ()


def test_root_variables_have_more_keys() -> None:
    config, problems = decoded(
        "variables: {A: {value: b, description: d, options: [a, b], expand: true}}\n"
        "build: {script: x}\n"
    )

    assert problems.errors == []
    assert values(config.variables) == {"A": "b"}
    assert config.variables[0].level is Level.ROOT


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("test", "variables config should be a hash"),
        ("[A]", "variables config should be a hash"),
        (
            "{A: [b]}",
            "variables:A variable definition must be either a string or a hash",
        ),
        (
            "{A: true}",
            "variables:A variable definition must be either a string or a hash",
        ),
        (
            "{A: {value: no}}",
            "variables:A config value must be an alphanumeric string",
        ),
        ("{true: b}", "variables:true key must be an alphanumeric string"),
        ("{A: {value: [b]}}", "variables:A config value must be a scalar"),
        ("{A: {expand: 1}}", "variables:A config expand should be a boolean value"),
    ],
)
def test_wrong_variables(yaml: str, message: str) -> None:
    assert messages_of(f"variables: {yaml}\nbuild: {{script: x}}\n") == [message]
    assert messages_of(job_with(f"variables: {yaml}")) == [f"jobs:build:{message}"]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("{foo: x}", "config uses invalid data keys: foo"),
        ("{options: x}", "config options should be an array of strings"),
        (
            "{value: c, options: [a, b]}",
            "config value must be present in options",
        ),
        ("{options: [a, b]}", "config value must be present in options"),
        ("{description: [a]}", "config description must be an alphanumeric string"),
    ],
)
def test_wrong_root_variable(yaml: str, message: str) -> None:
    assert messages_of(f"variables: {{A: {yaml}}}\nbuild: {{script: x}}\n") == [
        f"variables:A {message}"
    ]


def test_description_in_a_job() -> None:
    assert errors_of(job_with("variables:\n  A: {value: x, description: y}")) == [
        """\
.gitlab-ci.yml:4:19: error: jobs:build:variables:A config uses invalid data keys: \
description
    4 |     A: {value: x, description: y}
      |                   ^^^^^^^^^^^
hint: the keys allowed here are value, expand"""
    ]
