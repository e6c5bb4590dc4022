from __future__ import annotations

import pytest

from spotci.pipeline import Environment, EnvironmentAction
from tests.trees import job_of, job_with, messages_of

PLACE = "jobs:build:environment"
LETTERS = (
    "name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and"
    " spaces, but it cannot start or end with '/'"
)


@pytest.mark.parametrize(
    ("yaml", "environment"),
    [
        ("production", Environment(name="production")),
        ("review/$CI_COMMIT_REF_SLUG", Environment(name="review/$CI_COMMIT_REF_SLUG")),
        (
            (
                "{name: a, url: $URL, on_stop: stop, action: start, "
                " auto_stop_in: 1 week, deployment_tier: testing}"
            ),
            Environment(
                name="a",
                url="$URL",
                on_stop="stop",
                auto_stop_in="1 week",
                deployment_tier="testing",
            ),
        ),
        (
            "{name: a, action: stop}",
            Environment(name="a", action=EnvironmentAction.STOP),
        ),
        ("{name: a, deployment_tier: $T}", Environment(name="a", deployment_tier="$T")),
        (
            "{name: a, kubernetes: {namespace: n, agent: 'p:a'}}",
            Environment(name="a", kubernetes={"namespace": "n", "agent": "p:a"}),
        ),
    ],
)
def test_environment(yaml: str, environment: Environment) -> None:
    assert job_of(f"environment: {yaml}").job.environment == environment


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("1", ["config should be a hash or a string"]),
        ("[env]", ["config should be a hash or a string"]),
        ("''", ["name can't be blank"]),
        ("{url: x}", ["name can't be blank"]),
        ("{name: null}", ["name can't be blank"]),
        ("{name: 1}", [LETTERS]),
        ("production:staging", [LETTERS]),
        ("/a", [LETTERS]),
        ("a/", [LETTERS]),
        (f"{'a' * 256}", ["name is too long (maximum is 255 characters)"]),
        ("{name: a, foo: b}", ["config contains unknown keys: foo"]),
        ("{name: a, url: 1}", ["url should be a string"]),
        (
            f"{{name: a, url: {'a' * 256}}}",
            ["url is too long (maximum is 255 characters)"],
        ),
        ("{name: a, on_stop: false}", ["on stop should be a string"]),
        ("{name: a, auto_stop_in: 1}", ["auto stop in should be a string"]),
        (
            "{name: a, action: begin}",
            ["action should be start, stop, prepare, verify, or access"],
        ),
        (
            "{name: a, action: [stop]}",
            [
                "action should be a string",
                "action should be start, stop, prepare, verify, or access",
            ],
        ),
        (
            "{name: a, deployment_tier: prod}",
            [
                (
                    "deployment tier must be one of production, staging, testing,"
                    " development, other"
                )
            ],
        ),
        ("{name: a, kubernetes: x}", ["kubernetes should be a hash"]),
    ],
)
def test_wrong_environment(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"environment: {yaml}")) == [
        f"{PLACE} {message}" for message in messages
    ]


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("{}", [" config can't be blank"]),
        ("{foo: x}", [" config contains unknown keys: foo"]),
        ("{namespace: 1}", [" namespace should be a string"]),
        ("{managed_resources: {enabled: true}}", [" agent can't be blank"]),
        (
            "{managed_resources: {foo: 1}, agent: a}",
            [":managed_resources config contains unknown keys: foo"],
        ),
        (
            "{managed_resources: {enabled: x}, agent: a}",
            [":managed_resources enabled should be a boolean value"],
        ),
        ("{managed_resources: x}", [":managed_resources config should be a hash"]),
        (
            "{flux_resource_path: f}",
            [" namespace can't be blank", " agent can't be blank"],
        ),
        (
            "{agent: a, dashboard: {flux_resource_path: f}}",
            [":dashboard namespace can't be blank"],
        ),
        (
            "{agent: a, namespace: n, dashboard: {namespace: m}}",
            [" namespace cannot be specified when dashboard.namespace is set"],
        ),
        (
            "{agent: a, dashboard: {namespace: m, foo: 1}}",
            [":dashboard config contains unknown keys: foo"],
        ),
    ],
)
def test_wrong_kubernetes(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"environment: {{name: a, kubernetes: {yaml}}}")) == [
        f"{PLACE}:kubernetes{message}" for message in messages
    ]
