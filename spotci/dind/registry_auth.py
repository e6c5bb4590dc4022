"""Credentials for registries that stand in the user's ``~/.docker/config.json``.

Only what is written there is used. Programs that keep credentials (``credsStore``,
``credHelpers``) are not run: which one, and with what, would depend on names of images
that a pipeline chooses.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotci.dind.references import HUB

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["has_helper", "registry_auth"]

#: Under this name the docker command keeps the credentials for Docker Hub.
_HUB_KEY = "index.docker.io"


def registry_auth(environ: Mapping[str, str], registry: str) -> dict[str, str]:
    """Return the credentials for a registry, in the Engine API's words; or nothing.

    Blocking. An empty mapping means to ask without credentials; with None the docker
    library would look for some, and run helpers.
    """
    auths = _config(environ).get("auths")
    if not isinstance(auths, dict):
        return {}
    for key, entry in auths.items():
        if _host(str(key)) == registry and isinstance(entry, dict):
            return _credentials(registry, entry)
    return {}


def has_helper(environ: Mapping[str, str], registry: str) -> bool:
    """Say whether the user has a program that may know credentials for a registry."""
    config = _config(environ)
    helpers = config.get("credHelpers")
    named = isinstance(helpers, dict) and any(
        _host(str(key)) == registry for key in helpers
    )
    return named or bool(config.get("credsStore"))


def _config(environ: Mapping[str, str]) -> dict[str, Any]:
    given = environ.get("DOCKER_CONFIG")
    folder = Path(given) if given else Path.home() / ".docker"
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _host(key: str) -> str:
    """Return the registry of a key, which may be a URL such as Docker Hub's."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0]
    return HUB if host in (_HUB_KEY, f"registry-1.{HUB}") else host


def _credentials(registry: str, entry: Mapping[str, Any]) -> dict[str, str]:
    address = f"https://{_HUB_KEY}/v1/" if registry == HUB else registry
    if token := entry.get("identitytoken"):
        return {"identitytoken": str(token), "serveraddress": address}
    user, password = entry.get("username"), entry.get("password")
    if not user and isinstance(entry.get("auth"), str):
        try:
            decoded = base64.b64decode(entry["auth"]).decode()
        except (binascii.Error, ValueError):
            return {}
        user, _, password = decoded.partition(":")
    if not user:
        return {}
    return {
        "username": str(user),
        "password": str(password or ""),
        "serveraddress": address,
    }
