"""A Docker daemon and the two ways to ask it.

What every run asks for is small: inspect, create, start, wait. Those are requests of
the `Engine API <https://docs.docker.com/reference/api/engine/>`_, written here in a few
lines of HTTP: they take no thread, and spare a run the loading of the docker library,
a tenth of all its time. What moves images and archives, and what is asked for seldom,
is the library's: ``call``.
"""

from __future__ import annotations

import json
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread

from spotci.dataclass import dataclass
from spotci.dind.space import room_hint
from spotci.dind.transport import hijack, open_stream
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from anyio.abc import ByteStream
    from docker.api.client import APIClient

    from spotci.dind.relay import Relay
    from spotci.dind.transport import Address

__all__ = ["PATIENCE", "Daemon", "Json"]

T = TypeVar("T")

#: What a daemon answers: dictionaries and lists, as the Engine API describes them.
Json: TypeAlias = Any

_NOT_FOUND = 404
_FIRST_ERROR = 400

#: Seconds for an answer. Making the network of a busy engine takes a second; a disk at
#: its limit takes many.
PATIENCE = 120.0

#: Calls of the library that may be under way at once, each in a thread.
_THREADS = 48

_RECEIVE = 262_144
_UNAVAILABLE_HINT = "is the engine still running? see: spotci status"


class Daemon:
    """The daemon at an address. Nothing is connected before the first request.

    A cancellation does not wait for an answer that only tells something; one that makes
    or removes something is waited for, so that the caller knows what there is, unless
    ``abandon`` is given.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._client: APIClient | None = None
        self._relay: Relay | None = None
        self._lock = threading.Lock()

    async def version(self) -> str:
        """Return the daemon's version, such as ``28.2.2``.

        Raises EngineUnavailableError where nobody answers.
        """
        found = await self.ask(
            "GET", "/version", operation="connect to", subject=self.address.url
        )
        return str(found["Version"])

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        operation: str,
        subject: str,
        query: Mapping[str, object] | None = None,
        error: type[EngineError] = EngineError,
        missing_ok: bool = False,
        abandon: bool = False,
        patience: float | None = PATIENCE,
    ) -> Json:
        """Return the daemon's answer to a request: its JSON, or None for no content.

        Raises ``error`` with the daemon's words where it says no, and
        EngineUnavailableError where it does not answer within ``patience`` seconds;
        None waits for as long as it takes. With ``missing_ok`` the answer is None where
        there is no such thing.
        """
        asked = _Question(
            method=method,
            path=path,
            query=query or {},
            body=body,
            operation=operation,
            subject=subject,
        )
        shield = method != "GET" and not abandon
        status, content = await self._answer(asked, shield=shield, patience=patience)
        if status == _NOT_FOUND and missing_ok:
            return None
        if status >= _FIRST_ERROR:
            words = content.get("message") if isinstance(content, dict) else content
            text = str(words or "").strip() or f"HTTP status {status}"
            raise error(
                text,
                operation=operation,
                subject=subject,
                status=status,
                hint=room_hint(text),
            )
        return content

    @asynccontextmanager
    async def execute(
        self,
        container: str,
        command: Sequence[str],
        *,
        operation: str,
        subject: str,
        stdin: bool = False,
        environment: Sequence[str] = (),
    ) -> AsyncIterator[tuple[ByteStream, str]]:
        """Run a command in a container; give its stream, in frames, and its id.

        Leaving the block closes the stream. Errors as in ``ask``.
        """
        made = await self.ask(
            "POST",
            f"/containers/{container}/exec",
            {
                "AttachStdin": stdin,
                "AttachStdout": True,
                "AttachStderr": True,
                "Cmd": list(command),
                "Env": list(environment),
            },
            operation=operation,
            subject=subject,
        )
        async with hijack(
            self.address,
            f"/exec/{made['Id']}/start",
            body={"Detach": False, "Tty": False},
            operation=operation,
            subject=subject,
        ) as stream:
            yield stream, made["Id"]

    async def call(
        self,
        operation: str,
        subject: str,
        function: Callable[[APIClient], T],
        *,
        abandon: bool = False,
        error: type[EngineError] = EngineError,
    ) -> T:
        """Call ``function`` with the docker library's client, in a thread.

        Errors as in ``ask``. With ``abandon`` the call happens unseen after a
        cancellation: right for reading, wrong for making something.
        """

        def perform() -> T:
            from spotci.dind.library import translated  # noqa: PLC0415 - start-up time

            with translated(operation, subject, error=error):
                return function(self.client)

        return await anyio.to_thread.run_sync(
            perform, abandon_on_cancel=abandon, limiter=self._limiter
        )

    @property
    def client(self) -> APIClient:
        """The docker library's client. Blocking when it is first asked for."""
        with self._lock:
            if self._client is None:
                from spotci.dind.library import connect  # noqa: PLC0415 - as above

                self._client = connect(self._address_for_library())
            return self._client

    def close(self) -> None:
        """Close the connections that the library holds."""
        if self._client is not None:
            self._client.close()
        if self._relay is not None:
            self._relay.close()

    def _address_for_library(self) -> Address:
        if not self.address.tunnelled:
            return self.address
        from spotci.dind.relay import Relay  # noqa: PLC0415 - rarely used

        self._relay = self._relay or Relay(self.address)
        return self._relay.address

    async def _answer(
        self, asked: _Question, *, shield: bool, patience: float | None
    ) -> tuple[int, Json]:
        try:
            with anyio.CancelScope(shield=shield), anyio.fail_after(patience):
                answer = await self._exchange(asked)
        except TimeoutError as fault:
            raise asked.unanswered(f"none within {patience:g} s") from fault
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as fault:
            raise asked.unanswered(str(fault) or type(fault).__name__) from fault
        except ValueError as fault:
            raise asked.unanswered(f"it broke off: {fault}") from fault
        return answer

    async def _exchange(self, asked: _Question) -> tuple[int, Json]:
        # In HTTP/1.0 an answer ends with its connection, and has no chunks to put
        # together. A connection to a socket of this machine costs next to nothing.
        async with await open_stream(self.address) as stream:
            await stream.send(asked.request())
            pieces: list[bytes] = []
            try:
                while True:
                    pieces.append(await stream.receive(_RECEIVE))
            except anyio.EndOfStream:
                pass
        head, end, content = b"".join(pieces).partition(b"\r\n\r\n")
        if not end:
            raise ValueError("it has no end of its head")
        first, *headers = head.split(b"\r\n")
        return int(first.split(b" ", 2)[1]), _decoded(headers, content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One request, with what its errors name."""

    method: str
    path: str
    query: Mapping[str, object]
    body: object
    operation: str
    subject: str

    def request(self) -> bytes:
        """Return the bytes to send."""
        content = b"" if self.body is None else json.dumps(self.body).encode()
        target = quote(self.path) + _query(self.query)
        head = (
            f"{self.method} {target} HTTP/1.0\r\nHost: docker\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode("ascii") + content

    def unanswered(self, reason: str) -> EngineUnavailableError:
        """Return the error for a daemon that does not answer."""
        return EngineUnavailableError(
            f"no answer: {reason}",
            operation=self.operation,
            subject=self.subject,
            hint=_UNAVAILABLE_HINT,
        )


def _query(values: Mapping[str, object]) -> str:
    """Return a query as the API reads it: 1 for true, JSON for what has parts."""
    words = [f"{key}={quote(_word(value), safe='')}" for key, value in values.items()]
    return "?" + "&".join(words) if words else ""


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _decoded(headers: list[bytes], content: bytes) -> Json:
    """Return the JSON or the text of an answer; raise ValueError where it is cut."""
    fields = dict(line.lower().split(b": ", 1) for line in headers if b": " in line)
    announced = fields.get(b"content-length")
    if announced is not None and int(announced) != len(content):
        raise ValueError(f"{len(content)} bytes of {int(announced)}")
    if not content:
        return None
    if fields.get(b"content-type", b"").startswith(b"application/json"):
        return json.loads(content)
    return content.decode(errors="replace")
