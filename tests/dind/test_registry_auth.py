from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from spotci.dind.registry_auth import has_helper, registry_auth

if TYPE_CHECKING:
    from pathlib import Path

_AUTH = base64.b64encode(b"me:pass:word").decode()
_HUB = "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("auths", "registry", "expected"),
    [
        pytest.param(
            {"ghcr.io": {"auth": _AUTH}},
            "ghcr.io",
            {"username": "me", "password": "pass:word", "serveraddress": "ghcr.io"},
            id="encoded",
        ),
        pytest.param(
            {"https://ghcr.io/v2/": {"username": "me", "password": "x"}},
            "ghcr.io",
            {"username": "me", "password": "x", "serveraddress": "ghcr.io"},
            id="a URL, and plain",
        ),
        pytest.param(
            {_HUB: {"auth": _AUTH}},
            "docker.io",
            {"username": "me", "password": "pass:word", "serveraddress": _HUB},
            id="Docker Hub",
        ),
        pytest.param(
            {"ghcr.io": {"identitytoken": "token"}},
            "ghcr.io",
            {"identitytoken": "token", "serveraddress": "ghcr.io"},
            id="token",
        ),
        pytest.param({"ghcr.io": {"auth": _AUTH}}, "quay.io", {}, id="another"),
        pytest.param({"ghcr.io": {}}, "ghcr.io", {}, id="kept by a helper"),
        pytest.param({"ghcr.io": {"auth": "%%%"}}, "ghcr.io", {}, id="garbage"),
        pytest.param(["ghcr.io"], "ghcr.io", {}, id="no mapping"),
    ],
)
def test_credentials(
    tmp_path: Path, auths: object, registry: str, expected: dict[str, str]
) -> None:
    environ = _configured(tmp_path, {"auths": auths})

    assert registry_auth(environ, registry) == expected


@pytest.mark.parametrize("content", ["", "[1]", "{", "null"])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    environ = {"DOCKER_CONFIG": str(tmp_path)}

    assert registry_auth(environ, "ghcr.io") == {}
    assert not has_helper(environ, "ghcr.io")


def test_no_configuration(tmp_path: Path) -> None:
    assert registry_auth({"DOCKER_CONFIG": str(tmp_path)}, "ghcr.io") == {}


def test_helpers_are_not_run(tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-canary"
    helper.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    helper.chmod(0o755)
    environ = _configured(
        tmp_path, {"credsStore": "canary", "credHelpers": {"ghcr.io": "canary"}}
    )
    environ["PATH"] = str(tmp_path)

    assert registry_auth(environ, "ghcr.io") == {}
    assert has_helper(environ, "ghcr.io")
    assert not (tmp_path / "ran").exists()


def test_a_helper_for_one_registry(tmp_path: Path) -> None:
    environ = _configured(tmp_path, {"credHelpers": {"ghcr.io": "gh"}})

    assert has_helper(environ, "ghcr.io")
    assert not has_helper(environ, "quay.io")


def _configured(folder: Path, config: dict[str, Any]) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder)}
