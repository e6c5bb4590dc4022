"""Connections to a daemon that no address of this machine leads to.

Both kinds end in ``docker system dial-stdio`` beside the daemon, as those of the docker
command over ssh do: what is sent to it reaches the daemon's socket, and the other way
round. Nothing listens anywhere for their sake::

    ssh://user@host       a process of ssh, as the developer has set ssh up
    exec://container      an exec in that container of the daemon at ``outer``
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream

from spotci.dind.daemon import Daemon
from spotci.dind.settings import default_state_dir
from spotci.dind.state import private_dir
from spotci.dind.streams import Demultiplexer, Stream
from spotci.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import ByteReceiveStream, ByteSendStream, Process

    from spotci.dind.transport import Address

__all__ = ["open_tunnel", "ssh_command"]

_DIAL = ("system", "dial-stdio")
_RECEIVE = 262_144

#: Bytes of what is printed to stderr that are kept: the last ones say why.
_ERRORS = 4096
#: Seconds for the words of a process that ended without an answer.
_LAST_WORDS = 1.0

#: A socket's path has at most 104 bytes where it has least; ssh adds 17 as it binds it.
_LONGEST_FOLDER = 104 - 17 - len("/ssh-") - 40


async def open_tunnel(address: Address) -> ByteStream:
    """Return a connection to the daemon; raise OSError where there is no way to it.

    A way that turns out to lead nowhere is an OSError of the first ``receive``.
    """
    if address.outer is not None:
        return await _open_exec(address.outer, urlsplit(address.url).netloc)
    folder = private_dir(default_state_dir())
    process = await anyio.open_process(
        ssh_command(address.url, folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Ctrl-C is for spotci, which still has to clean up over there.
        start_new_session=True,
    )
    return _SshStream(process)


def ssh_command(url: str, folder: Path) -> list[str]:
    """Return the command that leads to the daemon of an ``ssh://`` address. Pure.

    Further connections share the first one, by a socket in ``folder``; half a minute
    after the last it ends.
    """
    parts = urlsplit(url)
    command = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]
    command += ["-o", "ServerAliveInterval=15"]
    if len(str(folder)) <= _LONGEST_FOLDER:
        command += ["-o", "ControlMaster=auto", "-o", "ControlPersist=30"]
        command += ["-o", f"ControlPath={folder}/ssh-%C"]
    if parts.username:
        command += ["-l", parts.username]
    if parts.port:
        command += ["-p", str(parts.port)]
    docker = ["docker", *(("--host", f"unix://{parts.path}") if parts.path else ())]
    # As it is written: aliases of ~/.ssh/config tell case apart.
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    # A host that begins with a hyphen is no option.
    return [*command, "--", host.strip("[]"), *docker, *_DIAL]


class _SshStream(ByteStream):
    """The daemon behind a process's stdin and stdout."""

    def __init__(self, process: Process) -> None:
        self._process, self._silent = process, True
        # All three were asked for, and so are there.
        self._input = cast("ByteSendStream", process.stdin)
        self._output = cast("ByteReceiveStream", process.stdout)
        self._errors = cast("ByteReceiveStream", process.stderr)

    async def receive(self, max_bytes: int = _RECEIVE) -> bytes:
        try:
            data = await self._output.receive(max_bytes)
        except anyio.EndOfStream:
            if self._silent:
                raise ConnectionError(await self._last_words()) from None
            raise
        self._silent = False
        return data

    async def send(self, item: bytes) -> None:
        # Of a process that has ended already, ``receive`` tells why.
        with suppress(anyio.BrokenResourceError):
            await self._input.send(item)

    async def send_eof(self) -> None:
        await self._input.aclose()

    async def aclose(self) -> None:
        # Not by ``terminate``, which may take its exit code away from the event loop.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with anyio.CancelScope(shield=True):
            await self._process.aclose()

    async def _last_words(self) -> str:
        # The end of stderr may not come: a connection that is shared holds it open.
        words = b""
        with anyio.move_on_after(_LAST_WORDS), suppress(anyio.EndOfStream):
            while len(words) < _ERRORS:
                words += await self._errors.receive()
        return _in_words(words, "ssh ended")


async def _open_exec(outer: Address, container: str) -> ByteStream:
    stack = AsyncExitStack()
    try:
        running = Daemon(outer).execute(
            container,
            ("docker", *_DIAL),
            operation="connect through",
            subject=container,
            stdin=True,
        )
        stream, _ = await stack.enter_async_context(running)
    except EngineError as fault:
        raise ConnectionError(str(fault)) from fault
    return _ExecStream(stream, stack)


class _ExecStream(ByteStream):
    """The daemon behind the stdin and stdout of an exec."""

    def __init__(self, stream: ByteStream, stack: AsyncExitStack) -> None:
        self._stream, self._stack = stream, stack
        self._demultiplexer = Demultiplexer()
        self._waiting, self._errors, self._silent = b"", b"", True

    async def receive(self, max_bytes: int = _RECEIVE) -> bytes:
        try:
            while not self._waiting:
                self._sort(await self._stream.receive())
        except anyio.EndOfStream:
            if self._silent:
                raise ConnectionError(
                    _in_words(self._errors, "docker dial-stdio ended")
                ) from None
            raise
        data, self._waiting = self._waiting[:max_bytes], self._waiting[max_bytes:]
        return data

    def _sort(self, data: bytes) -> None:
        try:
            found = self._demultiplexer.feed(data)
        except ValueError:
            raise anyio.BrokenResourceError from None
        output = [payload for stream, payload in found if stream is Stream.OUTPUT]
        errors = [payload for stream, payload in found if stream is Stream.ERROR]
        self._waiting = b"".join(output)
        self._errors = b"".join((self._errors, *errors))[-_ERRORS:]
        self._silent = self._silent and not self._waiting

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stack.aclose()


def _in_words(errors: bytes, otherwise: str) -> str:
    return errors.decode(errors="replace").strip() or otherwise
