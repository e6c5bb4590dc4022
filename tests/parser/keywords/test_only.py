from __future__ import annotations

import pytest

from spotci.parser.model import Only, RefPattern
from tests.trees import job_of, job_with, messages_of

PATTERNS = "should be an array of strings or regular expressions using re2 syntax"


def refs(*patterns: str) -> tuple[RefPattern, ...]:
    return tuple(RefPattern(pattern=pattern) for pattern in patterns)


@pytest.mark.parametrize(
    ("yaml", "only"),
    [
        pytest.param(
            "[main, /^v\\d/i]", Only(refs=refs("main", "/^v\\d/i")), id="list"
        ),
        pytest.param("[]", Only(refs=()), id="empty list"),
        pytest.param(
            "[branches@group/project]",
            Only(refs=(RefPattern(pattern="branches", project="group/project"),)),
            id="project",
        ),
        pytest.param("{refs: [main]}", Only(refs=refs("main")), id="refs"),
        pytest.param("{changes: [a/*]}", Only(changes=("a/*",)), id="changes"),
        pytest.param("{kubernetes: active}", Only(kubernetes=True), id="kubernetes"),
        pytest.param("{refs: null}", Only(), id="null in it"),
        pytest.param("null", None, id="null"),
    ],
)
@pytest.mark.parametrize("keyword", ["only", "except"])
def test_only_and_except(keyword: str, yaml: str, only: Only | None) -> None:
    job = job_of(f"{keyword}: {yaml}")

    assert (job.only if keyword == "only" else job.except_) == only


def test_variables_are_expressions() -> None:
    only = job_of("only: {variables: [$A, '$B == \"b\"']}").only

    assert only is not None
    assert only.variables is not None
    assert [condition.text for condition in only.variables] == ["$A", '$B == "b"']


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("1", " has to be either an array of conditions or a hash"),
        ("main", " has to be either an array of conditions or a hash"),
        ("[1]", f" config {PATTERNS}"),
        ("[/*invalid/]", f" config {PATTERNS}"),
        ("{}", " config can't be blank"),
        ("{foo: 1}", " config contains unknown keys: foo"),
        ("{refs: main}", f" refs {PATTERNS}"),
        ("{refs: [/(/]}", f" refs {PATTERNS}"),
        ("{variables: $A}", " variables should be an array of strings"),
        ("{variables: ['$A ==']}", " variables invalid expression syntax"),
        ("{changes: [1]}", " changes should be an array of strings"),
        ("{changes: a}", " changes should be an array of strings"),
        ("{kubernetes: x}", " kubernetes unknown value: x"),
        ("{kubernetes: [x]}", " kubernetes unknown value: a list or a map"),
    ],
)
@pytest.mark.parametrize("keyword", ["only", "except"])
def test_wrong_only_or_except(keyword: str, yaml: str, message: str) -> None:
    assert messages_of(job_with(f"{keyword}: {yaml}")) == [
        f"jobs:build:{keyword}{message}"
    ]
