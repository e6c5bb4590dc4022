from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

    Make = Callable[..., CommandLine]

PIPELINE = {
    ".gitlab-ci.yml": dedent("""\
        stages: [build, test, deploy]
        variables:
          FROM_ROOT: root
          BOTH: root
        .base:
          image: {name: "python:3.12", entrypoint: [""]}
          before_script: [setup]
        compile:
          stage: build
          extends: .base
          script:
            - make
            - make install
          variables: {BOTH: job}
          artifacts: {paths: [out/], expire_in: 1 day}
          cache: {key: {files: [lock]}, paths: [.cache/]}
        unit:
          stage: test
          script: pytest
          needs: [compile]
          parallel: {matrix: [{PY: ["3.11", "3.12"]}]}
          coverage: '/TOTAL.* (\\d+%)$/'
          timeout: 1h 30m
          retry: {max: 2, when: script_failure}
          allow_failure: {exit_codes: [3, 4]}
          services: [{name: "postgres:16", alias: db}]
          tags: [docker]
        nightly:
          stage: test
          script: slow
          rules:
            - if: $CI_PIPELINE_SOURCE == "schedule"
        ship:
          stage: deploy
          script: [ship]
          environment: {name: staging, url: "https://staging"}
          rules:
            - if: $CI_COMMIT_BRANCH == "main"
              when: manual
        """)
}


@pytest.fixture
def spotci(project: Callable[..., CommandLine]) -> CommandLine:
    line = project(PIPELINE)
    line.git("init", "-q", "-b", "main")
    line.git("add", ".")
    line.git("commit", "-q", "-m", "first")
    return line


def test_table(spotci: CommandLine) -> None:
    outcome = spotci("list")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == dedent("""\
        name          stage   when        allow_failure  needs    image
        compile       build   on_success                          python:3.12
        unit: [3.11]  test    on_success  exit 3, 4      compile
        unit: [3.12]  test    on_success  exit 3, 4      compile
        ship          deploy  manual

        1 job is left out: spotci list --all tells why
        """)


def test_all_tells_why_jobs_are_left_out(spotci: CommandLine) -> None:
    lines = spotci("list", "--all").out.splitlines()

    assert lines[-2].split() == ["excluded", "reason"]
    assert lines[-1].startswith("nightly   ")


def test_csv(spotci: CommandLine) -> None:
    assert spotci("list", "--format", "csv").out.splitlines()[:2] == [
        "name,stage,when,allow_failure,needs,image",
        "compile,build,on_success,,,python:3.12",
    ]


def test_json_has_the_shapes_of_gitlab(spotci: CommandLine) -> None:
    outcome = spotci("list", "--format", "json")

    assert outcome.code == 0
    document = outcome.json
    jobs = {job["name"]: job for job in document.pop("jobs")}
    assert [item["name"] for item in document.pop("excluded")] == ["nightly"]
    assert document == {
        "created": True,
        "reason": None,
        "name": None,
        "source": "push",
        "ref": "main",
        "stages": [".pre", "build", "test", "deploy", ".post"],
        "warnings": [],
    }
    assert list(jobs) == ["compile", "unit: [3.11]", "unit: [3.12]", "ship"]
    assert jobs["compile"] == {
        "name": "compile",
        "stage": "build",
        "when": "on_success",
        "allow_failure": False,
        "needs": None,
        "dependencies": None,
        "image": {"name": "python:3.12", "entrypoint": [""]},
        "services": None,
        "variables": {"FROM_ROOT": "root", "BOTH": "job"},
        "tags": None,
        "script": ["make", "make install"],
        "before_script": ["setup"],
        "after_script": None,
        "environment": None,
        "artifacts": {"paths": ["out/"], "when": "on_success", "expire_in": "1 day"},
        "cache": [
            {
                "key": {"files": ["lock"]},
                "paths": [".cache/"],
                "policy": "pull-push",
                "when": "on_success",
            }
        ],
        "retry": None,
        "timeout": None,
        "interruptible": None,
        "resource_group": None,
        "parallel": None,
        "coverage": None,
        "start_in": None,
        "trigger": None,
        "release": None,
        "extends": [".base"],
        "description": None,
        "rule": None,
        "source": {"file": ".gitlab-ci.yml", "line": 8},
    }
    unit = jobs["unit: [3.12]"]
    assert unit["needs"] == [{"job": "compile", "artifacts": True}]
    assert unit["parallel"] == {"index": 2, "total": 2, "matrix": {"PY": "3.12"}}
    assert unit["coverage"] == r"/TOTAL.* (\d+%)$/"
    assert unit["timeout"] == "1h 30m"
    assert unit["retry"] == {"max": 2, "when": ["script_failure"]}
    assert unit["allow_failure"] == {"exit_codes": [3, 4]}
    assert unit["services"] == [{"name": "postgres:16", "alias": "db"}]
    assert unit["variables"]["PY"] == "3.12"
    assert jobs["ship"]["rule"] == 0
    assert jobs["ship"]["environment"] == {
        "name": "staging",
        "action": "start",
        "url": "https://staging",
    }


def test_another_context_has_other_jobs(spotci: CommandLine) -> None:
    document = spotci("list", "--event", "schedule", "--format", "json").json

    names = [job["name"] for job in document["jobs"]]
    assert "nightly" in names
    assert document["source"] == "schedule"


def test_no_pipeline_is_a_fact_and_no_error(project: Make) -> None:
    spotci = project(
        {
            ".gitlab-ci.yml": dedent("""\
                workflow: {rules: [{when: never}]}
                a: {script: x}
                """)
        }
    )

    outcome = spotci("list")
    document = spotci("list", "--format", "json").json

    assert outcome.code == 0
    assert outcome.out.startswith(
        "no pipeline is created: Pipeline filtered out by workflow rules.\n"
    )
    assert (document["created"], document["jobs"]) == (False, [])
    assert document["reason"] == "Pipeline filtered out by workflow rules."
    assert [item["name"] for item in document["excluded"]] == ["a"]


def test_errors_of_the_configuration_as_text(project: Make) -> None:
    spotci = project({".gitlab-ci.yml": "a: {script: x, stage: tset}\nb: {scrpt: x}\n"})

    outcome = spotci("list")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(".gitlab-ci.yml:2:1: error: jobs b config ")
    assert outcome.err.endswith("\n1 error\n")


def test_errors_of_the_configuration_as_json(project: Make) -> None:
    spotci = project({".gitlab-ci.yml": "a:\n  script: x\n  stage: tset\n"})

    outcome = spotci("list", "--format", "json")

    assert outcome.code == 2
    [error] = outcome.json["errors"]
    assert set(error) == {"message", "file", "line", "column", "hint"}
    assert (error["file"], error["line"], error["column"]) == (".gitlab-ci.yml", 3, 10)


def test_a_folder_without_a_pipeline(project: Make) -> None:
    spotci = project({})

    assert spotci("list").err == (
        f"error: there is no .gitlab-ci.yml in {spotci.folder}\n"
        "run spotci in a folder of a project with a pipeline\n"
    )
    assert spotci("list", "--format", "json").json == {
        "errors": [
            {
                "message": f"there is no .gitlab-ci.yml in {spotci.folder}",
                "file": None,
                "line": None,
                "column": None,
                "hint": "run spotci in a folder of a project with a pipeline",
            }
        ]
    }
