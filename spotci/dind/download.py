"""Brings a layer from the engine to the host."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from anyio import from_thread, to_thread

from spotci.dind.extract import extract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from spotci.dind.store import Store

__all__ = ["download"]

_PACK = 'cd "$1/." && exec tar -cf - .'
_BUFFER = 1 << 20


async def download(store: Store, layer: str, destination: Path) -> None:
    """Copy a layer into a folder of the host; raise EngineError where that fails."""
    async with store.agent.process(
        _PACK, store.path(layer), operation="copy files", subject=layer
    ) as process:
        pieces = aiter(process)
        with io.BufferedReader(_Incoming(pieces), _BUFFER) as stream:
            await to_thread.run_sync(extract, stream, destination)
        # The end of the archive is not that of the program, which may have failed.
        async for _ in pieces:
            pass


class _Incoming(io.RawIOBase):
    """What comes from the engine, as a file that a thread reads."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(from_thread.run(anext, self._pieces, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
