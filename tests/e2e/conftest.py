from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.project import Project, own_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURE = Path(__file__).parents[2] / "fixtures" / "spot-platform"


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An engine of the session's own: nothing else on the machine is touched."""
    home = tmp_path_factory.mktemp("home")
    environ = own_environment(home, f"spot-ci-e2e-{os.getpid()}")
    yield environ
    subprocess.run(
        [sys.executable, "-m", "spotci", "clean"], cwd=home, env=environ, check=True
    )


@pytest.fixture
def spot(tmp_path: Path, environ: dict[str, str]) -> Project:
    """The SPOT platform in a repository with one commit on main."""
    root = tmp_path / "spot-platform"
    shutil.copytree(FIXTURE, root, ignore=shutil.ignore_patterns("__pycache__"))
    return committed(Project(root, environ))


def committed(project: Project, path: str = "spot/spot-platform") -> Project:
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("remote", "add", "origin", f"https://gitlab.example.com/{path}.git")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message=The SPOT platform")
    return project
