from __future__ import annotations

import pytest

from spotci.pipeline import Cache, CacheKey, SaveWhen
from tests.trees import decoded, job_of, job_with, messages_of

PLACE = "jobs:build:cache"


@pytest.mark.parametrize(
    ("yaml", "caches"),
    [
        pytest.param("{}", (Cache(key=CacheKey(text="default")),), id="defaults"),
        pytest.param("[]", (), id="empty list"),
        pytest.param(
            "{key: k, paths: [p], untracked: true, policy: pull, when: always,"
            " unprotect: true, fallback_keys: [a, b]}",
            (
                Cache(
                    key=CacheKey(text="k"),
                    paths=("p",),
                    untracked=True,
                    policy="pull",
                    when=SaveWhen.ALWAYS,
                    unprotect=True,
                    fallback_keys=("a", "b"),
                ),
            ),
            id="all",
        ),
        pytest.param(
            "[{key: a}, [{key: b}]]",
            (Cache(key=CacheKey(text="a")), Cache(key=CacheKey(text="b"))),
            id="several, nested",
        ),
        pytest.param(
            "{key: null, policy: null, when: null}",
            (Cache(key=CacheKey(text="default")),),
            id="nulls",
        ),
        pytest.param(
            "{key: {files: [/a, b], prefix: p}}",
            (Cache(key=CacheKey(files=("a", "b"), prefix="p")),),
            id="files",
        ),
        pytest.param(
            "{key: {files_commits: [a]}}",
            (Cache(key=CacheKey(files_commits=("a",))),),
            id="files_commits",
        ),
        pytest.param(
            "{key: a, policy: $POLICY}",
            (Cache(key=CacheKey(text="a"), policy="$POLICY"),),
            id="policy from a variable",
        ),
        pytest.param(
            '{key: a, policy: "${POLICY}"}',
            (Cache(key=CacheKey(text="a"), policy="${POLICY}"),),
            id="policy from a variable in braces",
        ),
    ],
)
def test_cache(yaml: str, caches: tuple[Cache, ...]) -> None:
    assert job_of(f"cache: {yaml}").job.cache == caches


@pytest.mark.parametrize("key", ["a-..b", ".a", "$CI_COMMIT_REF_SLUG", "some key"])
def test_key(key: str) -> None:
    (cache,) = job_of(f"cache: {{key: {key}}}").job.cache

    assert cache.key.text == key


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("ls", [" config should be a hash"]),
        ("[ls]", [" config should be a hash"]),
        ("{foo: 1}", [" config contains unknown keys: foo"]),
        ("{key: 1}", [":key should be a hash, a string or a symbol"]),
        ("{key: [a]}", [":key should be a hash, a string or a symbol"]),
        ("{key: a/b}", [':key config cannot contain the "/" character']),
        ("{key: a%2Fb}", [':key config cannot contain the "/" character']),
        ("{key: .}", [':key config cannot be "." or ".."']),
        ("{key: '%2E%2E'}", [':key config cannot be "." or ".."']),
        (
            "{key: {}}",
            [":key config must use exactly one of these keys: files, files_commits"],
        ),
        (
            "{key: {files: [a], files_commits: [b]}}",
            [":key config must use exactly one of these keys: files, files_commits"],
        ),
        (
            "{key: {files: [a], foo: b}}",
            [":key config contains unknown keys: foo"],
        ),
        ("{key: {files: a}}", [":key:files config should be an array of strings"]),
        ("{key: {files: []}}", [":key:files config requires at least 1 item"]),
        (
            "{key: {files: [" + "a, " * 11 + "]}}",
            [":key:files config has too many items (maximum is 10)"],
        ),
        (
            "{key: {files_commits: [a, b, c]}}",
            [":key:files_commits config has too many items (maximum is 2)"],
        ),
        (
            "{key: {files: [a], prefix: 1}}",
            [":key:prefix config should be a string or symbol"],
        ),
        ("{paths: a}", [":paths config should be an array of strings"]),
        ("{untracked: a}", [":untracked config should be a boolean value"]),
        ("{unprotect: a}", [":unprotect config should be a boolean value"]),
        (
            "{policy: unknown}",
            [" policy should be a variable or one of: pull-push, push, pull"],
        ),
        ("{policy: true}", [" policy should be a string"]),
        ("{when: never}", [" when should be one of: on_success, on_failure, always"]),
        (
            "{when: [always]}",
            [
                " when should be a string",
                " when should be one of: on_success, on_failure, always",
            ],
        ),
        ("{fallback_keys: a}", [":fallback_keys config should be an array of strings"]),
        (
            "{fallback_keys: [a, b, c, d, e, f]}",
            [" fallback keys has to many entries (maximum 5)"],
        ),
        (
            "[{}, {}, {}, {}, {}]",
            ["s config no more than 4 caches can be created"],
        ),
    ],
)
def test_wrong_cache(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"cache: {yaml}")) == [
        f"{PLACE}{message}" for message in messages
    ]


def test_cache_at_the_root() -> None:
    assert messages_of("cache: {key: 1}\nbuild: {script: x}\n") == [
        "cache:key should be a hash, a string or a symbol"
    ]


def test_empty_list_takes_the_default_away() -> None:
    config, _ = decoded("default: {cache: {key: a}}\nbuild: {script: x, cache: []}\n")

    assert config.jobs["build"].job.cache == ()
