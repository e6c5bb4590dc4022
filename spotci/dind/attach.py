"""The output of a container: Docker's frames, without I/O, and what reads them.

A frame is eight bytes of head, ``stream 0 0 0`` and the size in big endian, and that
many bytes of a stream. stdout and stderr are wanted in the order of arrival, so the
streams are not told apart.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import ByteStream, ObjectReceiveStream

    from spotci.executor.backend import Exit

__all__ = ["AttachedProcess", "FrameDecoder", "FrameError"]

_HEAD = struct.Struct(">BxxxI")
_STREAMS = (0, 1, 2, 3)

#: Pieces of output that wait for a slow reader, of at most 256 KiB each. A reader that
#: lags further behind makes the container wait: memory stays flat.
_WAITING = 16


class FrameError(ValueError):
    """The bytes are no frames of Docker's."""


class FrameDecoder:
    """Takes frames out of bytes. It does no I/O: the caller reads and feeds it.

    A payload is given as it comes, not when its frame is complete: no frame, however
    large, is held in memory.
    """

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0

    @property
    def complete(self) -> bool:
        """Whether the bytes so far end where a frame ends."""
        return not self._head and not self._missing

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, and return the payload among them.

        Raises FrameError for bytes that are no frame; nothing can follow then.
        """
        payload: list[bytes] = []
        position = 0
        if self._head:
            position = _HEAD.size - len(self._head)
            head = self._head + data[:position]
            if len(head) < _HEAD.size:
                self._head = head
                return b""
            self._head, self._missing = b"", _size(head)
        while True:
            end = position + self._missing
            payload.append(data[position:end])
            if end >= len(data):
                self._missing = end - len(data)
                break
            head = data[end : end + _HEAD.size]
            if len(head) < _HEAD.size:
                self._head, self._missing = head, 0
                break
            position, self._missing = end + _HEAD.size, _size(head)
        return payload[0] if len(payload) == 1 else b"".join(payload)


def _size(head: bytes) -> int:
    stream, size = _HEAD.unpack(head)
    if stream not in _STREAMS:
        raise FrameError(f"stream {stream} in a frame of Docker's")
    return int(size)


class AttachedProcess:
    """A backend.Process over the stream of an attach.

    ``pump`` has to run for as long as the process is looked at. Where the output is
    not read, a process that prints much waits for its reader, and so does ``wait``.
    """

    def __init__(
        self, stream: ByteStream, result: Callable[[], Awaitable[Exit]]
    ) -> None:
        self._stream, self._result = stream, result
        self._ended = anyio.Event()
        self._send, self._receive = anyio.create_memory_object_stream[bytes](_WAITING)

    @property
    def output(self) -> ObjectReceiveStream[bytes]:
        """The container's stdout and stderr in the order of arrival."""
        return self._receive

    async def wait(self) -> Exit:
        """Wait for the end of the output, then ask the engine how it ended.

        The output ends with the container and not before: ``init`` holds it open.
        """
        await self._ended.wait()
        return await self._result()

    async def pump(self) -> None:
        """Read the stream to its end."""
        decoder = FrameDecoder()
        try:
            async with self._send:
                while True:
                    payload = decoder.feed(await self._stream.receive(262_144))
                    if payload:
                        await self._give(payload)
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError, FrameError):
            # Where the connection broke, the engine's answer to wait() says why.
            self._ended.set()

    async def feed(self, data: bytes) -> None:
        """Write the process's input and end it."""
        # Where it ends without reading all, its exit code says how.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await self._stream.send(data)
            await self._stream.send_eof()

    async def _give(self, payload: bytes) -> None:
        # Where nobody reads any more, the process goes on all the same.
        with suppress(anyio.BrokenResourceError):
            await self._send.send(payload)

    def close(self) -> None:
        """Drop what was not read."""
        self._send.close()
        self._receive.close()
