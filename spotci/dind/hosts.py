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

_TLS_HINT = (
    "whoever reaches that port commands the machine: use TLS, with DOCKER_TLS_VERIFY=1"
    " and DOCKER_CERT_PATH or a context that has certificates, or ssh://user@host"
)


def find_host(environ: Mapping[str, str], override: str | None = None) -> Address:
    """Return the address of the host engine; nothing is connected yet.

    Raises EngineUnavailableError where its context cannot be read, and where it is on
    another machine and not reached by TLS or ssh.
    """
    url = override or environ.get("DOCKER_HOST")
    if url:
        certificates = None
        if environ.get("DOCKER_TLS_VERIFY"):
            certificates = Path(environ.get("DOCKER_CERT_PATH") or _config_dir(environ))
        return _usable(Address(url=url, certificates=certificates))
    context = environ.get("DOCKER_CONTEXT") or _current_context(environ)
    if context not in (None, "", "default"):
        return _usable(_context(environ, context))
    return Address(url=f"unix://{_usual_socket(environ)}")


def _usable(address: Address) -> Address:
    parts = urlsplit(address.url)
    if parts.scheme not in ("unix", "tcp", "http", "ssh"):
        raise EngineUnavailableError(
            f'the Docker daemon at {address.url}: "{parts.scheme}" is not supported',
            hint="supported are unix://, tcp:// and ssh://",
        )
    if parts.scheme == "ssh" and (parts.password or parts.query or not parts.hostname):
        raise EngineUnavailableError(
            "the Docker daemon is to be reached by ssh: its address must be"
            " ssh://[user@]host[:port][/socket]",
            hint="ssh asks no password here: use an agent, or a key in ~/.ssh/config",
        )
    elsewhere = parts.scheme in ("tcp", "http") and address.machine is not None
    if elsewhere and address.certificates is None:
        raise EngineUnavailableError(
            f"the Docker daemon at {address.url} is on another machine, without TLS",
            hint=_TLS_HINT,
        )
    return address


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
