from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.dind.transport import Address, answers, hijack
from spotci.errors import ContainerError, EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import SocketStream

_UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@asynccontextmanager
async def daemon(
    tmp_path: Path, serve: Callable[[SocketStream], Awaitable[None]]
) -> AsyncIterator[Address]:
    """A daemon that answers as ``serve`` does, once for each connection."""
    path = tmp_path / "docker.sock"

    async def handle(stream: SocketStream) -> None:
        async with stream:
            await serve(stream)

    async with (
        await anyio.create_unix_listener(path) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        yield Address(url=f"unix://{path}")
        tasks.cancel_scope.cancel()


async def request(stream: SocketStream) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    return received


@pytest.mark.parametrize(
    ("url", "certificates", "endpoint"),
    [
        ("tcp://127.0.0.1:7", None, ("127.0.0.1", 7)),
        ("tcp://localhost", None, ("localhost", 2375)),
        ("tcp://localhost", Path("/c"), ("localhost", 2376)),
        ("tcp://[::1]:7", None, ("::1", 7)),
    ],
)
def test_the_endpoint_of_an_address(
    url: str, certificates: Path | None, endpoint: tuple[str, int]
) -> None:
    address = Address(url=url, certificates=certificates)

    assert address.socket is None
    assert address.endpoint == endpoint


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nOK", True),
        (b"HTTP/1.0 503 Not Yet\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"", False),
    ],
)
async def test_a_daemon_answers_or_not(
    tmp_path: Path, answer: bytes, *, expected: bool
) -> None:
    async def serve(stream: SocketStream) -> None:
        await request(stream)
        await stream.send(answer)

    async with daemon(tmp_path, serve) as address:
        assert await answers(address) is expected


async def test_nobody_answers_where_nobody_is(tmp_path: Path) -> None:
    nowhere = Address(url=f"unix://{tmp_path}/none.sock")

    assert not await answers(nowhere)
    with pytest.raises(EngineUnavailableError, match=r"^attach a: no answer: "):
        async with hijack(nowhere, "/x", operation="attach", subject="a"):
            pass


async def test_a_hijacked_stream_goes_both_ways_and_ends_by_halves(
    tmp_path: Path,
) -> None:
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        heard.append(await request(stream))
        # The first bytes of the output come together with the answer.
        await stream.send(_UPGRADED + b"early ")
        script = b"".join([chunk async for chunk in stream])
        await stream.send(b"late: " + script)

    async with (
        daemon(tmp_path, serve) as address,
        hijack(
            address, "/attach?x=1", body={"Tty": False}, operation="", subject=""
        ) as stream,
    ):
        await stream.send(b"script")
        await stream.send_eof()
        output = b"".join([chunk async for chunk in stream])

    assert output == b"early late: script"
    expected = (
        b"POST /attach?x=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
        b"Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 14\r\n"
        b'\r\n{"Tty": false}'
    )
    assert heard == [expected]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 32\r\n\r\n"
            b'{"message":"No such container"}\n',
            "attach a: No such container",
            id="json",
        ),
        pytest.param(
            b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'12\r\n{"message":"busy"}\r\n0\r\n\r\n',
            "attach a: busy",
            id="chunked",
        ),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\nmalformed",
            "attach a: malformed",
            id="text",
        ),
        pytest.param(
            b"HTTP/1.1 500 Oh\r\n\r\n", "attach a: no reason given", id="empty"
        ),
    ],
)
async def test_a_refusal_tells_why(tmp_path: Path, answer: bytes, text: str) -> None:
    async def serve(stream: SocketStream) -> None:
        await request(stream)
        await stream.send(answer)

    async with daemon(tmp_path, serve) as address:
        with pytest.raises(ContainerError) as caught:
            async with hijack(
                address, "/x", operation="attach", subject="a", error=ContainerError
            ):
                pass

    assert str(caught.value) == text
    assert caught.value.status == int(answer[9:12])


async def test_a_daemon_that_hangs_up_is_unavailable(tmp_path: Path) -> None:
    async def serve(stream: SocketStream) -> None:
        await request(stream)

    async with daemon(tmp_path, serve) as address:
        with pytest.raises(EngineUnavailableError, match="no answer"):
            async with hijack(address, "/x", operation="attach", subject="a"):
                pass


async def test_an_endless_head_is_given_up(tmp_path: Path) -> None:
    async def serve(stream: SocketStream) -> None:
        await request(stream)
        try:
            while True:
                await stream.send(b"HTTP/1.1 101 X" * 1000)
        except (anyio.BrokenResourceError, OSError):
            pass

    async with daemon(tmp_path, serve) as address:
        with pytest.raises(EngineError):
            async with hijack(address, "/x", operation="attach", subject="a"):
                pass
