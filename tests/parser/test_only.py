from __future__ import annotations

from typing import Any

import pytest

from spotci.context import MergeRequest
from tests.compiling import compile_text
from tests.contexts import FakeRepository

REQUEST = MergeRequest(source_branch="feature", target_branch="main")
BRANCH: dict[str, Any] = {"branch": "main"}
TAG: dict[str, Any] = {"tag": "v1.2.0"}
MERGE_REQUEST: dict[str, Any] = {"merge_request": REQUEST}
SCHEDULE: dict[str, Any] = {"branch": "main", "source": "schedule"}


def runs(policy: str, circumstances: dict[str, Any], *, prefix: str = "") -> bool:
    text = f"{prefix}always:\n  script: x\n  rules: [when: always]\n"
    text += f"job:\n  script: x\n  {policy}\n"
    pipeline = compile_text(text, **circumstances).pipeline
    assert pipeline is not None
    return "job" in pipeline.jobs


@pytest.mark.parametrize(
    ("policy", "branch", "tag", "merge_request", "schedule"),
    [
        ("stage: test", True, True, False, True),
        ("only: [branches]", True, False, False, True),
        ("only: [tags]", False, True, False, False),
        ("only: [merge_requests]", False, False, True, False),
        ("only: [merge_request]", False, False, True, False),
        ("only: [schedules]", False, False, False, True),
        ("only: [pushes]", True, True, False, False),
        ("only: [push]", True, True, False, False),
        ("only: [web]", False, False, False, False),
        ("only: [main]", True, False, False, True),
        ("only: [ma]", False, False, False, False),
        ("only: ['ma*']", False, False, False, False),
        ("only: [/^ma/]", True, False, False, True),
        ("only: [/^MA/i]", True, False, False, True),
        ("only: [/feature/]", False, False, False, False),
        (r"only: ['/^v\d+\.\d+\.\d+$/']", False, True, False, False),
        ("only: [main@group/project]", True, False, False, True),
        ("only: [main@other/project]", False, False, False, False),
        ("only: [branches@group/project]", True, False, False, True),
        ("only: {variables: [$YES]}", True, True, False, True),
        ("only: {variables: [$NO]}", False, False, False, False),
        ("only: {variables: [$NO, $YES]}", True, True, False, True),
        (
            "only: {refs: [merge_requests], variables: [$YES]}",
            False,
            False,
            True,
            False,
        ),
        ("only: {kubernetes: active}", False, False, False, False),
        ("except: [tags]", True, False, False, True),
        ("except: [main]", False, True, False, False),
        ("except: {variables: [$YES]}", False, False, False, False),
        ("except: {refs: [web], variables: [$YES]}", False, False, False, False),
        ("except: {kubernetes: active}", True, True, False, True),
        ("only: null", True, True, False, True),
    ],
)
def test_only_and_except(
    policy: str, *, branch: bool, tag: bool, merge_request: bool, schedule: bool
) -> None:
    wanted = {"YES": "1"}

    assert runs(policy, BRANCH | {"variables": wanted}) is branch
    assert runs(policy, TAG | {"variables": wanted}) is tag
    assert runs(policy, MERGE_REQUEST | {"variables": wanted}) is merge_request
    assert runs(policy, SCHEDULE | {"variables": wanted}) is schedule


WORKFLOW = "workflow:\n  rules: [when: always]\n"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("stage: test", True, id="no default"),
        pytest.param("except: [main]", True, id="except alone"),
        pytest.param("only: {variables: [$YES]}", False, id="refs keep theirs"),
    ],
)
def test_workflow_rules_do_away_with_the_default_of_only(
    policy: str, *, expected: bool
) -> None:
    circumstances = MERGE_REQUEST | {"variables": {"YES": "1"}}

    assert runs(policy, circumstances, prefix=WORKFLOW) is expected


@pytest.mark.parametrize(
    ("changed", "expected"), [(["docs/a"], True), (["src/a"], False), (None, True)]
)
def test_only_changes(changed: list[str] | None, *, expected: bool) -> None:
    repository = FakeRepository(changed=changed)

    assert (
        runs("only: {changes: ['docs/*']}", BRANCH | {"repository": repository})
        is expected
    )


def test_the_reason_names_the_key() -> None:
    compilation = compile_text(
        """
        other:
          script: x
        job:
          script: x
          only: [tags]
        """
    )

    (excluded,) = compilation.excluded
    assert (excluded.name, excluded.reason) == ("job", "only:refs does not hold")


def test_a_policy_with_a_kind_of_policy_for_each_source() -> None:
    text = """
    job:
      script: x
      only: [security_orchestration_policies]
    """
    source = "security_orchestration_policy"

    assert compile_text(text, source=source).pipeline is not None
