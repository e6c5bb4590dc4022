from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.project.gitlab_server import TOKEN, FakeGitlab
from tests.project.repositories import GitFolder, hermetic
from tests.project.servers import CERTIFICATE, serve, tunnel_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.project.servers import Server


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return hermetic(tmp_path / "home")


@pytest.fixture
def repository(tmp_path: Path, environ: dict[str, str]) -> GitFolder:
    """An empty repository with a remote, on the branch main."""
    folder = GitFolder.create(tmp_path / "shop", environ)
    folder.git("remote", "add", "origin", "git@gitlab.example.com:acme/web/Shop.git")
    return folder


@pytest.fixture
def gitlab() -> FakeGitlab:
    """What the GitLab server holds; a module may have one of its own."""
    return FakeGitlab()


@pytest.fixture
def server(gitlab: FakeGitlab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The GitLab server, behind TLS."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with serve({}, tls=True, route=gitlab.answer) as running:
        yield running


@pytest.fixture
def gitlab_environ(tmp_path: Path, server: Server) -> Iterator[dict[str, str]]:
    """The environment of a user who has a GitLab server and a token for it.

    A module whose repositories are that user's lets it be its ``environ``.
    """
    with tunnel_to(server) as proxy:
        yield {
            **hermetic(tmp_path / "home"),
            "https_proxy": proxy,
            "SPOTCI_GITLAB_URL": "https://gitlab.example.com",
            "SPOTCI_GITLAB_TOKEN_VARIABLE": "TOKEN",
            "TOKEN": TOKEN,
        }
