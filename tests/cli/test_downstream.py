"""``trigger`` from end to end: configurations on disk, jobs as processes."""

from __future__ import annotations

import json
import subprocess
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from spotci.events import JobStatus
from spotci.runs import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

PARENT = """\
variables: {ROOT: r}
gen:
  stage: build
  script:
    - 'printf "made:\\n  script: [\\"echo made \\$X\\"]\\n" > made.yml'
  artifacts: {paths: [made.yml]}
static:
  variables: {X: x-$ROOT, PARENT_PIPELINE_ID: $CI_PIPELINE_ID}
  trigger: {include: child.yml, strategy: depend}
dynamic:
  variables: {X: y}
  trigger: {include: [{artifact: made.yml, job: gen}]}
"""
CHILD = """\
one:
  script:
    - echo "$X from $CI_PIPELINE_SOURCE on $CI_COMMIT_BRANCH"
    - test -f made.yml
  needs: [{pipeline: $PARENT_PIPELINE_ID, job: gen}]
two:
  script: [test ! -e made.yml]
"""


def make(
    project: Callable[..., CommandLine], yaml: str, **files: str
) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Write a project, and return what runs it: code, results by name, stdout."""
    line = project({".gitlab-ci.yml": dedent(yaml), **files})
    line.git("init", "-q", "-b", "main")
    line.git("add", ".")
    line.git("commit", "-q", "-m", "first")

    def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
        out = line("run", "--engine", "shell", "--output", "json", *arguments)
        events = [json.loads(text) for text in out.out.splitlines()]
        assert events[-1]["event"] == "pipeline_finished", out.err
        return out.code, events[-1]["results"], out.out

    return run


def test_child_pipelines_in_one_run(
    project: Callable[..., CommandLine], tmp_path: Path
) -> None:
    code, results, out = make(project, PARENT, **{"child.yml": CHILD})()

    assert {name: result["status"] for name, result in results.items()} == (
        dict.fromkeys(
            [
                *("gen", "static", "static / one", "static / two"),
                *("dynamic", "dynamic / made"),
            ],
            "success",
        )
    )
    assert code == 0
    assert "x-r from parent_pipeline on main" in out
    assert "made y" in out
    run = RunStore(tmp_path / "shop" / ".spotci").find()
    assert {job.name for job in (run.folder / "logs").iterdir()} == {
        *("gen.log", "static.one.log", "static.two.log", "dynamic.made.log")
    }
    assert "made y" in run.log(next(j for j in run.slugs if "made" in j)).read_text()
    assert set(run.bridges.values()) == {"static", "dynamic"}
    assert run.status == JobStatus.SUCCESS


@pytest.mark.parametrize(
    ("strategy", "code"),
    [("depend", 1), ("mirror", 1), (None, 0)],
)
def test_a_child_that_fails(
    project: Callable[..., CommandLine], strategy: str | None, code: int
) -> None:
    follow = f", strategy: {strategy}" if strategy else ""
    run = make(
        project,
        f"b: {{trigger: {{include: child.yml{follow}}}}}\n",
        **{"child.yml": 'a: {script: "false"}\n'},
    )

    found, results, _ = run()

    assert found == code
    assert results["b / a"]["status"] == "failed"
    assert results["b"]["status"] == ("failed" if strategy else "success")


@pytest.mark.parametrize(
    ("forward", "seen"),
    [
        ("{}", "job,"),
        ("{yaml_variables: false}", ","),
        ("{pipeline_variables: true}", "job,given"),
    ],
)
def test_forward(project: Callable[..., CommandLine], forward: str, seen: str) -> None:
    run = make(
        project,
        "b: {variables: {J: job}, trigger: {include: c.yml, forward: "
        f"{forward}}}}}",
        **{"c.yml": 'a: {script: ["echo seen $J,$G."]}\n'},
    )

    assert f"seen {seen}." in run("--variable", "G=given")[2]


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("a: {script: x, scripts: y}\n", "config contains unknown keys: scripts"),
        (
            "a: {script: x, rules: [{when: never}]}\n",
            "Pipeline will not run for the selected trigger.",
        ),
        (
            "workflow: {rules: [{when: never}]}\na: {script: x}\n",
            "Pipeline filtered out by workflow rules.",
        ),
    ],
)
def test_a_child_that_cannot_be_created(
    project: Callable[..., CommandLine], child: str, message: str
) -> None:
    run = make(project, "b: {trigger: {include: c.yml}}", **{"c.yml": child})

    code, results, _ = run()

    assert code == 1
    result = results["b"]
    assert result["failure_reason"] == "downstream_pipeline_creation_failed"
    assert message in result["message"]


def test_a_project_that_is_not_here_is_skipped(
    project: Callable[..., CommandLine],
) -> None:
    code, results, _ = make(project, "b: {trigger: group/other}")()

    assert code == 0
    assert results["b"]["status"] == "skipped"
    assert results["b"]["message"] == (
        "group/other is not on this machine: name its checkout in .spotci.toml: "
        '[projects] "group/other" = "../other"'
    )


def test_a_project_runs_from_its_checkout(
    project: Callable[..., CommandLine], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    (other / ".gitlab-ci.yml").write_text(
        'a: {script: ["cat mine.txt", "echo $V $CI_PIPELINE_SOURCE $CI_PROJECT_PATH"]}'
    )
    subprocess.run(["git", "init", "-q", "-b", "main", other], check=True)
    run = make(
        project,
        """\
        b:
          variables: {V: passed}
          trigger: {project: group/other, branch: stable, strategy: depend}
        """,
        **{".spotci.toml": '[projects]\n"group/other" = "../other"\n'},
    )

    code, results, out = run()

    assert (code, results["b / a"]["status"]) == (0, "success")
    assert "passed pipeline " in out
    assert "b: group/other runs as it is checked out, on main, not stable" in out


def test_failed_jobs_of_a_child_are_run_again_by_their_bridge(
    project: Callable[..., CommandLine], capfd: pytest.CaptureFixture[str]
) -> None:
    run = make(
        project,
        "x: {script: [echo fine]}\nb: {trigger: {include: c.yml}}",
        **{"c.yml": 'a: {script: "false"}\n'},
    )
    run()

    from spotci.cli.main import main  # noqa: PLC0415 - as the project stands

    assert main(["rerun", "--failed"]) == 0
    lines = capfd.readouterr().out.splitlines()
    (finished,) = [text for text in lines if '"pipeline_finished"' in text]
    assert set(json.loads(finished)["results"]) == {"b", "b / a"}
