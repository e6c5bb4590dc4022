from __future__ import annotations

import pytest

from spotci.parser.model import Workflow
from tests.trees import decoded, messages_of

JOB = "build: {script: x}\n"


@pytest.mark.parametrize(
    ("yaml", "workflow"),
    [
        ("null", Workflow()),
        ("{}", Workflow()),
        ("{name: A pipeline}", Workflow(name="A pipeline")),
        ("{name: null, rules: null, auto_cancel: null}", Workflow(has_rules=True)),
        ("{rules: []}", Workflow(rules=(), has_rules=True)),
        (
            "{auto_cancel: {on_new_commit: interruptible, on_job_failure: all}}",
            Workflow(
                auto_cancel_on_new_commit="interruptible",
                auto_cancel_on_job_failure="all",
            ),
        ),
    ],
)
def test_workflow(yaml: str, workflow: Workflow) -> None:
    config, problems = decoded(f"workflow: {yaml}\n{JOB}")

    assert problems.errors == []
    assert config.workflow == workflow


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("build", [" config should be a hash"]),
        ("{variables: {A: b}}", [" config contains unknown keys: variables"]),
        ("{name: 1}", [" name should be a string"]),
        ("{name: ''}", [" name is too short (minimum is 1 character)"]),
        (f"{{name: {'a' * 256}}}", [" name is too long (maximum is 255 characters)"]),
        ("{auto_cancel: x}", [":auto_cancel config should be a hash"]),
        ("{auto_cancel: {foo: x}}", [":auto_cancel config contains unknown keys: foo"]),
        (
            "{auto_cancel: {on_new_commit: x}}",
            [
                (
                    ":auto_cancel on new commit must be one of: conservative,"
                    " interruptible, none"
                )
            ],
        ),
        (
            "{auto_cancel: {on_job_failure: [all]}}",
            [
                ":auto_cancel on job failure should be a string",
                ":auto_cancel on job failure must be one of: none, all",
            ],
        ),
    ],
)
def test_wrong_workflow(yaml: str, messages: list[str]) -> None:
    assert messages_of(f"workflow: {yaml}\n{JOB}") == [
        f"workflow{message}" for message in messages
    ]


@pytest.mark.parametrize(
    ("yaml", "stages"),
    [
        ("[a, b]", (".pre", "a", "b", ".post")),
        ("[a, [b, [c]], d]", (".pre", "a", "b", "c", "d", ".post")),
        ("[s1, .pre]", (".pre", "s1", ".post")),
        ("[.post, a, .pre]", (".pre", "a", ".post")),
        ("[]", (".pre", ".post")),
        ("null", (".pre", "build", "test", "deploy", ".post")),
    ],
)
def test_stages(yaml: str, stages: tuple[str, ...]) -> None:
    assert decoded(f"stages: {yaml}\n{JOB}")[0].stages == stages


@pytest.mark.parametrize("yaml", ["[true, test]", "test", "{test: true}", "[[[1]]]"])
def test_wrong_stages(yaml: str) -> None:
    assert messages_of(f"stages: {yaml}\n{JOB}") == [
        (
            "stages config should be an array of strings or a nested array of strings"
            " up to 10 levels deep"
        )
    ]
