from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from spotci import __version__
from spotci.cli.app import command_names
from spotci.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert capsys.readouterr().out == f"spotci {__version__}\n"


def test_version_imports_nothing_slow() -> None:
    code = (
        "import sys; from spotci.cli.main import main; main(['--version']);"
        "print(sorted({'click', 'rich', 'anyio', 'docker', 'json'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", command_names())
def test_every_command_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: spotci {name}" in capsys.readouterr().out


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from spotci.cli.main import main; main(['--help']);"
        "print([m for m in sys.modules if m.startswith('spotci.cli.')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-1] == (
        "['spotci.cli.main', 'spotci.cli.failure', 'spotci.cli.app']"
    )


def test_a_reader_that_leaves_early_is_no_bug() -> None:
    script = f"{sys.executable} -m spotci --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stderr == ""
    assert done.stdout in {"0\n", "1\n"}


def test_an_output_without_unicode_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("a…: {script: [x]}\n", "utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "spotci", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"a?" in done.stdout
