from __future__ import annotations

import pytest

from tests.trees import decoded, job_of, job_with, messages_of


def test_defaults_by_name() -> None:
    inputs = job_of(
        """\
inputs:
  text: {default: a, options: [a, b], description: d}
  number: {type: number, default: 1.5}
  flag: {type: boolean, default: false}
  list: {type: array, default: [x]}
  version: {default: v1, regex: ^v\\d}
"""
    ).job.inputs

    assert inputs == {
        "text": "a",
        "number": 1.5,
        "flag": False,
        "list": ["x"],
        "version": "v1",
    }


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("x", ":inputs config should be a hash"),
        ("{a: x}", ":inputs:a config should be a hash"),
        ("{a: {}}", ":inputs:a must have a default value"),
        ("{a: {default: b, foo: c}}", ":inputs:a config contains unknown keys: foo"),
        ("{a: {default: 1}}", ":inputs:a default value is not a string"),
        (
            "{a: {default: b, type: number}}",
            ":inputs:a default value is not a number",
        ),
        (
            "{a: {default: b, type: boolean}}",
            ":inputs:a default value is not a boolean",
        ),
        ("{a: {default: b, type: array}}", ":inputs:a default value is not an array"),
        ("{a: {default: b, type: c}}", ":inputs:a input type unknown value: c"),
        ("{a: {default: b, options: c}}", ":inputs:a input options should be a array"),
        (
            "{a: {default: b, options: [c]}}",
            (
                ":inputs:a `b` cannot be used because it is not in the list of allowed"
                " options"
            ),
        ),
        (
            "{a: {default: b, options: [b, null]}}",
            ":inputs:a config options array cannot contain null values",
        ),
        (
            "{a: {default: b, options: [" + "b, " * 51 + "]}}",
            ":inputs:a config cannot define more than 50 options",
        ),
        ("{a: {default: b, regex: 1}}", ":inputs:a input regex should be a string"),
        (
            "{a: {default: b, regex: '('}}",
            ":inputs:a input regex is not a valid RE2 pattern",
        ),
        (
            "{a: {default: b, regex: c}}",
            ":inputs:a default value does not match required RegEx pattern",
        ),
        (
            "{" + ", ".join(f"i{n}: {{default: x}}" for n in range(51)) + "}",
            ":inputs has too many entries (maximum 50)",
        ),
    ],
)
def test_wrong_inputs(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"inputs: {yaml}")) == [f"jobs:build{message}"]


def test_references_that_the_runner_could_not_replace_are_doubted() -> None:
    _, problems = decoded(
        """\
deploy:
  inputs: {target: {default: a}}
  script: [x, "${{ job.inputs.traget }}"]
  image: {name: "${{ job.inputs.target }}"}
plain:
  script: "${{ job.inputs.any }}"
"""
    )

    assert problems.errors == []
    (warning,) = problems.warnings
    assert str(warning).splitlines()[0] == (
        ".gitlab-ci.yml:3:15: warning: jobs:deploy would fail: failed to interpolate"
        " job inputs: `job.inputs.traget`: there is no 'traget'"
    )
