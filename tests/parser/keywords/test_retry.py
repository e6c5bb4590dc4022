from __future__ import annotations

import pytest

from spotci.parser.keywords.retry import RETRY_WHEN
from spotci.pipeline import AllowFailure, Retry
from tests.trees import decoded, job_of, job_with, messages_of

ALWAYS = ("always",)


@pytest.mark.parametrize(
    ("yaml", "retry"),
    [
        pytest.param("0", Retry(max=0, when=ALWAYS), id="0"),
        pytest.param("2", Retry(max=2, when=ALWAYS), id="2"),
        pytest.param("{max: 1}", Retry(max=1, when=ALWAYS), id="max"),
        pytest.param(
            "{max: 1, when: script_failure}",
            Retry(max=1, when=("script_failure",)),
            id="when",
        ),
        pytest.param(
            "{max: 1, exit_codes: 137}",
            Retry(max=1, exit_codes=(137,)),
            id="exit codes alone narrow it to themselves",
        ),
        pytest.param(
            "{max: 1, exit_codes: [1, 2], when: [api_failure]}",
            Retry(max=1, when=("api_failure",), exit_codes=(1, 2)),
            id="both",
        ),
        pytest.param(
            "{when: script_failure}",
            Retry(max=0, when=("script_failure",)),
            id="without max nothing is retried",
        ),
        pytest.param("{}", Retry(max=0, when=ALWAYS), id="empty"),
    ],
)
def test_retry(yaml: str, retry: Retry) -> None:
    assert job_of(f"retry: {yaml}").job.retry == retry


@pytest.mark.parametrize("reason", RETRY_WHEN)
def test_every_reason(reason: str) -> None:
    assert job_of(f"retry: {{max: 1, when: {reason}}}").job.retry.when == (reason,)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("true", "config has to be either an integer or a hash"),
        ("1.5", "config has to be either an integer or a hash"),
        ("'1'", "config has to be either an integer or a hash"),
        ("10", "config must be less than or equal to 2"),
        ("-1", "config must be greater than or equal to 0"),
        ("{foo: 1}", "config contains unknown keys: foo"),
        ("{max: 1.5}", "max must be an integer"),
        ("{max: x}", "max is not a number"),
        ("{max: 3}", "max must be less than or equal to 2"),
        ("{max: -1}", "max must be greater than or equal to 0"),
        ("{when: true}", "when should be an array of strings or a string"),
        ("{when: [1]}", "when should be an array of strings or a string"),
        ("{when: foo}", "when is not included in the list"),
        ("{when: [always, foo, bar]}", "when contains unknown values: foo, bar"),
        (
            "{exit_codes: '137'}",
            "exit codes should be an array of integers or an integer",
        ),
        (
            "{exit_codes: [255, '155']}",
            "exit codes should be an array of integers or an integer",
        ),
    ],
)
def test_wrong_retry(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"retry: {yaml}")) == [f"jobs:build:retry {message}"]


@pytest.mark.parametrize(
    ("yaml", "expected", "written"),
    [
        ("", AllowFailure(), False),
        ("allow_failure: null", AllowFailure(), False),
        ("allow_failure: true", AllowFailure(allowed=True), True),
        ("allow_failure: false", AllowFailure(), True),
        ("allow_failure: {exit_codes: 1}", AllowFailure(exit_codes=(1,)), True),
        ("allow_failure: {exit_codes: [1, 2]}", AllowFailure(exit_codes=(1, 2)), True),
        ("when: manual", AllowFailure(allowed=True), False),
        ("when: manual\nallow_failure: false", AllowFailure(), True),
        (
            "when: manual\nallow_failure: {exit_codes: 1}",
            AllowFailure(exit_codes=(1,)),
            True,
        ),
    ],
)
def test_allow_failure(yaml: str, expected: AllowFailure, written: bool) -> None:
    job = job_of(yaml)

    assert job.job.allow_failure == expected
    assert job.allow_failure_written is written


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("string", " allow failure should be a hash or a boolean value"),
        ("1", " allow failure should be a hash or a boolean value"),
        ("{foo: 1}", ":allow_failure config contains unknown keys: foo"),
        (
            "{exit_codes: string}",
            ":allow_failure exit codes should be an array of integers or an integer",
        ),
    ],
)
def test_wrong_allow_failure(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"allow_failure: {yaml}")) == [f"jobs:build{message}"]


def test_bridge_takes_a_boolean_only() -> None:
    config, _ = decoded("b: {trigger: g/p, allow_failure: true}\n")

    assert config.jobs["b"].job.allow_failure == AllowFailure(allowed=True)
    assert messages_of("b: {trigger: g/p, allow_failure: {exit_codes: 1}}\n") == [
        "jobs:b allow failure should be a boolean value"
    ]
