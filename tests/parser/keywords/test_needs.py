from __future__ import annotations

import pytest

from spotci.parser.model import MatrixEntry, NeedConfig
from spotci.pipeline import CrossNeed
from tests.trees import decoded, errors_of, job_of, job_with, messages_of

NEED = "jobs:build:needs:need"


@pytest.mark.parametrize(
    ("yaml", "needs"),
    [
        pytest.param("[]", (), id="empty"),
        pytest.param("[a]", (NeedConfig(job="a"),), id="text"),
        pytest.param("{job: a}", (NeedConfig(job="a"),), id="one mapping"),
        pytest.param(
            "[a, [b, [c]]]",
            (NeedConfig(job="a"), NeedConfig(job="b"), NeedConfig(job="c")),
            id="nested, as references give them",
        ),
        pytest.param(
            "[{job: a, artifacts: false, optional: true}]",
            (NeedConfig(job="a", artifacts=False, optional=True),),
            id="switches",
        ),
        pytest.param(
            "[{job: a, artifacts: null, optional: null}]",
            (NeedConfig(job="a"),),
            id="null switches",
        ),
        pytest.param(
            "[{job: a, parallel: {matrix: [{A: x, B: [y, 1]}]}}]",
            (
                NeedConfig(
                    job="a",
                    matrix=(MatrixEntry(variables=(("A", ("x",)), ("B", ("y", "1")))),),
                ),
            ),
            id="matrix",
        ),
    ],
)
def test_needs(yaml: str, needs: tuple[NeedConfig, ...]) -> None:
    found = job_of(f"needs: {yaml}").needs

    assert found is not None
    assert [(n.job, n.artifacts, n.optional) for n in found] == [
        (n.job, n.artifacts, n.optional) for n in needs
    ]
    assert [[e.variables for e in n.matrix] for n in found] == [
        [e.variables for e in n.matrix] for n in needs
    ]


def test_null_is_no_needs() -> None:
    assert job_of("needs: null").needs is None


def test_needs_on_other_pipelines() -> None:
    job = job_of(
        "needs: [{pipeline: $P, job: a}, {project: g/p, ref: main, job: b,"
        " artifacts: false}]"
    )

    assert job.needs == ()
    assert job.cross_needs == job.job.cross_needs
    assert job.cross_needs == (
        CrossNeed(job="a", pipeline="$P"),
        CrossNeed(job="b", project="g/p", ref="main", artifacts=False),
    )


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("a", ["jobs:build:needs config can only be a hash or an array"]),
        ("1", ["jobs:build:needs config can only be a hash or an array"]),
        ("{}", ["jobs:build:needs config can not be an empty hash"]),
        ("['']", [f"{NEED} config can't be blank"]),
        ("[1]", [f"{NEED} has an unsupported type"]),
        ("[{artifacts: true}]", [f"{NEED} has an unsupported type"]),
        ("[{job: ''}]", [f"{NEED} job can't be blank"]),
        ("[{job: [a]}]", [f"{NEED} job should be a string"]),
        ("[{job: a, foo: b}]", [f"{NEED} config contains unknown keys: foo"]),
        ("[{job: a, artifacts: x}]", [f"{NEED} artifacts should be a boolean value"]),
        ("[{job: a, optional: x}]", [f"{NEED} optional should be a boolean value"]),
        (
            "[{job: a, parallel: 10}]",
            ['jobs:build:needs config cannot use "parallel: <number>".'],
        ),
        (
            "[{job: a, parallel: x}]",
            [f"{NEED}:parallel should be an integer or a hash"],
        ),
        (
            "[{job: a, pipeline: $P, something: else}]",
            [f"{NEED} config contains unknown keys: something"],
        ),
        ("[{job: a, pipeline: 5}]", [f"{NEED} pipeline should be a string"]),
        (
            "[{project: g/p}]",
            [f"{NEED} ref can't be blank", f"{NEED} job can't be blank"],
        ),
        ("[{job: a, ref: b}]", [f"{NEED} project can't be blank"]),
        (
            "[{pipeline: g/p}]",
            ["jobs:build:needs config uses invalid types: bridge"],
        ),
        (
            "[" + "{pipeline: p, job: j}, " * 6 + "]",
            ["jobs:build:needs config must be less than or equal to 5"],
        ),
    ],
)
def test_wrong_needs(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"needs: {yaml}")) == messages


def test_bare_text_gets_a_hint() -> None:
    assert errors_of(job_with("needs: build1")) == [
        """\
.gitlab-ci.yml:3:10: error: jobs:build:needs config can only be a hash or an array
    3 |   needs: build1
      |          ^^^^^^
hint: write it as a list: [build1]"""
    ]


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("dependencies: [a]\nneeds: [a, b]", []),
        ("dependencies: []\nneeds: [a]", []),
        ("dependencies: null\nneeds: [a]", []),
        ("dependencies: [a]\nneeds: []", []),
        (
            "dependencies: [a, c, d]\nneeds: [a]",
            ["jobs:build dependencies the c, d should be part of needs"],
        ),
        (
            "dependencies: [a]\nneeds: [{pipeline: p, job: a}]",
            [
                (
                    "jobs:build needs corresponding to dependencies"
                    " must be from the same pipeline"
                )
            ],
        ),
        ("dependencies: a", ["jobs:build dependencies should be an array of strings"]),
        (
            "dependencies: [1]",
            ["jobs:build dependencies should be an array of strings"],
        ),
    ],
)
def test_dependencies_are_among_the_needs(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(yaml)) == messages


def test_dependencies() -> None:
    assert job_of("dependencies: [a, b]").dependencies == ("a", "b")
    assert job_of("dependencies: []").dependencies == ()
    assert job_of("dependencies: null").dependencies is None


def test_bridge_that_mirrors_a_pipeline() -> None:
    config, problems = decoded("mirror: {needs: {pipeline: group/project}}\n")

    assert problems.errors == []
    job = config.jobs["mirror"]
    assert job.needs is None
    assert job.job.cross_needs == (CrossNeed(job=None, pipeline="group/project"),)
    assert job.job.is_bridge
