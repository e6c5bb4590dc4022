from __future__ import annotations

import pytest

from spotci.parser.model import ParallelConfig
from tests.trees import decoded, errors_of, job_of, job_with, messages_of

MATRIX = "jobs:build:parallel:matrix"
PAIRS = "config should be a hash of key value pairs, value can be an array"


@pytest.mark.parametrize("count", [1, 2, 200])
def test_count(count: int) -> None:
    assert job_of(f"parallel: {count}").parallel == ParallelConfig(count=count)


def test_matrix_keeps_the_order_and_makes_texts() -> None:
    parallel = job_of("parallel: {matrix: [{B: [1, x], A: y}, {C: 2}]}").parallel

    assert parallel is not None
    assert [entry.variables for entry in parallel.matrix] == [
        (("B", ("1", "x")), ("A", ("y",))),
        (("C", ("2",)),),
    ]


def test_an_empty_text_among_values_is_one() -> None:
    parallel = job_of("parallel: {matrix: [{A: ['']}]}").parallel

    assert parallel is not None
    assert parallel.matrix[0].variables == (("A", ("",)),)


def test_null_is_no_matrix() -> None:
    assert job_of("parallel: {matrix: null}").parallel is None


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("true", " should be an integer or a hash"),
        ("x", " should be an integer or a hash"),
        ("[1]", " should be an integer or a hash"),
        ("1.5", " config must be an integer"),
        ("0", " config must be greater than or equal to 1"),
        ("201", " config must be less than or equal to 200"),
        ("{}", " config missing required keys: matrix"),
        ("{matrix: [{A: b}], foo: 1}", " config contains unknown keys: foo"),
        ("{matrix: x}", ":matrix config should be an array of hashes"),
        ("{matrix: {A: b}}", ":matrix config should be an array of hashes"),
        ("{matrix: [x]}", ":matrix config should be an array of hashes"),
        ("{matrix: [{}]}", ":matrix:variables config requires at least 1 items"),
        ("{matrix: [{A: }]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{A: ''}]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{A: []}]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{A: [1.5]}]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{A: [true]}]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{A: {b: c}}]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{A: [[b]]}]}", f":matrix:variables {PAIRS}"),
        ("{matrix: [{true: b}]}", f":matrix:variables {PAIRS}"),
    ],
)
def test_wrong_parallel(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"parallel: {yaml}")) == [
        f"jobs:build:parallel{message}"
    ]


def test_too_many_jobs() -> None:
    values = "[" + ", ".join(map(str, range(15))) + "]"

    assert (
        errors_of(job_with(f"parallel:\n  matrix:\n    - {{A: 1, B: {values}}}")) == []
    )
    (text,) = errors_of(
        job_with(f"parallel:\n  matrix:\n    - {{A: {values}, B: {values}}}")
    )

    first, *_, hint = text.splitlines()
    assert first == (
        f".gitlab-ci.yml:5:7: error: {MATRIX} config generates too many jobs"
        " (maximum is 200)"
    )
    assert hint == "hint: it generates 225"


def test_bridge_takes_a_matrix_only() -> None:
    config, problems = decoded("b: {trigger: g/p, parallel: {matrix: [{A: [1, 2]}]}}\n")

    assert problems.errors == []
    assert config.jobs["b"].parallel is not None
    assert messages_of("b: {trigger: g/p, parallel: 2}\n") == [
        'jobs:b:parallel config cannot use "parallel: <number>".'
    ]
