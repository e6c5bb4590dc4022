"""Where the developer's Docker daemon is, as the docker command finds it.

In this order: ``DOCKER_HOST``; the context of ``DOCKER_CONTEXT``; the current context
of ``~/.docker/config.json``; the usual sockets.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spotci.dind.transport import Address
from spotci.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_host"]

_DEFAULT = "/var/run/docker.sock"

_REMOTE_HINT = (
    "spotci shares a socket or a loopback port with its engine, so the Docker daemon"
    " has to be on this machine: unset DOCKER_HOST, or choose another context"
)


def find_host(environ: Mapping[str, str], override: str | None = None) -> Address:
    """Return the address of the host engine; nothing is connected yet.

    Raises EngineUnavailableError where it is on another machine or its context
    cannot be read.
    """
    url = override or environ.get("DOCKER_HOST")
    if url:
        certificates = None
        if environ.get("DOCKER_TLS_VERIFY"):
            certificates = Path(environ.get("DOCKER_CERT_PATH") or _config_dir(environ))
        return _local(Address(url=url, certificates=certificates))
    context = environ.get("DOCKER_CONTEXT") or _current_context(environ)
    if context not in (None, "", "default"):
        return _local(_context(environ, context))
    return Address(url=f"unix://{_usual_socket(environ)}")


def _local(address: Address) -> Address:
    parts = urlsplit(address.url)
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "unix" or (parts.scheme in ("tcp", "http") and loopback):
        return address
    raise EngineUnavailableError(
        f"the Docker daemon at {address.url} is not on this machine",
        hint=_REMOTE_HINT,
    )


def _config_dir(environ: Mapping[str, str]) -> Path:
    given = environ.get("DOCKER_CONFIG")
    return Path(given) if given else Path.home() / ".docker"


def _current_context(environ: Mapping[str, str]) -> str | None:
    try:
        config = json.loads((_config_dir(environ) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    context = config.get("currentContext") if isinstance(config, dict) else None
    return context if isinstance(context, str) else None


def _context(environ: Mapping[str, str], name: str) -> Address:
    # The command names the folders of a context after the digest of its name.
    digest = hashlib.sha256(name.encode()).hexdigest()
    contexts = _config_dir(environ) / "contexts"
    try:
        meta = json.loads((contexts / "meta" / digest / "meta.json").read_bytes())
        url = str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise EngineUnavailableError(
            f'the Docker context "{name}" cannot be read',
            hint="see: docker context ls",
        ) from fault
    certificates = contexts / "tls" / digest / "docker"
    return Address(
        url=url, certificates=certificates if certificates.is_dir() else None
    )


def _usual_socket(environ: Mapping[str, str]) -> str:
    places = [_DEFAULT]
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        places.append(f"{runtime}/docker.sock")  # rootless
    places.append(str(Path.home() / ".docker" / "run" / "docker.sock"))  # Desktop
    return next((place for place in places if os.path.exists(place)), _DEFAULT)  # noqa: PTH110 - a socket is no file to open
