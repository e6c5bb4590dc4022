"""The commands that read the pipeline: lint, show, explain, graph, eval, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

    Make = Callable[..., CommandLine]

PIPELINE = dedent("""\
    variables: {WHO: root}
    .base: {image: alpine}
    build:
      stage: build
      extends: .base
      script: |
        one
        two
    test:
      script: [run]
      variables: {WHO: job}
      parallel: {matrix: [{PY: [a, b]}]}
    deploy:
      stage: deploy
      script: [ship]
      rules:
        - if: $CI_COMMIT_TAG
        - if: $WHO == "me"
    """)


@pytest.fixture
def spotci(project: Callable[..., CommandLine]) -> CommandLine:
    return project({".gitlab-ci.yml": PIPELINE})


def test_lint_of_a_valid_configuration(spotci: CommandLine) -> None:
    outcome = spotci("lint")

    assert outcome.code == 0
    assert outcome.out == "the configuration is valid\n"


def test_lint_finds_all_errors(project: Make) -> None:
    spotci = project({".gitlab-ci.yml": "a: {scrpt: x}\nb: {script: 1, image: []}\n"})

    outcome = spotci("lint")
    document = spotci("lint", "--format", "json").json
    sarif = spotci("lint", "--format", "sarif").json
    quality = spotci("lint", "--format", "codequality").json

    assert outcome.code == 2
    count = len(document["errors"])
    assert count >= 3
    assert outcome.err.endswith(f"\n{count} errors\n")
    assert not document["valid"]
    assert len(sarif["runs"][0]["results"]) == len(quality) == count
    first = sarif["runs"][0]["results"][0]
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 1
    assert quality[0]["location"] == {"path": ".gitlab-ci.yml", "lines": {"begin": 1}}
    assert len({item["fingerprint"] for item in quality}) == count


def test_show_prints_resolved_yaml(spotci: CommandLine) -> None:
    outcome = spotci("show", "--job", "build")

    assert outcome.code == 0
    assert "  image: alpine\n" in outcome.out
    assert "  script: |\n    one\n    two\n" in outcome.out
    assert "deploy" not in outcome.out


def test_show_of_an_instance_shows_its_job(spotci: CommandLine) -> None:
    assert spotci("show", "--job", "test: [a]").out.startswith("test:\n")


def test_what_show_prints_is_the_same_pipeline(spotci: CommandLine) -> None:
    shown = spotci("show").out
    before = spotci("list", "--format", "json").json["jobs"]

    (spotci.folder / ".gitlab-ci.yml").write_text(shown)
    after = spotci("list", "--format", "json").json["jobs"]

    for job in (*before, *after):
        job["source"] = None
    assert after == before


def test_show_of_an_unknown_job(spotci: CommandLine) -> None:
    assert spotci("show", "--job", "biuld").err == (
        'error: no job "biuld"\ndid you mean "build"?\n'
    )


def test_explain_a_job_that_is_out(spotci: CommandLine) -> None:
    outcome = spotci("explain", "deploy")

    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("deploy is out: ")
    assert lines[0].endswith("(.gitlab-ci.yml:13:1)")
    assert "  1. does not match  (.gitlab-ci.yml:17:7)" in lines
    assert '     ✗ if: $WHO ("root") == "me"' in lines


def test_explain_a_job_that_is_in(spotci: CommandLine) -> None:
    outcome = spotci("explain", "deploy", "--variable", "WHO=me")

    assert outcome.out.startswith("deploy is in: entry 2 of its rules matches")
    assert "  2. matches  (.gitlab-ci.yml:18:7)" in outcome.out.splitlines()


def test_explain_tells_where_variables_are_from(spotci: CommandLine) -> None:
    document = spotci("explain", "test: [b]", "--format", "json").json

    variables = {item["name"]: item for item in document["variables"]}
    assert document["included"]
    assert variables["WHO"]["value"] == "job"
    assert variables["WHO"]["level"] == "job"
    assert variables["WHO"]["origin"].startswith(".gitlab-ci.yml:11:")
    [lost] = variables["WHO"]["overridden"]
    assert (lost["value"], lost["level"]) == ("root", "root")
    assert variables["PY"]["level"] == "matrix"
    assert document["keys"]["script"].startswith(".gitlab-ci.yml:10:")
    assert document["job"]["name"] == "test: [b]"


def test_graph(spotci: CommandLine) -> None:
    assert spotci("graph").out == (
        "build\n└─ build\ntest\n├─ test: [a]\n└─ test: [b]\n"
    )
    assert spotci("graph", "--format", "mermaid").out.startswith("flowchart LR\n")
    assert spotci("graph", "--format", "svg").out.startswith("<svg ")
    assert spotci("graph", "--format", "html").out.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ('$WHO == "root"', "true"),
        ("$GONE", "false"),
        ('$CI_PIPELINE_SOURCE == "push"', "true"),
    ],
)
def test_eval(spotci: CommandLine, expression: str, verdict: str) -> None:
    outcome = spotci("eval", expression)

    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == verdict


def test_eval_with_the_variables_of_a_job(spotci: CommandLine) -> None:
    assert spotci("eval", "$PY", "--job", "test: [b]").out.startswith("true\n")


def test_eval_shows_no_secret(spotci: CommandLine) -> None:
    secret = "API_TOKEN=canary-canary"

    outcome = spotci("eval", '$API_TOKEN == "x"', "--variable", secret)

    assert outcome.out == 'false\n$API_TOKEN ("[MASKED]") == "x"\n'


def test_eval_points_at_what_it_cannot_read(spotci: CommandLine) -> None:
    outcome = spotci("eval", "$A == == $B")

    assert outcome.code == 2
    assert outcome.err.splitlines()[1:] == ["  $A == == $B", "        ^^"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(spotci: CommandLine, shell: str) -> None:
    outcome = spotci("completion", shell)

    assert outcome.code == 0
    assert "_SPOTCI_COMPLETE" in outcome.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("spotci li", ["lint", "list"], id="commands"),
        pytest.param(
            "spotci run te", ["test", r"test:\ \[a\]", r"test:\ \[b\]"], id="jobs"
        ),
        pytest.param("spotci explain de", ["deploy"], id="excluded jobs"),
        pytest.param("spotci run --job bu", ["build"], id="values of options"),
    ],
)
def test_completion(spotci: CommandLine, words: str, expected: list[str]) -> None:
    environ = {
        **os.environ,
        "_SPOTCI_COMPLETE": "bash_complete",
        "COMP_LINE": words,
    }

    done = subprocess.run(
        [sys.executable, "-c", "from spotci.cli.main import main; main([])"],
        cwd=spotci.folder,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )

    found = [line.partition(",")[2] for line in done.stdout.splitlines()]
    assert sorted(found) == sorted(expected)


def test_graph_of_a_thousand_jobs_is_drawn(project: Make) -> None:
    jobs = {
        f"job {number}": {"stage": f"s{number % 8}", "script": "x"}
        for number in range(1000)
    }
    stages = [f"s{number}" for number in range(8)]
    spotci = project({".gitlab-ci.yml": json.dumps({"stages": stages, **jobs})})

    outcome = spotci("graph", "--format", "dot")

    assert outcome.out.count("->") == 7
