"""Real git repositories for the tests, untouched by the settings of the machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotci.project import open_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from spotci.project import Project

__all__ = ["GitFolder", "hermetic"]

_DATE = "2026-03-04T05:06:07+02:00"


def hermetic(home: Path) -> dict[str, str]:
    """Return an environment in which git and spotci see nothing of the machine."""
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "Ada Lovelace",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_AUTHOR_DATE": _DATE,
        "GIT_COMMITTER_NAME": "Ada Lovelace",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "GIT_COMMITTER_DATE": _DATE,
        # Submodules of the tests are folders beside the repository.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
    }


@dataclass(frozen=True)
class GitFolder:
    """A folder with a repository."""

    root: Path
    environ: Mapping[str, str]

    @classmethod
    def create(cls, root: Path, environ: Mapping[str, str]) -> GitFolder:
        root.mkdir(parents=True, exist_ok=True)
        folder = cls(root, environ)
        folder.git("init", "-q", "-b", "main")
        return folder

    def git(self, *arguments: str) -> str:
        result = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=dict(self.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for path, content in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")

    def commit(
        self, files: Mapping[str, str] | None = None, message: str = "Commit"
    ) -> str:
        """Write files, commit everything, and return the commit."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message)
        return self.git("rev-parse", "HEAD")

    def pushed(self, branch: str = "main") -> None:
        """Pretend that the remote has the branch as it is now."""
        self.git("update-ref", f"refs/remotes/origin/{branch}", "HEAD")

    def open(self, **environ: str) -> Project:
        return open_project(self.root, {**self.environ, **environ})
