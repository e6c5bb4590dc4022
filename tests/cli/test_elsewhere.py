"""``needs:project`` and mirrors from end to end: two checkouts, jobs as processes."""

from __future__ import annotations

import json
import subprocess
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from spotci.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

LIBRARY = """\
build:
  script: ['mkdir dist', 'echo made > dist/lib', 'echo VERSION=1.2 > v.env']
  artifacts: {paths: [dist], reports: {dotenv: v.env}}
broken: {script: ["false"], allow_failure: $BROKEN}
"""
USER = """\
test:
  needs: [{project: group/library, job: build, ref: main, artifacts: true}]
  script: ['cat dist/lib', 'echo "version $VERSION"']
follow:
  needs: {pipeline: group/library}
"""
SETTINGS = '[projects]\n"group/library" = "../library"\n'


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The checkout of another project, beside the one of the tests."""
    folder = tmp_path / "library"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    return folder


def run_there(folder: Path, monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
    (folder / ".gitlab-ci.yml").write_text(LIBRARY.replace("$BROKEN", allowed))
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        main(["run", "--engine", "shell", "--output", "quiet"])


def run_here(line: CommandLine) -> tuple[int, dict[str, Any], str]:
    out = line("run", "--engine", "shell", "--output", "json")
    events = [json.loads(text) for text in out.out.splitlines()]
    return out.code, events[-1]["results"], out.out


@pytest.mark.parametrize(
    ("allowed", "code", "status"), [("true", 0, "success"), ("false", 1, "failed")]
)
def test_what_another_project_left_and_how_it_stands(
    project: Callable[..., CommandLine],
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    allowed: str,
    code: int,
    status: str,
) -> None:
    line = project({".gitlab-ci.yml": dedent(USER), ".spotci.toml": SETTINGS})
    run_there(library, monkeypatch, allowed)

    ended, results, out = run_here(line)

    assert ended == code
    assert results["test"]["status"] == "success"
    assert "made" in out
    assert "version 1.2" in out
    assert results["follow"]["status"] == status


def test_a_project_that_never_ran_here(
    project: Callable[..., CommandLine], library: Path
) -> None:
    (library / ".gitlab-ci.yml").write_text("a: {script: x}")
    line = project({".gitlab-ci.yml": dedent(USER), ".spotci.toml": SETTINGS})

    _, results, _ = run_here(line)

    assert results["test"]["failure_reason"] == "missing_dependency_failure"
    assert results["follow"]["status"] == "skipped"
    assert results["follow"]["message"] == (
        "no pipeline of group/library has run on main here"
    )


def test_a_project_that_is_not_here(project: Callable[..., CommandLine]) -> None:
    line = project(
        {".gitlab-ci.yml": dedent(USER).replace("cat dist/lib", "test ! -e dist")}
    )

    _, results, out = run_here(line)

    message = (
        "group/library is not on this machine: name its checkout in .spotci.toml: "
        '[projects] "group/library" = "../library"'
    )
    assert results["test"]["status"] == "success"
    assert json.dumps(f"WARNING: needs:project: {message}")[1:-1] in out
    assert results["follow"]["message"] == message
