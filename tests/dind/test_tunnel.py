from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from spotci.dind.daemon import Daemon
from spotci.dind.transport import Address, answers, hijack
from spotci.dind.tunnel import ssh_command
from spotci.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

FAR = Address(url="ssh://me@build.example.com")

#: Stands in for ssh: leads to the socket beside it, as dial-stdio over there does.
_SSH = """
import os, socket, sys, threading
here = os.path.dirname(os.path.abspath(sys.argv[0]))
with open(here + "/asked", "a") as file:
    print(*sys.argv[1:], file=file)
link = socket.socket(socket.AF_UNIX)
try:
    link.connect(here + "/docker.sock")
except OSError:
    sys.exit("me@build.example.com: Permission denied (publickey).")

def forward():
    while data := os.read(0, 65536):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)

threading.Thread(target=forward, daemon=True).start()
while data := link.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the ssh that stands in, and of the socket that it leads to."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "program.py").write_text(_SSH)
    command = shlex.join([sys.executable, str(folder / "program.py")])
    (folder / "ssh").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
async def daemon(there: Path) -> AsyncIterator[Path]:
    """A daemon that answers as Docker does, and echoes what is hijacked."""

    async def serve(stream: SocketStream) -> None:
        # The library connects once to see that it can.
        async with stream:
            with suppress(anyio.EndOfStream):
                await answer(stream, await stream.receive())

    async def answer(stream: SocketStream, head: bytes) -> None:
        if b"/exec/" in head:
            await stream.send(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
            with suppress(anyio.EndOfStream):
                while True:
                    await stream.send(await stream.receive())
            await stream.send(b" end")
            return
        body = b'{"Version": "28.2.2", "ApiVersion": "1.45"}'
        await stream.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    listener = await anyio.create_unix_listener(there / "docker.sock")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield there
        tasks.cancel_scope.cancel()


async def test_a_daemon_answers_over_ssh(daemon: Path) -> None:
    assert await Daemon(FAR).version() == "28.2.2"
    assert await answers(FAR)

    asked = (daemon / "asked").read_text().splitlines()
    assert asked[0].endswith("-l me -- build.example.com docker system dial-stdio")


async def test_a_stream_has_both_its_ends(daemon: Path) -> None:
    del daemon
    sent, seen = bytes(300_000), b""

    async with (
        hijack(FAR, "/exec/1/start", operation="run", subject="x") as stream,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_send_all, stream, sent)
        with suppress(anyio.EndOfStream):
            while True:
                seen += await stream.receive()

    assert seen == sent + b" end"


async def _send_all(stream: anyio.abc.ByteStream, data: bytes) -> None:
    await stream.send(data)
    await stream.send_eof()


async def test_the_library_gets_there_by_a_relay(daemon: Path) -> None:
    del daemon
    far = Daemon(FAR)

    version = await far.call(
        "ask", "x", lambda client: client.version(api_version=False)
    )
    base = far.client.base_url
    await to_thread.run_sync(far.close)

    assert version["Version"] == "28.2.2"
    assert base.startswith("http+docker://")


async def test_why_ssh_does_not_get_there(there: Path) -> None:
    del there

    with pytest.raises(EngineUnavailableError) as caught:
        await Daemon(FAR).version()

    assert str(caught.value).splitlines()[0] == (
        "connect to ssh://me@build.example.com: no answer: me@build.example.com:"
        " Permission denied (publickey)."
    )
    assert not await answers(FAR)


@pytest.mark.parametrize(
    ("url", "end"),
    [
        pytest.param(
            "ssh://there", "-- there docker system dial-stdio", id="host alone"
        ),
        pytest.param(
            "ssh://me@there:2222/run/user/7/docker.sock",
            "-l me -p 2222 -- there docker --host unix:///run/user/7/docker.sock"
            " system dial-stdio",
            id="all",
        ),
        pytest.param(
            "ssh://[fd00::2]:22", "-p 22 -- fd00::2 docker system dial-stdio", id="IPv6"
        ),
        pytest.param(
            "ssh://-oProxyCommand=x",
            "-- -oProxyCommand=x docker system dial-stdio",
            id="host that looks like an option",
        ),
    ],
)
def test_the_command_of_ssh(url: str, end: str) -> None:
    command = ssh_command(url, Path("/state"))

    assert " ".join(command).endswith(end)
    assert "ControlPath=/state/ssh-%C" in command
    assert "BatchMode=yes" in command


def test_connections_are_not_shared_where_the_path_is_too_long() -> None:
    command = ssh_command("ssh://there", Path("/" + "x" * 60))

    assert not any(word.startswith("Control") for word in command)


def test_where_a_daemon_is() -> None:
    inside = Address(url="exec://spot-ci-dind", outer=FAR)

    assert inside.machine == "build.example.com"
    assert (inside.tunnelled, FAR.tunnelled) == (True, True)
    assert Address(url="tcp://[::1]:2376").machine is None
    assert Address(url="exec://x", outer=Address(url="unix:///x")).machine is None
