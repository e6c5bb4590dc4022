from __future__ import annotations

import pytest

from spotci.parser.keywords.artifacts import REPORTS
from spotci.parser.keywords.default import INHERITABLE
from spotci.parser.keywords.support import KEYWORDS, Support
from tests.trees import decoded, job_with


@pytest.mark.parametrize("keyword", [*INHERITABLE, "script", "rules", "trigger", "run"])
def test_table_knows_the_keywords_of_jobs(keyword: str) -> None:
    assert any(path.partition(":")[0] == keyword for path in KEYWORDS)


def test_reports_in_the_table_exist() -> None:
    kinds = {path.rpartition(":")[2] for path in KEYWORDS if ":reports:" in path}

    assert kinds <= REPORTS


@pytest.mark.parametrize(
    "path", [p for p, k in KEYWORDS.items() if k.support is Support.NOT_EXECUTED]
)
def test_what_is_not_executed_says_what_is_missing(path: str) -> None:
    assert KEYWORDS[path].note


@pytest.mark.parametrize(
    ("yaml", "place", "path"),
    [
        ("secrets: {A: {vault: a/b}}", "3:3", "secrets"),
        ("id_tokens: {A: {aud: b}}", "3:3", "id_tokens"),
        ("identity: google_cloud", "3:3", "identity"),
        ("pages: true", "3:3", "pages"),
        ("release: {tag_name: a, description: b}", "3:3", "release"),
        ("dast_configuration: {site_profile: a}", "3:3", "dast_configuration"),
        ("image: {name: a, kubernetes: {user: b}}", "3:20", "image:kubernetes"),
        (
            "services: [{name: a, kubernetes: {user: b}}]",
            "3:24",
            "services:kubernetes",
        ),
        (
            "environment: {name: a, kubernetes: {agent: b}}",
            "3:26",
            "environment:kubernetes",
        ),
    ],
)
def test_warning_with_its_place(yaml: str, place: str, path: str) -> None:
    _, problems = decoded(job_with(yaml))

    (warning,) = problems.warnings
    keyword = KEYWORDS[path]
    assert warning.message == f"`{path}` is not executed here: {keyword.note}"
    assert warning.hint == keyword.hint
    assert str(warning.span) == f".gitlab-ci.yml:{place}"


def test_one_warning_for_a_keyword_where_it_stands_first() -> None:
    _, problems = decoded(
        "default: {id_tokens: {A: {aud: x}}}\n"
        "a: {trigger: g/p}\n"
        "b: {trigger: g/p}\n"
        "c: {script: x, id_tokens: {B: {aud: x}}}\n"
    )

    assert [(str(w.span), w.message.split("`")[1]) for w in problems.warnings] == [
        (".gitlab-ci.yml:1:11", "id_tokens")
    ]


@pytest.mark.parametrize(
    "yaml",
    ["pages: false", "secrets: null", "tags: [a]", "needs: [{pipeline: b, job: c}]"],
)
def test_no_warning(yaml: str) -> None:
    assert decoded(job_with(yaml))[1].warnings == []


def test_hidden_jobs_warn_of_nothing() -> None:
    _, problems = decoded(".a: {secrets: {A: {vault: a/b}}}\nb: {script: x}\n")

    assert problems.warnings == []


def test_run_warns() -> None:
    _, problems = decoded("a: {run: [{name: b, script: c}]}\n")

    assert [warning.message.split("`")[1] for warning in problems.warnings] == ["run"]
