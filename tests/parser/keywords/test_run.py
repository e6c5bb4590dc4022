from __future__ import annotations

import pytest

from tests.trees import decoded, messages_of


@pytest.mark.parametrize(
    "yaml",
    [
        "[]",
        "[{name: a, script: b}]",
        "[{name: a, script: b, env: {C: d}}]",
        "[{name: a, step: ./x, inputs: {b: [1]}, env: {c: d}}]",
        "[{name: a, func: ./x}]",
        "[{name: a, action: x@v1}]",
        "[{name: a, step: {git: {url: u, rev: v1, dir: d}}}]",
        "[{name: a, step: {oci: {registry: r, repository: p, tag: t}}}]",
    ],
)
def test_run(yaml: str) -> None:
    config, problems = decoded(f"build: {{run: {yaml}}}\n")

    assert problems.errors == []
    assert len(config.jobs["build"].job.run) == (yaml != "[]")


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("''", [" value at root is not an array"]),
        ("x", [" value at root is not an array"]),
        ("[x]", [" value at `/0` is not an object"]),
        (
            "[{name: a}]",
            [" step 1 must use exactly one of these keys: script, step, func, action"],
        ),
        (
            "[{name: a, invalid_key: b}]",
            [
                " step 1 contains unknown keys: invalid_key",
                (
                    " step 1 must use exactly one of these keys: script, step, func,"
                    " action"
                ),
            ],
        ),
        (
            "[{name: a, step: b, script: c}]",
            [" step 1 must use exactly one of these keys: script, step, func, action"],
        ),
        ("[{script: b}]", [" step 1 missing required keys: name"]),
        (
            "[{name: 1a, script: b}]",
            [
                (
                    " step 1 name should be letters, digits and '_', and should not"
                    " start with a digit"
                )
            ],
        ),
        ("[{name: a, script: ''}]", [" step 1 script should be a string"]),
        ("[{name: a, script: [b]}]", [" step 1 script should be a string"]),
        (
            "[{name: a, script: b, inputs: {}}]",
            [" step 1 contains unknown keys: inputs"],
        ),
        ("[{name: a, step: b, inputs: [c]}]", [" step 1 inputs should be a hash"]),
        ("[{name: a, step: b, env: {C: 1}}]", [" step 1 env C should be a string"]),
        (
            "[{name: a, step: b, env: {'c d': e}}]",
            [" step 1 env has an invalid name: c d"],
        ),
        (
            "[{name: a, step: 123}]",
            [" step 1 step should be a string, or a hash with one of: git, oci"],
        ),
        (
            "[{name: a, step: {git: x}}]",
            [" step 1 step git should be a hash"],
        ),
        (
            "[{name: a, step: {git: {url: u, foo: x, dir: 1}}}]",
            [
                " step 1 step git missing required keys: rev",
                " step 1 step git contains unknown keys: foo",
                " step 1 step git dir should be a string",
            ],
        ),
    ],
)
def test_wrong_run(yaml: str, messages: list[str]) -> None:
    assert messages_of(f"build: {{run: {yaml}}}\n") == [
        f"jobs:build run{message}" for message in messages
    ]


@pytest.mark.parametrize("key", ["script", "before_script", "after_script"])
def test_run_excludes_scripts(key: str) -> None:
    assert messages_of(f"build: {{run: [], {key}: x}}\n") == [
        f"jobs:build config these keys cannot be used together: run, {key}"
    ]
