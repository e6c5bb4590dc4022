from __future__ import annotations

import pytest

from spotci.pipeline import JobName, Need
from tests.compiling import compile_text, config_errors, job_of, pipeline_of


def needs_of(text: str, name: str = "job") -> list[str] | None:
    needs = job_of(text, name).needs
    return None if needs is None else [need.job for need in needs]


def test_without_needs_and_with_empty_needs_are_two_things() -> None:
    assert needs_of("job: {script: x}") is None
    assert needs_of("job: {script: x, needs: []}") == []


def test_a_base_name_stands_for_all_instances_with_their_switches() -> None:
    job = job_of(
        """
        build: {stage: build, script: x, parallel: 2}
        job: {script: x, needs: [{job: build, artifacts: false}]}
        """
    )

    assert job.needs == (
        Need(job=JobName("build 1/2"), artifacts=False),
        Need(job=JobName("build 2/2"), artifacts=False),
    )


BUILD = """
build:
  stage: build
  script: x
  parallel:
    matrix:
      - OS: [linux, mac]
        ARCH: [arm, amd]
"""


def test_a_full_name_picks_one_instance() -> None:
    text = BUILD + "job: {script: x, needs: ['build: [mac, arm]']}\n"

    assert needs_of(text) == ["build: [mac, arm]"]


def test_parallel_matrix_picks_some() -> None:
    text = (
        BUILD
        + """
job:
  script: x
  needs:
    - job: build
      parallel: {matrix: [{OS: linux, ARCH: [arm, amd]}]}
"""
    )

    assert needs_of(text) == ["build: [linux, arm]", "build: [linux, amd]"]


def test_a_matrix_job_needs_its_counterpart() -> None:
    text = (
        BUILD
        + """
job:
  script: x
  parallel: {matrix: [{OS: [linux, mac], ARCH: arm}]}
  needs:
    - job: build
      parallel:
        matrix:
          - OS: ["$[[ matrix.OS ]]"]
            ARCH: ["$[[ matrix.ARCH ]]"]
"""
    )

    assert needs_of(text, "job: [linux, arm]") == ["build: [linux, arm]"]
    assert needs_of(text, "job: [mac, arm]") == ["build: [mac, arm]"]


def test_an_optional_need_on_a_left_out_job_is_dropped() -> None:
    text = """
    left-out: {stage: build, script: x, rules: [when: never]}
    job: {script: x, needs: [{job: left-out, optional: true}]}
    """

    assert needs_of(text) == []


def test_an_optional_need_on_a_job_that_is_nowhere_is_dropped() -> None:
    assert needs_of("job: {script: x, needs: [{job: nope, optional: true}]}") == []


def test_a_need_on_a_left_out_job_is_an_error() -> None:
    errors = config_errors(
        """\
        left-out: {stage: build, script: x, rules: [when: never]}
        job: {script: x, needs: [left-out]}
        """
    )

    message = (
        "'job' job needs 'left-out' job, but 'left-out' does not exist in the pipeline."
        " This might be because of the only, except, or rules keywords. To need a job"
        " that sometimes does not exist in the pipeline, use needs:optional."
    )
    hint = (
        "write {job: left-out, optional: true},"
        " or give job rules that exclude it along with left-out"
    )
    assert errors == [
        (
            f".gitlab-ci.yml:2:26: error: {message}\n"
            "    2 | job: {script: x, needs: [left-out]}\n"
            "      |                          ^^^^^^^^\n"
            f"hint: {hint}"
        )
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param("[{needs: [b]}]", ["b"], id="replace"),
        pytest.param("[{when: always}]", ["a"], id="not written"),
        pytest.param("[{needs: []}]", [], id="empty"),
    ],
)
def test_needs_of_a_rule_replace_those_of_the_job(
    rules: str, expected: list[str]
) -> None:
    text = f"""
    a: {{stage: build, script: x}}
    b: {{stage: build, script: x}}
    job: {{script: x, needs: [a], rules: {rules}}}
    """

    assert needs_of(text) == expected


def test_needs_of_a_rule_make_a_stage_job_start_early_unless_they_are_empty() -> None:
    text = """
    a: {{stage: build, script: x}}
    job: {{script: x, rules: [{{needs: {needs}}}]}}
    """

    assert needs_of(text.format(needs="[a]")) == ["a"]
    assert needs_of(text.format(needs="[]")) is None


def test_needs_on_other_pipelines_make_a_job_start_at_once() -> None:
    job = job_of("job: {script: x, needs: [{pipeline: $UP, job: other}]}")

    assert job.needs == ()
    assert [(need.pipeline, need.job) for need in job.cross_needs] == [("$UP", "other")]


def test_dependencies_are_expanded_and_may_be_empty() -> None:
    text = """
    build: {stage: build, script: x, parallel: 2}
    job: {script: x, dependencies: [build]}
    none: {script: x, dependencies: []}
    all: {script: x}
    """
    jobs = {str(job.name): job for job in pipeline_of(text).jobs.values()}

    assert jobs["job"].dependencies == ("build 1/2", "build 2/2")
    assert jobs["none"].dependencies == ()
    assert jobs["all"].dependencies is None


def test_more_than_50_needs_are_an_error() -> None:
    text = """
    build: {{stage: build, script: x, parallel: {count}}}
    job: {{script: x, needs: [build]}}
    """
    compile_text(text.format(count=50))

    (error,) = config_errors(text.format(count=51))

    assert "job: one job can only need 50 others, but you have listed 51." in error


def test_needs_among_excluded_jobs_are_kept() -> None:
    compilation = compile_text(
        """
        a: {stage: build, script: x, rules: [when: never]}
        b: {script: x, needs: [a], rules: [when: never]}
        c: {script: x}
        """
    )

    excluded = {str(job.name): job for job in compilation.excluded_jobs.values()}
    assert [need.job for need in excluded["b"].needs or ()] == ["a"]


def test_a_job_that_mirrors_another_project_waits_for_the_earlier_stages() -> None:
    job = job_of("job: {needs: {pipeline: other/project}}")

    assert job.needs is None
    assert [(need.pipeline, need.job) for need in job.cross_needs] == [
        ("other/project", None)
    ]
