"""Connections to a Docker daemon, and what becomes a stream of bytes on them.

Attach and exec turn an HTTP connection into a stream of bytes. Those are opened here,
in a few lines of HTTP, rather than through the docker library: its way occupies a
thread for as long as a container runs, and may lose bytes that came with the answer.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream

from spotci.dataclass import dataclass
from spotci.dind.tls import TlsClient, client_context
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["Address", "answers", "hijack", "open_stream"]

#: An answer's head has at most this many bytes; dockerd's have less than 500.
_MAX_HEAD = 65536
_RECEIVE = 262_144
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: Seconds for the answer to a ping: on this machine, and elsewhere.
_NEAR, _FAR = 2.0, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a daemon listens, or what leads to it.

    ``unix:///path``, ``tcp://host:port``, ``ssh://user@host``, or ``exec://container``
    for the one inside a container of the daemon at ``outer``. ``certificates`` is a
    folder with ``ca.pem``, ``cert.pem`` and ``key.pem``; with it, both sides of a TCP
    connection prove who they are.
    """

    url: str
    certificates: Path | None = None
    outer: Address | None = None

    @property
    def socket(self) -> str | None:
        """Path of the unix socket, None for TCP."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else None

    @property
    def tunnelled(self) -> bool:
        """Whether a connection takes more than a socket of this machine."""
        return urlsplit(self.url).scheme in ("ssh", "exec")

    @property
    def machine(self) -> str | None:
        """Name of the machine that the daemon is on, None for this one."""
        if self.outer is not None:
            return self.outer.machine
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return None
        loopback = parts.scheme != "ssh" and parts.hostname in _LOOPBACK
        return None if loopback else parts.hostname

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of a TCP address."""
        parts = urlsplit(self.url)
        default = 2376 if self.certificates else 2375
        return parts.hostname or "localhost", parts.port or default


async def answers(address: Address) -> bool:
    """Say whether a daemon answers at the address now. Costs one round trip."""
    request = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"
    try:
        with anyio.fail_after(_NEAR if address.machine is None else _FAR):
            async with await open_stream(address) as stream:
                await stream.send(request)
                head = await stream.receive(64)
    except (OSError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
        return False
    return head.split(b" ", 2)[1:2] == [b"200"]


@asynccontextmanager
async def hijack(
    address: Address,
    target: str,
    *,
    body: object = None,
    operation: str,
    subject: str,
    error: type[EngineError] = EngineError,
) -> AsyncIterator[ByteStream]:
    """Open the raw stream of an attach or an exec; ``target`` is its path and query.

    The stream's ``send_eof`` ends the input and leaves the output open. Raises
    ``error`` where the daemon says no, EngineUnavailableError where none answers.
    """
    payload = b"" if body is None else json.dumps(body).encode()
    request = (
        f"POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
        "Upgrade: tcp\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n\r\n"
    )
    try:
        stream = await open_stream(address)
    except OSError as fault:
        raise _unavailable(operation, subject, fault) from fault
    async with stream:
        try:
            await stream.send(request.encode("ascii") + payload)
            status, rest = await _read_head(stream)
            if status not in (101, 200):
                message = await _read_message(stream, rest)
                raise error(
                    message, operation=operation, subject=subject, status=status
                )
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as fault:
            raise _unavailable(operation, subject, fault) from fault
        yield _Hijacked(stream, rest)


class _Hijacked(ByteStream):
    """A stream whose first bytes came together with the head of the answer."""

    def __init__(self, stream: ByteStream, rest: bytes) -> None:
        self._stream, self._rest = stream, rest

    async def receive(self, max_bytes: int = _RECEIVE) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
            return data
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def open_stream(address: Address) -> ByteStream:
    """Return a connection to the daemon; raise OSError where nobody listens."""
    if address.socket is not None:
        return await anyio.connect_unix(address.socket)
    if address.tunnelled:
        from spotci.dind.tunnel import open_tunnel  # noqa: PLC0415 - rarely used

        return await open_tunnel(address)
    host, port = address.endpoint
    stream = await anyio.connect_tcp(host, port)
    if address.certificates is None:
        return stream
    try:
        context = await anyio.to_thread.run_sync(client_context, address.certificates)
        return await TlsClient.handshake(stream, context, host)
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


async def _read_head(stream: ByteStream) -> tuple[int, bytes]:
    """Return the status of the answer, and what came after its head."""
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        if len(head) > _MAX_HEAD:
            raise anyio.BrokenResourceError
        head += await stream.receive()
    return int(head.split(b" ", 2)[1]), head[end + 4 :]


async def _read_message(stream: ByteStream, rest: bytes) -> str:
    """Return the daemon's words: it sends ``{"message": …}``, perhaps in chunks."""
    with anyio.move_on_after(2):
        try:
            while b"}" not in rest and len(rest) < _MAX_HEAD:
                rest += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
    start, end = rest.find(b"{"), rest.rfind(b"}")
    try:
        return str(json.loads(rest[start : end + 1])["message"])
    except (ValueError, KeyError, TypeError):
        return rest.decode(errors="replace").strip() or "no reason given"


def _unavailable(
    operation: str, subject: str, fault: Exception
) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"no answer: {str(fault) or type(fault).__name__}",
        operation=operation,
        subject=subject,
    )
