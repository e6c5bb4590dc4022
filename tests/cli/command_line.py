"""The command line, run in this process: exit code, stdout and stderr."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spotci.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["CommandLine", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Calls spotci in the folder of a project."""

    folder: Path
    _capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Outcome:
        self._capture.readouterr()
        code = main(arguments)
        captured = self._capture.readouterr()
        return Outcome(code, captured.out, captured.err)

    def git(self, *arguments: str) -> None:
        """Run git in the project."""
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
