from __future__ import annotations

import pytest

from tests.trees import decoded, job_of, job_with, messages_of

NESTED = "should be a string or a nested array of strings up to 10 levels deep"


@pytest.mark.parametrize(
    ("yaml", "lines"),
    [
        pytest.param("x", ("x",), id="text"),
        pytest.param("[a, b]", ("a", "b"), id="list"),
        pytest.param("[[[a], b], c]", ("a", "b", "c"), id="nested"),
        pytest.param("[]", (), id="empty list"),
        pytest.param("''", ("",), id="empty text"),
    ],
)
@pytest.mark.parametrize("keyword", ["before_script", "after_script"])
def test_script_is_flattened(keyword: str, yaml: str, lines: tuple[str, ...]) -> None:
    job = job_of(f"{keyword}: {yaml}").job

    assert getattr(job, keyword) == lines


@pytest.mark.parametrize("yaml", ["true", "1", "0.1", "{a: b}", "[1]", "[[{a: b}]]"])
@pytest.mark.parametrize("keyword", ["before_script", "after_script"])
def test_script_of_another_type(keyword: str, yaml: str) -> None:
    assert messages_of(job_with(f"{keyword}: {yaml}")) == [
        f"jobs:build:{keyword} config {NESTED}"
    ]


@pytest.mark.parametrize("yaml", ["", "''", "' '", "[]", "null"])
def test_script_must_not_be_blank(yaml: str) -> None:
    assert messages_of(f"build: {{script: {yaml}}}\n") == [
        "jobs:build script can't be blank"
    ]


def test_false_is_blank_and_of_the_wrong_type() -> None:
    assert messages_of("build: {script: false}\n") == [
        "jobs:build script can't be blank",
        f"jobs:build:script config {NESTED}",
    ]


def test_hooks() -> None:
    job = job_of("hooks: {pre_get_sources_script: [a, [b]]}").job

    assert job.pre_get_sources_script == ("a", "b")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("[a]", "jobs:build:hooks config should be a hash"),
        ("{post: a}", "jobs:build:hooks config contains unknown keys: post"),
        (
            "{pre_get_sources_script: true}",
            f"jobs:build:hooks:pre_get_sources_script config {NESTED}",
        ),
    ],
)
def test_wrong_hooks(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"hooks: {yaml}")) == [message]


def test_empty_hooks() -> None:
    assert job_of("hooks: {pre_get_sources_script: null}").job == job_of("").job


def test_null_inherits_and_an_empty_list_does_not() -> None:
    config, _ = decoded(
        "default: {before_script: [x]}\n"
        "a: {script: a, before_script: null}\n"
        "b: {script: b, before_script: []}\n"
    )

    assert config.jobs["a"].job.before_script == ("x",)
    assert config.jobs["b"].job.before_script == ()
