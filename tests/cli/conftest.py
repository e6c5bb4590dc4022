"""A project on disk and the command line in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.command_line import CommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@pytest.fixture
def project(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[[Mapping[str, str]], CommandLine]:
    """Write files into a folder, enter it, and give the command line."""

    def make(files: Mapping[str, str]) -> CommandLine:
        folder = tmp_path / "shop"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "CI", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / ".state"))
        return CommandLine(folder, capfd)

    return make
