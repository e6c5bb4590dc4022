"""``spotci clean`` without Docker: what runs of the shell engine left."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

_PIPELINE = """
work: {script: [echo begun, sleep 20]}
quick: {script: [echo quick]}
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def spotci(
    project: Callable[[dict[str, str]], CommandLine],
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> CommandLine:
    """Return a project of which a run was killed amid a job."""
    monkeypatch.setenv("SPOTCI_ENGINE_KIND", "shell")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{temporary}/none.sock")
    line = project({".gitlab-ci.yml": _PIPELINE})
    process = subprocess.Popen(
        [sys.executable, "-m", "spotci", "run", "--output", "plain", "work"],
        cwd=line.folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert any("| begun" in text for text in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGKILL)
    return line


def left(temporary: Path) -> list[str]:
    return [each.name for each in temporary.glob("spot-ci-*")]


def test_a_killed_run_leaves_a_folder_until_the_next(
    spotci: CommandLine, temporary: Path
) -> None:
    (folder,) = left(temporary)

    assert spotci("run", "quick").code == 0

    assert folder.startswith("spot-ci-shell-")
    assert left(temporary) == []


def test_clean_removes_it_and_says_so(spotci: CommandLine, temporary: Path) -> None:
    (folder,) = left(temporary)

    planned = spotci("clean", "--dry-run")
    assert left(temporary) == [folder]
    done = spotci("clean")
    again = spotci("clean")

    assert (planned.code, done.code, again.code) == (0, 0, 0)
    assert str(temporary / folder) in planned.out
    assert str(temporary / folder) in done.out
    assert again.out == "there is nothing of ours here\n"
    assert left(temporary) == []


def test_where_jobs_need_docker_its_absence_is_told(
    spotci: CommandLine, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTCI_ENGINE_KIND", "dind")
    (folder,) = left(temporary)

    done = spotci("clean")

    assert done.code == 3
    assert folder in done.out
    assert "no Docker daemon answers" in done.err
