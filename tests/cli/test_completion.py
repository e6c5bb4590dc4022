from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from spotci.cli.bash_completion import Typed, insertion, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

BREAKS = " \t\n\"'><=;|&(:"
PIPELINE = dedent("""\
    stages: [build, test]
    build:
      stage: build
      script: ["true", "true"]
      after_script: ["true"]
    "test:unit":
      stage: test
      script: ["true"]
    matrix:
      stage: test
      script: ["true"]
      parallel: {matrix: [{A: [one, two]}]}
    deploy:
      stage: test
      when: manual
      script: ["true"]
    """)


@pytest.fixture
def spotci(project: Callable[..., CommandLine]) -> CommandLine:
    return project({".gitlab-ci.yml": PIPELINE})


@pytest.mark.parametrize(
    ("line", "raw", "quote"),
    [
        pytest.param("spotci ru", "ru", "", id="word"),
        pytest.param("spotci run ", "", "", id="new word"),
        pytest.param("spotci run 'a b", "'a b", "'", id="single quote"),
        pytest.param('spotci run "a b', '"a b', '"', id="double quote"),
        pytest.param("spotci run 'a b'", "'a b'", "", id="closed quote"),
        pytest.param(r"spotci run a\ b", r"a\ b", "", id="escaped space"),
        pytest.param(r"spotci run 'a\' b", "b", "", id="no escape in single quotes"),
        pytest.param(r'spotci run "a\" b', r'"a\" b', '"', id="escaped quote"),
        pytest.param("spotci 'x y' b", "b", "", id="quotes before"),
    ],
)
def test_the_word_that_is_typed(line: str, raw: str, quote: str) -> None:
    assert typed(line) == Typed(raw, quote)


@pytest.mark.parametrize(
    ("word", "raw", "quote", "inserted"),
    [
        pytest.param("build", "bu", "", "build", id="plain"),
        pytest.param("test:unit", "test:u", "", "unit", id="behind a colon"),
        pytest.param("test:unit", "te", "", "test:unit", id="with a colon"),
        pytest.param("a: [x, y]", "a", "", r"a:\ \[x,\ y\]", id="matrix"),
        pytest.param("a: [x, y]", r"a:\ ", "", r"\ \[x,\ y\]", id="matrix begun"),
        pytest.param("a: [x, y]", "'a: [", "'", "a: [x, y]", id="quoted"),
        pytest.param("build", "--job=bu", "", "build", id="value of an option"),
        pytest.param("a$(b)", "a", "", r"a\$\(b\)", id="expansions"),
    ],
)
def test_what_is_inserted(word: str, raw: str, quote: str, inserted: str) -> None:
    assert insertion(word, Typed(raw, quote), BREAKS) == inserted


def test_without_colons_among_the_breaks_the_whole_word_is_inserted() -> None:
    assert insertion("test:unit", Typed("test:u", ""), " ") == "test:unit"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        pytest.param("spotci rer", ["rerun"], id="command"),
        pytest.param("spotci run --fail", ["--fail-fast"], id="option"),
        pytest.param("spotci run --output pl", ["plain"], id="value"),
        pytest.param("spotci run bu", ["build"], id="job"),
        pytest.param("spotci run test:", ["unit"], id="job behind a colon"),
        pytest.param(
            "spotci shell ma",
            ["matrix:\\ \\[one\\]", "matrix", "matrix:\\ \\[two\\]"],
            id="matrix",
        ),
        pytest.param("spotci run --stage te", ["test"], id="stage"),
        pytest.param("spotci run --manual ", ["deploy", "all"], id="manual job"),
        pytest.param(
            "spotci run --break build:", ["1", "2", "after"], id="lines of a job"
        ),
        pytest.param("spotci explain 'mat", ["matrix: [one]"], id="quoted"),
    ],
)
def test_bash_is_offered(spotci: CommandLine, line: str, offered: list[str]) -> None:
    script = dedent("""\
        spotci() { "$PYTHON" -m spotci "$@"; }
        eval "$(spotci completion bash)"
        compopt() { :; }
        COMP_LINE=$1 COMP_POINT=${#1}
        _spotci_completion "$FOLDER/spotci"
        printf '%s\\n' "${COMPREPLY[@]}"
        """)
    program = spotci.folder / "spotci"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spotci "$@"\n')
    program.chmod(0o755)

    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", line],
        cwd=spotci.folder,
        env=os.environ | {"PYTHON": sys.executable, "FOLDER": str(spotci.folder)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
    words = done.stdout.splitlines()
    assert words[: len(offered)] == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_names_of_jobs(spotci: CommandLine, shell: str) -> None:
    words = {
        "COMP_WORDS": "spotci run bu",
        "COMP_CWORD": "2" if shell == "zsh" else "bu",
    }

    done = subprocess.run(
        [sys.executable, "-m", "spotci"],
        cwd=spotci.folder,
        env=os.environ | words | {"_SPOTCI_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "build" in done.stdout.replace(",", "\n").splitlines()
    assert spotci("completion", shell).code == 0
