"""Where gitlab-ci-local 4.75 decides otherwise than GitLab, and spotci as GitLab does.

Found by running both on the same small pipelines. Those that a run is needed for are in
``test_peer_faults.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

import pytest

from spotci.context import MergeRequest
from tests.compiling import (
    compile_text,
    config_errors,
    job_of,
    pipeline_of,
    yaml_variables,
)
from tests.contexts import FakeReader, FakeRepository

FILES = FakeRepository(paths=(".gitlab-ci.yml", "Dockerfile", "src/a/main.go"))
REQUEST = MergeRequest(source_branch="feature", target_branch="main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition, the variables that it sees, and whether it holds."""

    condition: str
    holds: bool
    variables: dict[str, str] = field(default_factory=dict)


RULES = {
    "an empty text ends an or": Rule(
        condition='$EMPTY || $TEXT == "x"', holds=False, variables={"EMPTY": ""}
    ),
    "an empty text is no end of an and": Rule(
        condition="$EMPTY && $TEXT", holds=True, variables={"EMPTY": "", "TEXT": "x"}
    ),
    "a text on the right of =~ contains the left": Rule(
        condition='$TEXT =~ "a text of words"', holds=True, variables={"TEXT": "text"}
    ),
    "nothing on the right of =~": Rule(
        condition="$TEXT =~ $UNDEFINED", holds=False, variables={"TEXT": "x"}
    ),
    "values are not expanded": Rule(
        condition='$B == "a"', holds=False, variables={"A": "a", "B": "$A"}
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_conditions(rule: Rule) -> None:
    compilation = compile_text(
        f"job: {{rules: [{{if: '{rule.condition}'}}], script: [x]}}\n"
        "other: {script: [x]}\n",
        variables=rule.variables,
    )

    assert compilation.pipeline is not None
    assert ("job" in compilation.pipeline.jobs) is rule.holds


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        pytest.param("Dockerfile", True, id="name"),
        pytest.param("*.go", False, id="star stays in its folder"),
        pytest.param("**/*.go", True, id="any folder"),
        pytest.param("src", False, id="a folder is no file"),
        pytest.param("src/**", False, id="two stars at the end are one"),
        pytest.param("src/**/*", True, id="all below"),
        pytest.param("./Dockerfile", False, id="a path has no dot before it"),
    ],
)
def test_exists(pattern: str, *, found: bool) -> None:
    pipeline = pipeline_of(
        f"job: {{rules: [{{exists: ['{pattern}']}}], script: [x]}}\n"
        "other: {script: [x]}\n",
        repository=FILES,
    )

    assert ("job" in pipeline.jobs) is found


@pytest.mark.parametrize(
    ("circumstances", "names"),
    [
        pytest.param({}, ["plain", "no-schedule"], id="push"),
        pytest.param(
            {"source": "schedule"}, ["plain", "by-rule", "schedules"], id="schedule"
        ),
        pytest.param({"merge_request": REQUEST}, ["requests"], id="merge request"),
    ],
)
def test_jobs_of_an_event(circumstances: dict[str, Any], names: list[str]) -> None:
    pipeline = pipeline_of(
        """\
        plain: {script: [x]}
        by-rule: {rules: [{if: $CI_PIPELINE_SOURCE == "schedule"}], script: [x]}
        schedules: {only: [schedules], script: [x]}
        no-schedule: {except: [schedules], script: [x]}
        requests: {only: [merge_requests], script: [x]}
        """,
        **circumstances,
    )

    assert list(pipeline.jobs) == names


@pytest.mark.parametrize(
    ("keywords", "value"),
    [
        pytest.param("extends: .base", "base", id="kept"),
        pytest.param("extends: .base\n  variables: {}", "base", id="nothing added"),
        pytest.param("extends: .base\n  variables: null", "root", id="null removes"),
        pytest.param("<<: *base\n  variables: {A: own}", "own", id="key after merge"),
        pytest.param("variables: {A: own}\n  <<: *base", "base", id="key before merge"),
    ],
)
def test_what_a_job_takes_over(keywords: str, value: str) -> None:
    job = job_of(
        "variables: {A: root}\n"
        ".base: &base {variables: {A: base}}\n"
        f"job:\n  {keywords}\n  script: [x]\n"
    )

    assert yaml_variables(job)["A"] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'variables: {A: "$B", B: "$A"}\njob: {script: [x]}\n',
            'job: circular variable reference detected: ["A", "B"]',
            id="circle of variables",
        ),
        pytest.param(
            "a: {rules: [{when: never}], script: [x]}\nb: {needs: [a], script: [x]}\n",
            "'b' job needs 'a' job, but 'a' does not exist in the pipeline",
            id="need that is left out",
        ),
        pytest.param(
            "include: {local: part.yml, inputs: {n: abc}}\n",
            "`n` input: provided value does not match required RegEx pattern",
            id="input that does not match",
        ),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    part = dedent("""\
        spec: {inputs: {n: {regex: '^[0-9]+$'}}}
        ---
        job: {script: [x]}
        """)

    errors = config_errors(text, reader=FakeReader(texts={"part.yml": part}))

    assert any(message in error for error in errors)
