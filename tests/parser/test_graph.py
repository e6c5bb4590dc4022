from __future__ import annotations

import pytest

from tests.compiling import compile_text, config_errors


def messages(text: str) -> list[str]:
    return [
        error.splitlines()[0].partition("error: ")[2] for error in config_errors(text)
    ]


def test_an_unknown_stage_has_a_place_and_a_hint() -> None:
    errors = config_errors(
        """\
        stages: [build, test]
        job:
          stage: tset
          script: x
        """
    )

    assert errors == [
        (
            ".gitlab-ci.yml:3:10: error: job job: chosen stage `tset` does not exist;"
            " available stages are .pre, build, test, .post\n"
            "    3 |   stage: tset\n"
            "      |          ^^^^\n"
            'hint: did you mean "test"? the stages are: build, test'
        )
    ]


def test_an_unknown_stage_that_resembles_none() -> None:
    (error,) = config_errors("job: {script: x, stage: zzz}")

    assert error.endswith("\nhint: the stages are: build, test, deploy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "job: {script: x, needs: [nope]}",
            ["job job: undefined need: nope"],
            id="unknown need",
        ),
        pytest.param(
            "job: {script: x, rules: [needs: [nope]]}",
            ["job job: undefined need: nope"],
            id="unknown need of a rule",
        ),
        pytest.param(
            "job: {stage: build, script: x, needs: [b]}\nb: {script: x}",
            ["job job: need b is not defined in current or prior stages"],
            id="need of a later stage",
        ),
        pytest.param(
            "job: {script: x, needs: [b, {job: b, artifacts: false}]}\nb: {script: x}",
            ["job has the following needs duplicated: b."],
            id="need twice",
        ),
        pytest.param(
            "job: {script: x, dependencies: [nope]}",
            ["job job: undefined dependency: nope"],
            id="unknown dependency",
        ),
        pytest.param(
            "job: {stage: build, script: x, dependencies: [b]}\nb: {script: x}",
            ["job job: dependency b is not defined in current or prior stages"],
            id="dependency of a later stage",
        ),
        pytest.param(
            "job: {trigger: {include: [{artifact: a.yml, job: nope}]}}",
            ["job job: undefined dependency: nope"],
            id="unknown job of a trigger",
        ),
        pytest.param(
            "a: {script: x, needs: [c]}\nb: {script: x, needs: [a]}\n"
            "c: {script: x, needs: [b]}",
            [
                (
                    "The pipeline has circular dependencies: topological sort failed:"
                    ' ["a", "c", "b"]'
                )
            ],
            id="cycle",
        ),
        pytest.param(
            "a: {script: x, needs: [a]}",
            ["The pipeline has circular dependencies: self-dependency: a"],
            id="needs itself",
        ),
        pytest.param(
            "a: {script: x, rules: [needs: [b]]}\nb: {script: x, needs: [a]}",
            [
                (
                    "The pipeline has circular dependencies: topological sort failed:"
                    ' ["a", "b"]'
                )
            ],
            id="cycle by a rule",
        ),
        pytest.param(
            "job: {script: x, stage: a, needs: [nope]}\nb: {script: x, stage: c}",
            [
                (
                    "job job: chosen stage `a` does not exist; available stages are"
                    " .pre, build, test, deploy, .post"
                ),
                (
                    "b job: chosen stage `c` does not exist; available stages are"
                    " .pre, build, test, deploy, .post"
                ),
                "job job: undefined need: nope",
            ],
            id="all at once",
        ),
        pytest.param(
            "job: {script: x, needs: [nope], parallel: 3}",
            ["job 1/3 job: undefined need: nope"],
            id="once for all instances",
        ),
        pytest.param(
            "job:\n  script: x\n  parallel: {matrix: [{A: [1, 2]}]}\n"
            '  needs: ["b: [$[[ matrix.B ]]]"]',
            ["job job: 'B' does not exist in matrix configuration"],
            id="unknown matrix variable",
        ),
    ],
)
def test_what_cannot_be(text: str, expected: list[str]) -> None:
    assert messages(text) == expected


def test_the_full_name_of_a_needed_job_can_be_too_long() -> None:
    name = "x" * 253
    (message,) = messages(
        f"{name}: {{stage: build, script: x, parallel: 1}}\n"
        f"job: {{script: x, needs: [{name}]}}"
    )

    assert message == (
        f"job job: need `{name} 1/1` name is too long (maximum is 255 characters)"
    )


def test_on_stop_names_a_job_that_stops_the_environment() -> None:
    compilation = compile_text(
        """
        job: {script: x, environment: {name: a, on_stop: stop}}
        stop: {script: x, when: manual, environment: {name: a, action: stop}}
        """
    )

    assert compilation.pipeline is not None


@pytest.mark.parametrize(
    ("stop", "problem"),
    [
        ("other: {script: x}", "is not defined"),
        ("stop: {script: x}", "does not have environment defined"),
        (
            "stop: {script: x, environment: {name: b, action: stop}}",
            "have different environment name",
        ),
        ("stop: {script: x, environment: a}", "needs to have action stop defined"),
    ],
)
def test_on_stop(stop: str, problem: str) -> None:
    text = f"job: {{script: x, environment: {{name: a, on_stop: stop}}}}\n{stop}"

    assert messages(text) == [f"job job: on_stop job stop {problem}"]


def test_an_unknown_need_has_a_hint() -> None:
    (error,) = config_errors("job: {script: x, needs: [biuld]}\nbuild: {script: x}")

    assert error.endswith('\nhint: did you mean "build"?')


def test_jobs_of_one_name_replace_each_other_with_a_warning() -> None:
    compilation = compile_text(
        """
        job: {script: first, parallel: 2}
        job 1/2: {script: second}
        """
    )

    assert compilation.pipeline is not None
    assert [job.script for job in compilation.pipeline.jobs.values()] == [
        ("second",),
        ("first",),
    ]
    assert [warning.message for warning in compilation.warnings] == [
        "several jobs are named job 1/2: the last one replaces the others"
    ]
