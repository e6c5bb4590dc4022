from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from spotci.parser.keywords.default import INHERITABLE
from spotci.pipeline import Artifacts, Cache, CacheKey, Image, Retry, Service
from tests.trees import decoded, job_of, job_with, messages_of

JOB = "build: {script: x}\n"

VALUES: list[tuple[str, str, str, Any]] = [
    ("before_script", "[a]", "before_script", ("a",)),
    ("after_script", "[a]", "after_script", ("a",)),
    ("hooks", "{pre_get_sources_script: a}", "pre_get_sources_script", ("a",)),
    ("cache", "{key: a}", "cache", (Cache(key=CacheKey(text="a")),)),
    ("image", "a", "image", Image(name="a")),
    ("services", "[a]", "services", (Service(name="a"),)),
    ("interruptible", "true", "interruptible", True),
    ("timeout", "1h", "timeout", timedelta(hours=1)),
    ("retry", "1", "retry", Retry(max=1, when=("always",))),
    ("tags", "[a]", "tags", ("a",)),
    ("artifacts", "{paths: [a]}", "artifacts", Artifacts(paths=("a",))),
    ("id_tokens", "{A: {aud: b}}", "id_tokens", {"A": {"aud": "b"}}),
    ("identity", "google_cloud", "identity", "google_cloud"),
]


def test_every_keyword_has_a_value_here() -> None:
    assert [keyword for keyword, *_ in VALUES] == list(INHERITABLE)


@pytest.mark.parametrize(("keyword", "yaml", "field", "expected"), VALUES)
def test_default_is_inherited(
    keyword: str, yaml: str, field: str, expected: object
) -> None:
    config, problems = decoded(f"default: {{{keyword}: {yaml}}}\n{JOB}")

    assert problems.errors == []
    assert getattr(config.jobs["build"].job, field) == expected


@pytest.mark.parametrize(("keyword", "yaml", "field", "expected"), VALUES)
def test_job_keeps_its_own(
    keyword: str, yaml: str, field: str, expected: object
) -> None:
    job = job_of(f"{keyword}: {yaml}").job

    assert getattr(job, field) == expected


@pytest.mark.parametrize(
    ("inherit", "inherited"),
    [
        ("null", True),
        ("{}", True),
        ("{default: true}", True),
        ("{default: null}", True),
        ("{default: false}", False),
        ("{default: [image, tags]}", True),
        ("{default: [tags]}", False),
        ("{default: []}", False),
        ("{variables: false}", True),
    ],
)
@pytest.mark.parametrize("root", ["default: {image: a}\n", "image: a\n"])
def test_inherit_default(root: str, inherit: str, inherited: bool) -> None:
    config, problems = decoded(root + f"build: {{script: x, inherit: {inherit}}}\n")

    assert problems.errors == []
    assert (config.jobs["build"].job.image is not None) is inherited


@pytest.mark.parametrize(
    ("inherit", "expected"),
    [
        ("{}", True),
        ("{variables: null}", True),
        ("{variables: true}", True),
        ("{variables: false}", False),
        ("{variables: [A, B]}", frozenset({"A", "B"})),
    ],
)
def test_inherit_variables(inherit: str, expected: object) -> None:
    assert job_of(f"inherit: {inherit}").inherit_variables == expected


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("x", " config should be a hash"),
        ("{foo: true}", " config contains unknown keys: foo"),
        ("{default: x}", ":default should be a bool or array of strings"),
        ("{default: [1]}", ":default config should be an array of strings"),
        (
            "{default: [image, b, a]}",
            ":default config contains unknown values: a, b",
        ),
        ("{variables: 1}", ":variables should be a bool or array of strings"),
        ("{variables: [1]}", ":variables config should be an array of strings"),
    ],
)
def test_wrong_inherit(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"inherit: {yaml}")) == [f"jobs:build:inherit{message}"]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("default: {script: x}\n", "default config contains unknown keys: script"),
        ("default: {stage: x}\n", "default config contains unknown keys: stage"),
        (
            "default: {image: [a]}\n",
            "default:image config should be a hash or a string",
        ),
        ("default: {tags: x}\n", "default:tags config should be an array of strings"),
        (
            "default: {interruptible: x}\n",
            "default:interruptible config should be a boolean value",
        ),
        (
            "image: a\ndefault: {image: b}\n",
            "image is defined in top-level and `default:` entry",
        ),
    ],
)
def test_wrong_default(yaml: str, message: str) -> None:
    # With a script, "default" would be a job.
    yaml = yaml.replace("script: x", "scripts: x")
    message = message.replace("keys: script", "keys: scripts")

    assert messages_of(yaml + JOB) == [message]


def test_bridge_inherits_nothing_but_interruptible() -> None:
    config, problems = decoded(
        "default: {interruptible: true, image: a, retry: 1, tags: [b]}\n"
        "bridge: {trigger: g/p}\n"
    )

    assert problems.errors == []
    job = config.jobs["bridge"].job
    assert job.interruptible is True
    assert (job.image, job.retry, job.tags) == (None, Retry(), ())


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("timeout: 100", ":timeout config should be a duration"),
        ("timeout: not-a-number", ":timeout config should be a duration"),
        ("timeout: 3 months", ":timeout config should not exceed the limit"),
        ("tags: mysql", ":tags config should be an array of strings"),
        ("tags: [[a]]", ":tags config should be an array of strings"),
        (
            "tags: [" + ", ".join(f"t{n}" for n in range(50)) + "]",
            ":tags config must be less than the limit of 50 tags",
        ),
        ("interruptible: 1", ":interruptible config should be a boolean value"),
    ],
)
def test_wrong_value_in_a_job(yaml: str, message: str) -> None:
    assert messages_of(job_with(yaml)) == [f"jobs:build{message}"]


def test_longest_timeout() -> None:
    assert job_of("timeout: 1 month").job.timeout == timedelta(days=30)
