"""A unix socket of this process that leads to a daemon elsewhere.

The docker library connects to sockets and to TCP alone; where only a tunnel leads to a
daemon, it gets this. A thread of its own serves it: the library blocks its caller's.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from anyio import create_task_group
from anyio.from_thread import BlockingPortal

from spotci.dind.transport import Address, open_stream
from spotci.scratch import make_scratch, remove_folder

if TYPE_CHECKING:
    from anyio.abc import ByteStream, SocketStream

__all__ = ["Relay"]

_BROKEN = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Relay:
    """Leads each connection to the socket ``address`` to one to the daemon ``to``.

    It ends with ``close``, or with this process. Raises OSError. Blocking.
    """

    def __init__(self, to: Address) -> None:
        folder = make_scratch("files")
        self._to, self._socket = to, folder / "docker.sock"
        self._ready = threading.Event()
        self._portal: BlockingPortal | None = None
        self._faults: list[OSError] = []
        self._remove = weakref.finalize(self, remove_folder, folder)
        # A process that ends waits for no daemon thread.
        threading.Thread(target=self._run, name="relay", daemon=True).start()
        self._ready.wait()
        for fault in self._faults:
            self._remove()
            raise fault

    @property
    def address(self) -> Address:
        """Where the library connects to."""
        return Address(url=f"unix://{self._socket}")

    def close(self) -> None:
        """End the connections, and remove the socket."""
        if self._portal is not None:
            self._portal.call(self._portal.stop, True)  # noqa: FBT003 - it takes no keywords
            self._portal = None
        self._remove()

    def _run(self) -> None:
        try:
            anyio.run(self._serve)
        except OSError as fault:
            self._faults.append(fault)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        listener = await anyio.create_unix_listener(self._socket, mode=0o600)
        async with BlockingPortal() as portal, listener, create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._lead)
            self._portal = portal
            self._ready.set()
            await portal.sleep_until_stopped()
            tasks.cancel_scope.cancel()

    async def _lead(self, client: SocketStream) -> None:
        # Where there is no way, the library sees its connection end.
        with suppress(*_BROKEN):
            async with (
                client,
                await open_stream(self._to) as server,
                create_task_group() as tasks,
            ):
                tasks.start_soon(_copy, client, server)
                await _copy(server, client)
                tasks.cancel_scope.cancel()


async def _copy(source: ByteStream, target: ByteStream) -> None:
    with suppress(*_BROKEN):
        try:
            while True:
                await target.send(await source.receive())
        except anyio.EndOfStream:
            await target.send_eof()
