"""Runs the pipeline of ``fixtures/spot-platform`` in a repository of its own.

Arguments are handed to ``spotci run``; without any, the whole pipeline runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "fixtures" / "spot-platform"
DEMO = ROOT / "build" / "demo" / "spot-platform"
REMOTE = "https://gitlab.example.com/spot/spot-platform.git"
#: The demo neither reads nor needs the user's own git configuration.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@spot.example",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@spot.example",
}


def main() -> int:
    """Prepare the repository and run its pipeline."""
    if not (DEMO / ".git").exists():
        prepare(DEMO)
    spotci = Path(sys.executable).parent / "spotci"
    print(f"demo: spotci run, in {DEMO.relative_to(Path.cwd())}", flush=True)
    # On a terminal, too, it ends by itself: nobody is asked about manual jobs.
    environ = {"SPOTCI_RUN_ASK_MANUAL": "false", **os.environ}
    done = subprocess.run(
        [spotci, "run", *sys.argv[1:]], cwd=DEMO, env=environ, check=False
    )
    if done.returncode == 0:
        subprocess.run([spotci, "status"], cwd=DEMO, check=False)
        subprocess.run([spotci, "registry", "list"], cwd=DEMO, check=False)
    return done.returncode


def prepare(folder: Path) -> None:
    """Copy the fixture and make it a repository with one commit."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        FIXTURE, folder, ignore=shutil.ignore_patterns("__pycache__", ".spotci")
    )
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("remote", "add", "origin", REMOTE),
        ("add", "--all"),
        ("commit", "--quiet", "--message=The SPOT platform"),
    ):
        subprocess.run(
            ["git", *command], cwd=folder, env={**os.environ, **GIT}, check=True
        )


if __name__ == "__main__":
    sys.exit(main())
