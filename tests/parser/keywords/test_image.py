from __future__ import annotations

import pytest

from spotci.pipeline import Image, Service
from tests.trees import errors_of, job_of, job_with, messages_of


@pytest.mark.parametrize(
    ("yaml", "image"),
    [
        pytest.param("python:3.12", Image(name="python:3.12"), id="text"),
        pytest.param(
            "{name: a, entrypoint: [''], pull_policy: always}",
            Image(name="a", entrypoint=("",), pull_policy=("always",)),
            id="mapping",
        ),
        pytest.param(
            "{name: a, pull_policy: [if-not-present, never]}",
            Image(name="a", pull_policy=("if-not-present", "never")),
            id="several policies",
        ),
        pytest.param(
            "{name: a, docker: {user: dave, platform: linux/arm64}}",
            Image(name="a", user="dave", platform="linux/arm64"),
            id="docker",
        ),
        pytest.param(
            "{name: a, kubernetes: {user: 1001}}", Image(name="a"), id="kubernetes"
        ),
        pytest.param(
            "{name: a, entrypoint: null, docker: null, pull_policy: null}",
            Image(name="a"),
            id="nulls",
        ),
    ],
)
def test_image(yaml: str, image: Image) -> None:
    assert job_of(f"image: {yaml}").job.image == image


WRONG = [
    pytest.param(" config contains unknown keys: foo", "{name: a, foo: b}", id="key"),
    pytest.param(" name can't be blank", "''", id="empty"),
    pytest.param(" name can't be blank", "{entrypoint: [a]}", id="no name"),
    pytest.param(" name can't be blank", "{name: ''}", id="empty name"),
    pytest.param(" name should be a string", "{name: [a]}", id="list as name"),
    pytest.param(
        " entrypoint should be an array of strings",
        "{name: a, entrypoint: sh}",
        id="entrypoint",
    ),
    pytest.param(
        " entrypoint should be an array of strings with at least 1 item",
        "{name: a, entrypoint: []}",
        id="empty entrypoint",
    ),
    pytest.param(
        ":pull_policy config contains unknown values: sometimes",
        "{name: a, pull_policy: [sometimes, always]}",
        id="policy in a list",
    ),
    pytest.param(
        ":pull_policy config is not included in the list",
        "{name: a, pull_policy: sometimes}",
        id="policy",
    ),
    pytest.param(
        ":pull_policy config can't be blank",
        "{name: a, pull_policy: []}",
        id="no policy",
    ),
    pytest.param(
        ":pull_policy config should be an array of strings or a string",
        "{name: a, pull_policy: 1}",
        id="policy of another type",
    ),
    pytest.param(
        " config contains disallowed keys: ports",
        "{name: a, ports: [80]}",
        id="ports",
    ),
    pytest.param(
        " executor opts value at `/docker/platform` is not a string",
        "{name: a, docker: {platform: [x]}}",
        id="platform",
    ),
    pytest.param(
        " executor opts value at `/docker/user` is not a string",
        "{name: a, docker: {user: 1000}}",
        id="user as number",
    ),
    pytest.param(
        " executor opts string length at `/docker/user` is less than: 1",
        "{name: a, docker: {user: ''}}",
        id="empty user",
    ),
    pytest.param(
        " executor opts string length at `/docker/platform` is greater than: 64",
        f"{{name: a, docker: {{platform: {'x' * 65}}}}}",
        id="long platform",
    ),
    pytest.param(
        " executor opts object property at `/kubernetes/foo`"
        " is a disallowed additional property",
        "{name: a, kubernetes: {foo: a}}",
        id="kubernetes key",
    ),
    pytest.param(
        " executor opts value at `/docker` is not an object",
        "{name: a, docker: x}",
        id="docker",
    ),
]


@pytest.mark.parametrize(("message", "yaml"), WRONG)
def test_wrong_image(message: str, yaml: str) -> None:
    assert messages_of(job_with(f"image: {yaml}")) == [f"jobs:build:image{message}"]


@pytest.mark.parametrize(("message", "yaml"), WRONG)
def test_a_service_is_checked_like_an_image(message: str, yaml: str) -> None:
    assert messages_of(job_with(f"services: [{yaml}]")) == [
        f"jobs:build:services:service{message}"
    ]


def test_list_of_images() -> None:
    assert errors_of(job_with("image: [a, b]")) == [
        """\
.gitlab-ci.yml:3:10: error: jobs:build:image config should be a hash or a string
    3 |   image: [a, b]
      |          ^
hint: one image only; others belong to services"""
    ]


def test_user_at_the_wrong_level() -> None:
    assert errors_of(job_with("image: {name: a, user: b}")) == [
        """\
.gitlab-ci.yml:3:20: error: jobs:build:image config contains unknown keys: user
    3 |   image: {name: a, user: b}
      |                    ^^^^
hint: write it under docker:"""
    ]


def test_services() -> None:
    services = job_of(
        """\
services:
  - postgres:16
  - name: redis:7
    alias: cache, store redis
    entrypoint: [sh]
    command: [redis-server, --port, "1"]
    variables: {A: 1}
  - ['docker:dind']
"""
    ).job.services

    assert [service.name for service in services] == [
        "postgres:16",
        "redis:7",
        "docker:dind",
    ]
    assert services[0] == Service(name="postgres:16")
    assert services[1].aliases == ("cache", "store", "redis")
    assert services[1].entrypoint == ("sh",)
    assert services[1].command == ("redis-server", "--port", "1")
    assert [(v.name, v.value) for v in services[1].variables] == [("A", "1")]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("test", " config should be a array"),
        ("{name: a}", " config should be a array"),
        ("[1]", ":service config should be a hash or a string"),
        ("[{name: a, alias: ''}]", ":service alias can't be blank"),
        ("[{name: a, alias: [b]}]", ":service alias should be a string"),
        ("[{name: a, command: b}]", ":service command should be an array of strings"),
        (
            "[{name: a, command: []}]",
            ":service command should be an array of strings with at least 1 item",
        ),
        ("[{name: a, variables: [b]}]", ":service:variables config should be a hash"),
        (
            "[{name: a, variables: {A: {value: 1}}}]",
            ":service:variables:A config must be a string",
        ),
    ],
)
def test_wrong_services(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"services: {yaml}")) == [
        f"jobs:build:services{message}"
    ]


def test_services_at_the_root() -> None:
    assert messages_of("services: test\nbuild: {script: x}\n") == [
        "services config should be a array"
    ]
