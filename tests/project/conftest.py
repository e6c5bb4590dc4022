from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.project.repositories import GitFolder, hermetic

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return hermetic(tmp_path / "home")


@pytest.fixture
def repository(tmp_path: Path, environ: dict[str, str]) -> GitFolder:
    """An empty repository with a remote, on the branch main."""
    folder = GitFolder.create(tmp_path / "shop", environ)
    folder.git("remote", "add", "origin", "git@gitlab.example.com:acme/web/Shop.git")
    return folder
