from __future__ import annotations

from datetime import timedelta

import pytest

from spotci.parser.keywords.job import Kind, kind_of
from spotci.pipeline import When
from tests.trees import decoded, errors_of, job_of, job_with, messages_of, tree

WHEN = "when should be one of: on_success, on_failure, always, manual, delayed"


@pytest.mark.parametrize(
    ("yaml", "kind"),
    [
        ("{script: x}", Kind.JOB),
        ("{script: }", Kind.JOB),
        ("{run: []}", Kind.JOB),
        ("{script: x, trigger: y}", Kind.JOB),
        ("{trigger: x}", Kind.BRIDGE),
        ("{needs: x}", Kind.BRIDGE),
        ("{image: x}", None),
        ("{}", None),
        ("[script]", None),
        ("script", None),
        ("", None),
    ],
)
def test_kind_of_a_job(yaml: str, kind: Kind | None) -> None:
    assert kind_of(tree(f"a: {yaml}\n").entries["a"].value) is kind


def test_plain_fields() -> None:
    job = job_of(
        """\
stage: deploy
resource_group: $CI_ENVIRONMENT_NAME
manual_confirmation: Sure?
extends: [.a, .b]
coverage: '/Code coverage: \\d+\\.\\d+/'
when: manual
"""
    )

    assert job.job.stage == "deploy"
    assert job.job.resource_group == "$CI_ENVIRONMENT_NAME"
    assert job.job.manual_confirmation == "Sure?"
    assert job.job.extends == (".a", ".b")
    assert job.job.coverage == r"Code coverage: \d+\.\d+"
    assert job.job.when is When.MANUAL
    assert job.when is When.MANUAL


def test_what_is_not_written_is_none() -> None:
    job = job_of("")

    assert job.when is None
    assert job.job.when is When.ON_SUCCESS
    assert job.rules is None
    assert job.needs is None
    assert job.only is None
    assert job.parallel is None


def test_delayed_job() -> None:
    job = job_of("when: delayed\nstart_in: 1 week").job

    assert job.start_in == timedelta(weeks=1)
    assert job.start_in_text == "1 week"


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("stage: 1", [":stage config should be a string"]),
        ("stage: ''", [":stage config can't be blank"]),
        ("stage: [a]", [":stage config should be a string"]),
        ("resource_group: 1", [" resource group should be a string"]),
        ("manual_confirmation: true", [" manual confirmation should be a string"]),
        ("extends: 123", [" extends should be an array of strings or a string"]),
        ("when: 1", [" when should be a string", f" {WHEN}"]),
        ("when: [on_success]", [" when should be a string", f" {WHEN}"]),
        ("when: never", [f" {WHEN}"]),
        ("when: delayed", [" start in should be a duration"]),
        ("when: delayed\nstart_in: null", [" start in should be a duration"]),
        ("when: delayed\nstart_in: test", [" start in should be a duration"]),
        ("when: delayed\nstart_in: 8 days", [" start in should not exceed the limit"]),
        ("start_in: 1 day", [" start in must be blank"]),
        (
            "coverage: abc",
            [":coverage config must be a regular expression with re2 syntax"],
        ),
        (
            "coverage: '/(/'",
            [":coverage config must be a regular expression with re2 syntax"],
        ),
        (
            "coverage: 1",
            [":coverage config must be a regular expression with re2 syntax"],
        ),
        ("rules: [{if: $A}]\nonly: null\nexcept: null\nstart_in: null", []),
        ("rules: null\nonly: [main]", []),
        ("when: always\nrules: [{if: $A}]\nallow_failure: true", []),
        (
            "only: [a]\nexcept: [b]\nrules: [{if: $A}]",
            [" config key may not be used with `rules`: only, except"],
        ),
    ],
)
def test_checks_of_a_job(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(yaml)) == [f"jobs:build{text}" for text in messages]


def test_only_with_rules_is_marked_at_only() -> None:
    assert errors_of(job_with("rules:\n  - if: $A\nonly: [main]")) == [
        """\
.gitlab-ci.yml:5:3: error: jobs:build config key may not be used with `rules`: only
    5 |   only: [main]
      |   ^^^^
hint: write the condition as a rule"""
    ]


def test_misspelled_when() -> None:
    assert errors_of(job_with("when: manuel")) == [
        f"""\
.gitlab-ci.yml:3:9: error: jobs:build {WHEN}
    3 |   when: manuel
      |         ^^^^^^
hint: did you mean "manual"?"""
    ]


def test_order_of_the_jobs_is_that_of_the_text() -> None:
    config, _ = decoded("b: {script: x}\na: {script: x}\n.c: {script: x}\n")

    assert list(config.jobs) == ["b", "a"]


def test_an_error_in_one_job_does_not_hide_the_next() -> None:
    assert messages_of("a: {script: x, tags: 1}\nb: {script: x, retry: 9}\n") == [
        "jobs:a:tags config should be an array of strings",
        "jobs:b:retry config must be less than or equal to 2",
    ]


@pytest.mark.parametrize(
    ("keywords", "hint"),
    [
        pytest.param("trigger: a/b", "make two of it", id="trigger beside a script"),
        pytest.param("if: $A", "write rules:", id="condition"),
        pytest.param("depends_on: [a]", "GitLab calls it needs", id="other system"),
        pytest.param("changes: [a]", "an entry of rules:", id="key of a rule"),
        pytest.param("only: {tags: [v1]}", "refs: [branches, tags]", id="key of only"),
    ],
)
def test_hints_for_keys_that_do_not_belong(keywords: str, hint: str) -> None:
    errors = errors_of(job_with(keywords))

    assert "config contains unknown keys" in errors[0]
    assert hint in errors[0]
