from __future__ import annotations

import json
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from spotci.dind.daemon import Daemon
from spotci.dind.library import connect
from spotci.dind.transport import Address
from spotci.errors import ContainerError, EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import SocketStream


@asynccontextmanager
async def answering(
    tmp_path: Path, reply: bytes, *, after: anyio.Event | None = None
) -> AsyncIterator[tuple[Daemon, list[bytes]]]:
    """A daemon that gives the same answer to all, and the requests that it heard."""
    path = tmp_path / "docker.sock"
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        async with stream:
            heard.append(await _request(stream))
            if after is not None:
                await after.wait()
            await stream.send(reply)

    async with (
        await anyio.create_unix_listener(path) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        yield Daemon(Address(url=f"unix://{path}")), heard
        tasks.cancel_scope.cancel()


async def _request(stream: SocketStream) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    (size,) = (int(x.split()[1]) for x in head.split(b"\r\n") if b"-Length" in x)
    while len(body) < size:
        body += await stream.receive()
    return head.split(b"\r\n")[0] + b"\n" + body


def answer(status: str, content: object) -> bytes:
    body = json.dumps(content).encode()
    return (
        f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def test_an_answer_is_decoded(tmp_path: Path) -> None:
    async with answering(tmp_path, answer("200 OK", [{"Id": "a"}])) as (daemon, heard):
        found = await daemon.ask(
            "GET",
            "/containers/json",
            query={"all": True, "filters": {"label": ["a=b&c"]}},
            operation="list",
            subject="containers",
        )

    assert found == [{"Id": "a"}]
    (line,) = heard
    assert line == (
        b"GET /containers/json?all=1"
        b"&filters=%7B%22label%22%3A%20%5B%22a%3Db%26c%22%5D%7D HTTP/1.0\n"
    )


async def test_a_body_is_sent_as_json_and_no_content_is_none(tmp_path: Path) -> None:
    nothing = b"HTTP/1.0 204 No Content\r\n\r\n"
    async with answering(tmp_path, nothing) as (daemon, heard):
        found = await daemon.ask(
            "POST",
            "/containers/create",
            {"Image": "a"},
            query={"name": "x"},
            operation="create container",
            subject="x",
        )

    assert found is None
    assert heard == [b'POST /containers/create?name=x HTTP/1.0\n{"Image": "a"}']


async def test_a_body_without_a_length_ends_with_the_connection(tmp_path: Path) -> None:
    content = b'{"StatusCode": ' + b" " * 300_000 + b"7}"
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    async with answering(tmp_path, head + content) as (daemon, _):
        found = await daemon.ask(
            "POST", "/containers/a/wait", operation="wait", subject="a"
        )

    assert found == {"StatusCode": 7}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(
            answer("409 Conflict", {"message": "name taken"}), "name taken", id="json"
        ),
        pytest.param(
            b"HTTP/1.0 500 Oops\r\nContent-Type: text/plain\r\n\r\nno space\n",
            "no space",
            id="text",
        ),
        pytest.param(b"HTTP/1.0 502 Bad\r\n\r\n", "HTTP status 502", id="nothing"),
    ],
)
async def test_what_the_daemon_refuses_is_an_error_with_its_words(
    tmp_path: Path, reply: bytes, words: str
) -> None:
    async with answering(tmp_path, reply) as (daemon, _):
        with pytest.raises(ContainerError) as caught:
            await daemon.ask(
                "POST",
                "/containers/create",
                operation="create container",
                subject="a",
                error=ContainerError,
            )

    assert str(caught.value) == f"create container a: {words}"
    assert caught.value.status == int(reply.split()[1])


async def test_what_is_missing_may_be_no_error(tmp_path: Path) -> None:
    gone = answer("404 Not Found", {"message": "No such container: a"})
    async with answering(tmp_path, gone) as (daemon, _):
        found = await daemon.ask(
            "GET",
            "/containers/a/json",
            operation="inspect",
            subject="a",
            missing_ok=True,
        )
        await daemon.ask(
            "DELETE", "/containers/a", operation="remove", subject="a", missing_ok=True
        )
        with pytest.raises(EngineError, match="No such container: a") as caught:
            await daemon.ask(
                "GET", "/containers/a/json", operation="inspect", subject="a"
            )

    assert found is None
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(b"", "it broke off: ", id="nothing"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            "it broke off: 2 bytes of 9",
            id="cut",
        ),
        pytest.param(
            b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"a":',
            "it broke off: ",
            id="cut without a length",
        ),
    ],
)
async def test_an_answer_that_breaks_off_is_none(
    tmp_path: Path, reply: bytes, reason: str
) -> None:
    async with answering(tmp_path, reply) as (daemon, _):
        with pytest.raises(EngineUnavailableError) as caught:
            await daemon.ask("GET", "/info", operation="inspect engine", subject="a")

    assert str(caught.value).startswith(f"inspect engine a: no answer: {reason}")
    assert caught.value.hint == "is the engine still running? see: spotci status"


async def test_nobody_answers_where_nobody_is(tmp_path: Path) -> None:
    nowhere = Daemon(Address(url=f"unix://{tmp_path}/none.sock"))

    with pytest.raises(EngineUnavailableError, match="No such file or directory"):
        await nowhere.version()
    with pytest.raises(EngineUnavailableError, match="No such file or directory"):
        await nowhere.call("list", "images", lambda client: client.images())
    with pytest.raises(FileNotFoundError):
        await anyio.to_thread.run_sync(connect, nowhere.address)


async def test_patience_ends(tmp_path: Path) -> None:
    never = anyio.Event()
    async with answering(tmp_path, b"", after=never) as (daemon, _):
        with pytest.raises(EngineUnavailableError, match=r"none within 0\.05 s"):
            await daemon.ask(
                "POST",
                "/containers/a/start",
                operation="start",
                subject="a",
                patience=0.05,
            )


async def test_a_cancellation_does_not_wait_for_what_only_tells(tmp_path: Path) -> None:
    never = anyio.Event()
    async with answering(tmp_path, b"", after=never) as (daemon, _):
        with anyio.move_on_after(0.05) as asked:
            await daemon.ask("GET", "/info", operation="inspect", subject="a")
        with anyio.move_on_after(0.05) as waited:
            await daemon.ask(
                "POST",
                "/containers/a/wait",
                operation="wait",
                subject="a",
                abandon=True,
            )

    assert asked.cancelled_caught
    assert waited.cancelled_caught


async def test_a_cancellation_waits_for_what_makes_something(tmp_path: Path) -> None:
    made: list[object] = []
    go_on = anyio.Event()
    reply = answer("201 Created", {"Id": "a"})
    async with (
        answering(tmp_path, reply, after=go_on) as (daemon, heard),
        anyio.create_task_group() as tasks,
    ):

        async def make() -> None:
            made.append(
                await daemon.ask(
                    "POST", "/containers/create", operation="make", subject="a"
                )
            )

        tasks.start_soon(make)
        while not heard:  # noqa: ASYNC110 - the server of the test sets no Event
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
        go_on.set()

    assert made == [{"Id": "a"}]


async def test_calls_of_the_library_are_made_in_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = object()
    monkeypatch.setattr("spotci.dind.library.connect", lambda _: client)
    daemon = Daemon(Address(url=f"unix://{tmp_path}/none.sock"))

    given, thread = await daemon.call(
        "ask", "it", lambda given: (given, threading.current_thread().name)
    )

    assert given is client
    assert thread != threading.current_thread().name


async def test_an_abandoned_call_does_not_hold_up_a_cancellation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("spotci.dind.library.connect", lambda _: None)
    daemon = Daemon(Address(url=f"unix://{tmp_path}/none.sock"))
    gate = threading.Event()

    with anyio.move_on_after(0.05) as scope:
        await daemon.call("wait", "", lambda _: gate.wait(), abandon=True)

    assert scope.cancelled_caught
    gate.set()
