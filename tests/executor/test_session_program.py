from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from spotci.executor.session_program import (
    LONGEST_VALUE,
    Purpose,
    session_command,
    shell_environment,
)

if TYPE_CHECKING:
    from pathlib import Path


def run(
    folder: Path, purpose: Purpose, text: str = "", *, terminal: bool = False
) -> subprocess.CompletedProcess[str]:
    project = folder / "project"
    for place in (project, folder / "project.tmp"):
        place.mkdir(exist_ok=True)
    return subprocess.run(
        session_command(purpose, terminal=terminal),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=project,
        env={
            "CI_PROJECT_DIR": str(project),
            "HOME": str(folder),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        },
    )


@pytest.mark.parametrize(
    ("fields", "text", "terminal", "output", "code"),
    [
        pytest.param({"command": "echo a; exit 7"}, "", False, "a\n", 7, id="command"),
        pytest.param({"command": "cat"}, "in", False, "in", 0, id="command reads"),
        pytest.param({}, "echo a\nexit 4\n", False, "a\n", 4, id="input"),
        pytest.param(
            {"command": "false; echo on"}, "", False, "on\n", 0, id="no errexit"
        ),
        pytest.param(
            {"before": ("x=1",), "command": "echo $x"},
            "",
            False,
            "\x1b[32;1m$ x=1\x1b[0;m\n1\n",
            0,
            id="before a command",
        ),
        pytest.param(
            {"before": ("x=1",)},
            "echo $x",
            False,
            "\x1b[32;1m$ x=1\x1b[0;m\n1\n",
            0,
            id="before input",
        ),
        pytest.param(
            {"before": ("x=1",)},
            "echo $x; exit 5\n",
            True,
            "\x1b[32;1m$ x=1\x1b[0;m\n1\n",
            5,
            id="before a shell",
        ),
    ],
)
def test_a_session(
    tmp_path: Path,
    fields: dict[str, Any],
    text: str,
    *,
    terminal: bool,
    output: str,
    code: int,
) -> None:
    done = run(tmp_path, Purpose(job="j", **fields), text, terminal=terminal)

    assert (done.stdout, done.returncode) == (output, code)


def test_a_line_of_before_script_that_fails_ends_a_command(tmp_path: Path) -> None:
    done = run(tmp_path, Purpose(job="j", before=("exit 3",), command="echo no"))

    assert done.returncode == 3
    assert "no" not in done.stdout


def test_a_shell_leaves_no_file(tmp_path: Path) -> None:
    run(tmp_path, Purpose(job="j"), "exit\n", terminal=True)

    assert list((tmp_path / "project.tmp").iterdir()) == []


def test_the_prompt_names_the_job_and_expands_nothing_of_it(tmp_path: Path) -> None:
    purpose = Purpose(job="a: [$(touch pwned), `id`\\u]")

    done = run(tmp_path, purpose, "exit\n", terminal=True)

    assert "(a: [__touch pwned_, _id__u])" in done.stderr
    assert list((tmp_path / "project").iterdir()) == []


def test_variables_that_no_program_takes_are_left_out() -> None:
    long = "x" * LONGEST_VALUE

    given, left = shell_environment({"A": "1", "a-b": "2", "N": "x\0y", "L": long})

    assert given == {"A": "1", "N": "x"}
    assert left == ("L",)
