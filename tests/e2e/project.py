"""A repository in which spotci is run as a user runs it, and what it told of a run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Project", "Run", "free_port", "own_environment"]

#: Of a run that hangs; the whole pipeline takes about one minute.
TIMEOUT = 600


@dataclass
class Project:
    """A git repository in which spotci is run as a user runs it."""

    root: Path
    environ: dict[str, str]
    last: subprocess.CompletedProcess[str] | None = field(default=None)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=self.environ,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def spotci(self, *arguments: str, code: int | None = 0) -> str:
        """Run a command and return what it printed; its exit code must be ``code``."""
        self.last = subprocess.run(
            [sys.executable, "-m", "spotci", *arguments],
            cwd=self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if code is not None and self.last.returncode != code:
            pytest.fail(
                f"spotci {' '.join(arguments)} ended with {self.last.returncode}\n"
                f"{self.last.stdout}\n{self.last.stderr}"
            )
        return self.last.stdout

    def run(self, *arguments: str, code: int = 0) -> Run:
        """Run a pipeline and return what happened, from its events."""
        lines = self.spotci("run", "--output", "json", *arguments, code=code)
        return Run([json.loads(line) for line in lines.splitlines()])


@dataclass
class Run:
    """The events of one run."""

    events: list[dict[str, Any]]

    @property
    def statuses(self) -> dict[str, str]:
        return {name: result["status"] for name, result in self.results.items()}

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        return {
            event["result"]["job"]: event["result"]
            for event in self.events
            if event["event"] == "job_finished"
        }

    @property
    def finished(self) -> dict[str, Any]:
        assert self.events[-1]["event"] == "pipeline_finished"
        return self.events[-1]

    def log(self, job: str) -> str:
        return "\n".join(
            event["text"]
            for event in self.events
            if event["event"] == "job_log" and event["job"] == job
        )


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def own_environment(home: Path, engine: str) -> dict[str, str]:
    """Return an environment of a user with this home, and an engine of this name."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@spot.example",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@spot.example",
        "SPOTCI_ENGINE_NAME": engine,
        "SPOTCI_ENGINE_NETWORK": f"{engine}-network",
        "SPOTCI_REGISTRY_NAME": f"{engine}-registry",
        "SPOTCI_REGISTRY_PORT": str(free_port()),
    }
    if "DOCKER_HOST" in os.environ:
        environ["DOCKER_HOST"] = os.environ["DOCKER_HOST"]
    return environ
