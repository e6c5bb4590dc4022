from __future__ import annotations

from datetime import timedelta

import pytest

from spotci.context import MergeRequest
from spotci.pipeline import AllowFailure, When
from tests.compiling import compile_text, config_errors, job_of


@pytest.mark.parametrize(
    ("keys", "when", "allowed"),
    [
        pytest.param("", "on_success", False, id="default"),
        pytest.param("when: manual,", "manual", True, id="manual is optional"),
        pytest.param("when: always,", "always", False, id="other when"),
        pytest.param(
            "when: manual, allow_failure: false,", "manual", False, id="blocking"
        ),
        pytest.param("allow_failure: true,", "on_success", True, id="written"),
        pytest.param(
            "rules: [when: manual],", "manual", False, id="manual by a rule blocks"
        ),
        pytest.param(
            "when: manual, rules: [when: on_success],",
            "on_success",
            True,
            id="the default looks at the job's own when",
        ),
        pytest.param(
            "when: manual, rules: [if: $CI],", "manual", True, id="rule without when"
        ),
        pytest.param(
            "allow_failure: true, rules: [allow_failure: false],",
            "on_success",
            False,
            id="the rule's wins",
        ),
        pytest.param(
            "rules: [{when: manual, allow_failure: true}],",
            "manual",
            True,
            id="optional by a rule",
        ),
    ],
)
def test_when_and_allow_failure(keys: str, when: str, *, allowed: bool) -> None:
    job = job_of(f"job: {{{keys} script: x}}")

    assert (job.when, job.allow_failure) == (when, AllowFailure(allowed=allowed))


def test_exit_codes_stay_unless_the_rule_says_otherwise() -> None:
    text = "job: {{script: x, allow_failure: {{exit_codes: [42]}}, rules: [{rule}]}}"

    kept = job_of(text.format(rule="when: manual"))
    dropped = job_of(text.format(rule="allow_failure: true"))

    assert kept.allow_failure == AllowFailure(allowed=False, exit_codes=(42,))
    assert dropped.allow_failure == AllowFailure(allowed=True)


def test_a_rule_can_delay_a_job() -> None:
    job = job_of("job: {script: x, rules: [{when: delayed, start_in: 2 hours}]}")

    assert (job.when, job.start_in) == (When.DELAYED, timedelta(hours=2))
    assert job.start_in_text == "2 hours"
    assert not job.allow_failure.allowed


@pytest.mark.parametrize(
    ("rule", "expected"), [("when: always", True), ("interruptible: false", False)]
)
def test_a_rule_can_change_interruptible(rule: str, *, expected: bool) -> None:
    job = job_of(f"job: {{script: x, interruptible: true, rules: [{rule}]}}")

    assert job.interruptible is expected


def test_a_job_knows_its_rule() -> None:
    assert job_of("job: {script: x, rules: [if: $NO, when: always]}").rule == 1
    assert job_of("job: {script: x}").rule is None


EXCLUDED = """
other: {{script: x}}
job: {{script: x, when: manual, variables: {{A: own}}, {policy}}}
"""


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("rules: [if: $NO]", "rules: no entry matches"),
        ("rules: []", "rules: the list is empty"),
        (
            "rules: [if: $NO, {when: never, variables: {A: rule}}]",
            "rules: entry 2 matches and says `when: never`",
        ),
        ("only: [tags]", "only:refs does not hold"),
        ("except: [main]", "except:refs holds"),
    ],
)
def test_a_left_out_job_has_a_reason_and_its_own_form(policy: str, reason: str) -> None:
    compilation = compile_text(EXCLUDED.format(policy=policy))

    (excluded,) = compilation.excluded
    (job,) = compilation.excluded_jobs.values()
    assert (excluded.name, excluded.reason) == ("job", reason)
    assert (job.name, job.when, job.rule) == (
        "job",
        When.MANUAL,
        1 if "never" in policy else None,
    )
    own = [item.value for item in job.variables if item.name == "A"]
    assert own == ["own"]


def test_traces_are_kept_for_all_jobs_with_rules() -> None:
    compilation = compile_text(
        """
        in: {script: x, rules: [if: $NO, if: $CI]}
        out: {script: x, rules: [if: $NO]}
        plain: {script: x}
        """
    )

    traces = {str(name): trace for name, trace in compilation.traces.items()}
    assert {name: len(trace) for name, trace in traces.items()} == {"in": 2, "out": 1}
    assert traces["out"] == compilation.excluded[0].trace
    assert traces["in"][1].clauses == (("if", '$CI ("true")', True),)


def test_a_rule_that_cannot_be_decided_is_an_error() -> None:
    (error,) = config_errors(
        """\
        job:
          script: x
          rules: [changes: {paths: [a], compare_to: nope}]
        """
    )

    assert error == (
        ".gitlab-ci.yml:3:3: error: Failed to parse rule for job:"
        " rules:changes:compare_to is not a valid ref\n"
        "    3 |   rules: [changes: {paths: [a], compare_to: nope}]\n"
        "      |   ^^^^^"
    )


def test_variables_that_refer_to_each_other_are_an_error() -> None:
    (error,) = config_errors(
        """\
        variables:
          A: $B
        job:
          script: x
          variables:
            B: x$A
        """
    )

    assert error == (
        ".gitlab-ci.yml:2:3: error: job: circular variable reference detected:"
        ' ["A", "B"]\n'
        "    2 |   A: $B\n"
        "      |   ^"
    )


def test_a_left_out_job_may_have_variables_that_refer_to_each_other() -> None:
    compilation = compile_text(
        """
        other: {script: x}
        job: {script: x, variables: {A: $B, B: $A}, rules: [if: $NO]}
        """
    )

    assert compilation.pipeline is not None


@pytest.mark.parametrize(
    ("text", "included"),
    [
        pytest.param("job: {script: x}", False, id="default of only"),
        pytest.param("job: {script: x, rules: }", True, id="the key rules"),
        pytest.param(
            "workflow: {rules: }\njob: {script: x}", True, id="the key workflow:rules"
        ),
        pytest.param("workflow: {name: x}\njob: {script: x}", False, id="workflow"),
        pytest.param("job: {script: x, rules: , only: [tags]}", False, id="own only"),
    ],
)
def test_the_key_rules_does_away_with_the_default_of_only(
    text: str, *, included: bool
) -> None:
    request = MergeRequest(source_branch="work", target_branch="main")

    compiled = compile_text(text, merge_request=request)

    assert (compiled.pipeline is not None) is included
