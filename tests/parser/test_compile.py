from __future__ import annotations

import json
import sys
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import ConfigError
from spotci.parser.compile import check, compile_config, compile_pipeline
from spotci.parser.config import decode
from spotci.parser.load import load
from spotci.parser.problems import Problems
from spotci.source import SourceFile
from tests.compiling import compile_text, config_errors, pipeline_of
from tests.contexts import FakeRepository, context

NO_JOBS = (
    "Pipeline will not run for the selected trigger. The rules configuration prevented"
    " any jobs from being added to the pipeline."
)


def test_jobs_are_in_the_order_of_the_stages() -> None:
    pipeline = pipeline_of(
        """
        stages: [one, two]
        last: {stage: .post, script: x}
        b: {stage: two, script: x}
        a: {stage: one, script: x}
        first: {stage: .pre, script: x}
        c: {stage: one, script: x}
        """
    )

    assert list(pipeline.jobs) == ["first", "a", "c", "b", "last"]
    assert pipeline.stages == (".pre", "one", "two", ".post")


def test_the_pipeline_knows_its_event_and_its_variables() -> None:
    pipeline = pipeline_of("job: {script: x}", source="web", variables={"A": "1"})

    assert (pipeline.source, pipeline.ref) == ("web", "main")
    assert {"CI", "A"} <= {item.name for item in pipeline.variables}


@pytest.mark.parametrize(
    ("text", "filtered_by", "reason"),
    [
        pytest.param(
            "workflow: {rules: [if: $NO]}\njob: {script: x}",
            "workflow_rules",
            "Pipeline filtered out by workflow rules.",
            id="no workflow rule matches",
        ),
        pytest.param(
            "workflow: {rules: [when: never]}\njob: {script: x}",
            "workflow_rules",
            "Pipeline filtered out by workflow rules.",
            id="workflow says never",
        ),
        pytest.param(
            "job: {script: x, rules: [if: $NO]}",
            "no_jobs",
            NO_JOBS,
            id="no job is left",
        ),
        pytest.param(
            "job: {stage: .pre, script: x}\nend: {stage: .post, script: x}",
            "no_jobs",
            NO_JOBS,
            id="only edge stages",
        ),
    ],
)
def test_without_a_pipeline_there_is_a_reason(
    text: str, filtered_by: str, reason: str
) -> None:
    compilation = compile_text(text)

    assert compilation.pipeline is None
    assert (compilation.filtered_by, compilation.reason) == (filtered_by, reason)
    assert "job" in compilation.excluded_jobs
    assert all(excluded.reason for excluded in compilation.excluded)


def test_a_filtered_pipeline_has_no_errors_of_its_jobs() -> None:
    compilation = compile_text(
        """
        workflow: {rules: [if: $NO]}
        a: {stage: build, script: x, rules: [if: $NO]}
        b: {script: x, needs: [a]}
        """
    )

    assert compilation.filtered_by == "workflow_rules"


def test_a_workflow_rule_that_cannot_be_decided_does_not_match() -> None:
    compilation = compile_text(
        """
        workflow: {rules: [changes: {paths: [a], compare_to: nope}]}
        job: {script: x}
        """
    )

    assert compilation.filtered_by == "workflow_rules"
    assert [warning.message for warning in compilation.warnings] == [
        "Failed to parse rule for workflow: rules:changes:compare_to is not a valid ref"
    ]


@pytest.mark.parametrize(
    ("message", "source", "skipped"),
    [
        ("fix: typo [skip ci]", "push", True),
        ("fix: typo [CI SKIP]", "push", True),
        ("fix: typo\n\n[ci-skip]", "merge_request_event", True),
        ("fix: typo [skip ci]", "web", False),
        ("fix: typo [skip ci]", "schedule", False),
        ("fix: typo (skip ci)", "push", False),
    ],
)
def test_skip_ci(message: str, source: str, *, skipped: bool) -> None:
    compilation = compile_text(
        "job: {script: x}", source=source, predefined={"CI_COMMIT_MESSAGE": message}
    )

    assert (compilation.pipeline is None) is skipped
    assert compilation.filtered_by == ("skip_ci" if skipped else None)


def test_the_first_reason_for_no_pipeline_is_told() -> None:
    compilation = compile_text(
        "workflow: {rules: [if: $NO]}\njob: {script: x, rules: [if: $NO]}",
        predefined={"CI_COMMIT_MESSAGE": "[skip ci]"},
    )

    assert compilation.filtered_by == "workflow_rules"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("$CI_COMMIT_BRANCH $RULE $ROOT", "main from rule"),
        ("' $UNSET '", None),
        ("$NESTED", "main!"),
    ],
)
def test_the_name_is_expanded(name: str, expected: str | None) -> None:
    pipeline = pipeline_of(
        f"""
        variables: {{NESTED: "${{CI_COMMIT_BRANCH}}!"}}
        workflow:
          name: {name}
          rules: [variables: {{RULE: from rule}}]
        job: {{script: x}}
        """
    )

    assert pipeline.name == expected


def test_auto_cancel_of_the_matched_rule_wins() -> None:
    pipeline = pipeline_of(
        """
        workflow:
          auto_cancel: {on_new_commit: interruptible, on_job_failure: all}
          rules:
            - {if: $NO, auto_cancel: {on_new_commit: conservative}}
            - {if: $CI, auto_cancel: {on_new_commit: none}}
        job: {script: x}
        """
    )

    assert pipeline.auto_cancel_on_new_commit == "none"
    assert pipeline.auto_cancel_on_job_failure == "all"


def test_the_trace_of_the_workflow_is_kept() -> None:
    compilation = compile_text(
        "workflow: {rules: [if: $NO, if: $CI]}\njob: {script: x}"
    )

    assert [trace.matched for trace in compilation.workflow_trace] == [False, True]


def test_all_errors_are_reported_at_once() -> None:
    errors = config_errors(
        """
        a: {script: x, stage: nope}
        b: {script: x, needs: [nope]}
        c: {script: x, dependencies: [nope]}
        """
    )

    assert len(errors) == 3


def test_check_returns_errors_and_warnings() -> None:
    wrong = SourceFile(name="a.yml", text="job: {script: x, stage: nope}")
    risky = SourceFile(name="a.yml", text="job: {script: x, rules: [when: always]}")

    errors, _ = check(wrong, context())
    none, warnings = check(risky, context())

    assert [error.message.partition(";")[0] for error in errors] == [
        "job job: chosen stage `nope` does not exist"
    ]
    assert none == []
    assert [warning.message.partition(" due")[0] for warning in warnings] == [
        "jobs:job may allow multiple pipelines to run for a single action"
    ]


def test_the_same_text_makes_the_same_pipeline() -> None:
    text = "a: {script: x, parallel: 3}\nb: {script: x, needs: [a]}"

    assert pipeline_of(text) == pipeline_of(text)


def many_jobs(count: int) -> str:
    """Return a configuration as projects have them, with a number of jobs."""
    text = dedent(
        """
        variables: {ROOT: root, OTHER: "$ROOT/x"}
        .base:
          image: python:3.12
          before_script: [echo before]
        """
    )
    return text + "".join(
        f"job-{number}:\n"
        f"  stage: {('build', 'test', 'deploy')[number * 3 // count]}\n"
        "  script: [make, make test]\n"
        f"  variables: {{NUMBER: '{number}'}}\n"
        "  rules:\n"
        "    - if: $CI_PIPELINE_SOURCE == 'schedule'\n"
        "      when: never\n"
        "    - if: $CI_COMMIT_BRANCH =~ /^ma/\n"
        f"      changes: [services/{number % 20}/**/*]\n"
        "    - if: $CI_COMMIT_BRANCH\n"
        f"      exists: ['services/{number % 20}/*.py', $OTHER]\n"
        for number in range(count)
    )


def calls(count: int) -> int:
    """Return how many functions the passes behind the decoding call."""
    files = [f"services/{number}/main.py" for number in range(20)]
    predefined = {f"CI_PREDEFINED_{number}": "value" for number in range(120)}
    circumstances = context(
        repository=FakeRepository(paths=files, changed=files[:10]),
        predefined=predefined,
    )
    file = SourceFile(name="a.yml", text=many_jobs(count))
    problems = Problems()
    config = decode(load(file, circumstances, problems).root, problems)
    counted = 0

    def count_call(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        compilation = compile_config(config, circumstances)
    finally:
        sys.setprofile(before)
    assert compilation.pipeline is not None
    assert len(compilation.pipeline.jobs) == count
    return counted


def test_the_work_is_linear_in_the_jobs() -> None:
    few, many = calls(200), calls(2000)

    assert many < 10.5 * few
    assert many < 300 * 2000


keys = st.sampled_from(
    ["job", "a", ".h", "stages", "variables", "workflow", "default", "include"]
)
words = st.sampled_from(
    [
        *("script", "needs", "rules", "when", "if", "parallel", "matrix", "stage"),
        *("extends", "only", "except", "changes", "exists", "environment", "on_stop"),
        *("job", "a", "test", "build", "$A", "$A == ", "manual", "never", "true"),
    ]
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 300), words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.property
@given(st.dictionaries(keys, values, max_size=4))
def test_any_yaml_is_a_pipeline_or_a_config_error(tree: dict[str, Any]) -> None:
    # JSON is YAML, too.
    file = SourceFile(name="a.yml", text=json.dumps(tree))
    try:
        compile_pipeline(file, context())
    except ExceptionGroup as group:
        for error in group.exceptions:
            assert isinstance(error, ConfigError)
