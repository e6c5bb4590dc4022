"""The docker library: its client for a daemon, and its errors as ours.

Loading it takes longer than a container's start: whoever imports this module does so
where the library is used.
"""

from __future__ import annotations

import socket
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests.exceptions
from docker import errors
from docker.api.client import APIClient
from docker.tls import TLSConfig
from urllib3.exceptions import HTTPError

from spotci.dind.space import room_hint
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.dind.transport import Address

__all__ = ["connect", "translated"]

#: Seconds that a call may take, on top of what it waits for on purpose.
_TIMEOUT = 120

#: Any that the library knows: the version of the first request is not sent.
_OLDEST_API = "1.24"

_UNAVAILABLE_HINT = "is the engine still running? see: spotci status"


def connect(address: Address) -> APIClient:
    """Return a client of the daemon. Blocking.

    Raises what the library raises where nobody answers.
    """
    tls = None
    if address.certificates is not None:
        folder = address.certificates
        tls = TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=True,
        )
    if address.socket is not None:
        # The library leaves its socket open where connecting fails.
        with socket.socket(socket.AF_UNIX) as trial:
            trial.connect(address.socket)
    probe = _client(address, tls, _OLDEST_API)
    try:
        versions = probe.version(api_version=False)
    finally:
        probe.close()
    return _client(address, tls, versions["ApiVersion"])


def _client(address: Address, tls: TLSConfig | None, version: str) -> APIClient:
    client = APIClient(
        base_url=address.url,
        version=version,
        timeout=_TIMEOUT,
        tls=tls or False,
        max_pool_size=64,
    )
    # Proxies, .netrc and REQUESTS_CA_BUNDLE are not about daemons of this machine; the
    # last would even replace their authority, and so has to go before any request.
    client.trust_env = False
    # Its idle connections are closed with it, rather than left to the collector.
    for adapter in client.adapters.values():
        weakref.finalize(client, adapter.close)
    return client


@contextmanager
def translated(
    operation: str, subject: str, *, error: type[EngineError] = EngineError
) -> Iterator[None]:
    """Turn what the docker library raises into EngineError."""
    try:
        yield
    except errors.APIError as fault:
        text = _explanation(fault)
        raise error(
            text,
            operation=operation,
            subject=subject,
            status=fault.status_code,
            hint=room_hint(text),
        ) from fault
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
        HTTPError,
        OSError,
    ) as fault:
        raise EngineUnavailableError(
            f"no answer: {_innermost(fault)}",
            operation=operation,
            subject=subject,
            hint=_UNAVAILABLE_HINT,
        ) from fault
    except (errors.DockerException, requests.exceptions.RequestException) as fault:
        raise error(str(fault), operation=operation, subject=subject) from fault


def _explanation(fault: errors.APIError) -> str:
    return str(fault.explanation or fault).strip()


def _innermost(fault: BaseException) -> str:
    """Return the words of the first cause: the library wraps it up to four times."""
    while (cause := fault.__cause__ or fault.__context__) is not None:
        fault = cause
    return str(fault) or type(fault).__name__
