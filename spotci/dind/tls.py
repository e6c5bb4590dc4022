"""TLS over a byte stream, with the half-close that Docker's streams need.

anyio's own TLSStream cannot send the end of the input while it still receives
output; Docker takes a ``close_notify`` for exactly that.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.abc import ByteStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["TlsClient", "client_context"]

T = TypeVar("T")


def client_context(certificates: Path) -> ssl.SSLContext:
    """Return a context that shows ``cert.pem`` and trusts ``ca.pem`` alone.

    Blocking: it reads ``ca.pem``, ``cert.pem`` and ``key.pem`` of the folder.
    """
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    return context


class TlsClient(ByteStream):
    """The client's side of a TLS connection. Make one with ``handshake``."""

    def __init__(
        self, stream: ByteStream, context: ssl.SSLContext, hostname: str
    ) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=hostname
        )

    @classmethod
    async def handshake(
        cls, stream: ByteStream, context: ssl.SSLContext, hostname: str
    ) -> TlsClient:
        """Return the connection after the handshake; raise ssl.SSLError."""
        client = cls(stream, context, hostname)
        await client._step(client._tls.do_handshake)
        return client

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes; raise EndOfStream after the peer's last."""
        try:
            data = await self._step(lambda: self._tls.read(max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = b""
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Send all bytes."""
        self._tls.write(item)
        await self._flush()

    async def send_eof(self) -> None:
        """Say that nothing more comes; what the peer sends can still be read."""
        # The peer's own end has not come yet, which is the point.
        with suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self._tls.unwrap()
        await self._flush()

    async def aclose(self) -> None:
        """Close the connection below."""
        await self._stream.aclose()

    async def _step(self, function: Callable[[], T]) -> T:
        while True:
            try:
                result = function()
            except ssl.SSLWantReadError:
                await self._flush()
                try:
                    self._incoming.write(await self._stream.receive())
                except anyio.EndOfStream:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.send(self._outgoing.read())
