from __future__ import annotations

import pytest

from spotci.parser.matrix import group_name, interpolate_matrix
from spotci.variables import effective
from tests.compiling import job_of, pipeline_of, yaml_variables


def test_a_count_numbers_the_jobs() -> None:
    pipeline = pipeline_of("job: {script: x, parallel: 3}")

    assert list(pipeline.jobs) == ["job 1/3", "job 2/3", "job 3/3"]
    values = [effective(job.variables) for job in pipeline.jobs.values()]
    assert [item["CI_NODE_INDEX"].value for item in values] == ["1", "2", "3"]
    assert {item["CI_NODE_TOTAL"].value for item in values} == {"3"}
    assert {item["CI_JOB_GROUP_NAME"].value for item in values} == {"job"}


def test_a_count_of_one_is_numbered_too() -> None:
    assert list(pipeline_of("job: {script: x, parallel: 1}").jobs) == ["job 1/1"]


def test_a_job_without_parallel_is_one_of_one() -> None:
    values = effective(job_of("job: {script: x}").variables)

    assert values["CI_NODE_TOTAL"].value == "1"
    assert "CI_NODE_INDEX" not in values


MATRIX = """
job:
  script: x
  variables: {A: own, D: own}
  parallel:
    matrix:
      - A: [1, 2]
        B: [p, q]
      - C: $HOME
"""


def test_a_matrix_multiplies_with_the_first_key_slowest() -> None:
    pipeline = pipeline_of(MATRIX)

    assert list(pipeline.jobs) == [
        "job: [1, p]",
        "job: [1, q]",
        "job: [2, p]",
        "job: [2, q]",
        "job: [$HOME]",
    ]


def test_the_variables_of_a_matrix_win_over_those_of_the_job() -> None:
    job = job_of(MATRIX, "job: [2, p]")

    assert yaml_variables(job) == {"A": "2", "B": "p", "D": "own"}
    assert job.parallel is not None
    assert (job.parallel.index, job.parallel.total) == (3, 5)
    assert dict(job.parallel.matrix) == {"A": "2", "B": "p"}
    assert job.base_name == "job"


def test_each_instance_has_its_own_rules() -> None:
    pipeline = pipeline_of(
        """
        job:
          script: x
          parallel: {matrix: [{A: [1, 2, 3]}]}
          rules:
            - if: $A == "2"
        """
    )

    assert list(pipeline.jobs) == ["job: [2]"]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("job", "job"),
        ("job 1/3", "job"),
        ("job: [a, b]", "job"),
        ("job: [a] 1/3", "job"),
        ("job 1 3", "job"),
        ("job 1:3", "job"),
        ("job:1/3", "job"),
        ("job 1", "job 1"),
        ("build: deploy", "build: deploy"),
        ("a 1/2 b", "a 1/2 b"),
    ],
)
def test_group_name(name: str, group: str) -> None:
    assert group_name(name) == group


def test_interpolate_matrix() -> None:
    matrix = {"A-1": "a", "B": "b"}

    assert interpolate_matrix("x-$[[ matrix.A-1 ]]$[[matrix.B]]", matrix) == "x-ab"
    with pytest.raises(ValueError, match="'C' does not exist in matrix configuration"):
        interpolate_matrix("$[[ matrix.C ]]", matrix)
