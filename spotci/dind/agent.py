"""The agent: a shell in the engine's container that runs small scripts at once.

Starting a process through Docker takes 54 ms; telling a shell that runs already, and
hearing of the end, takes two. Any number of commands may be under way. What carries
many bytes, such as the source tree, gets a process of its own.

The shell ends with the connection to it, however that ends.
"""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from spotci.dind.agent_shell import PROGRAM, AnswerDecoder, Scripts
from spotci.dind.space import room_hint
from spotci.dind.streams import Demultiplexer, Stream
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from anyio.abc import ByteStream

    from spotci.dind.agent_shell import Answer
    from spotci.dind.engine import DindEngine

__all__ = ["Agent", "ScriptError", "ScriptProcess", "open_agent"]

#: Commands under way at once; more wait.
_AT_ONCE = 32

#: Bytes of stdin that go through the shell. More would hold up the commands behind.
_SMALL = 4 << 20

_RECEIVE = 262_144
_START = 20.0
#: Seconds for handing a command to the shell, which only reads.
_SEND = 60.0

#: Bytes of an error that are kept: the last ones say why.
_ERRORS = 4096

# Docker lets a process go on when nobody reads what it prints any more, for as long as
# it likes. Its stdin ends with the connection: then the script in $1 is ended.
_GUARDED = r"""
exec 3<&0 </dev/null
script=$1
shift
sh -c "$script" spot-ci-agent "$@" 3<&- &
work=$!
{ read -r _ <&3; kill "$work"; } >/dev/null 2>&1 &
guard=$!
exec 3<&-
wait "$work"
code=$?
kill "$guard" 2>/dev/null
exit "$code"
"""


@asynccontextmanager
async def open_agent(engine: DindEngine) -> AsyncIterator[Agent]:
    """Start the agent, and end it with the block.

    Raises EngineUnavailableError where it cannot be started.
    """
    failure: Exception | None = None
    async with _process(engine, PROGRAM) as (stream, _):
        agent = Agent(engine, stream)
        await agent.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.listen)
            try:
                yield agent
            except Exception as error:  # noqa: BLE001 - raised again below, bare
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Agent:
    """Runs shell scripts in the engine's container, as root."""

    def __init__(self, engine: DindEngine, stream: ByteStream) -> None:
        self._engine, self._stream = engine, stream
        self._demultiplexer, self._decoder = Demultiplexer(), AnswerDecoder()
        self._scripts = Scripts()
        self._numbers = itertools.count()
        self._turns = anyio.Semaphore(_AT_ONCE)
        self._sending = anyio.Lock()
        self._waiting: dict[int, _Waiter] = {}
        self._dead: str | None = None

    async def run(
        self,
        script: str,
        *args: str,
        stdin: bytes = b"",
        operation: str = "run in the engine",
        subject: str = "",
    ) -> bytes:
        """Run a script with ``$1`` and so on, and return what it printed.

        Raises EngineError with what it printed to stderr where it fails; errors name
        ``operation`` and ``subject``. A cancellation does not end the script.
        """
        if len(stdin) > _SMALL:
            return await self._run_alone(script, args, stdin, operation, subject)
        await self._turns.acquire()
        waiter = _Waiter()
        try:
            await self._send(waiter, script, args, stdin)
        except BaseException:
            self._turns.release()
            raise
        # From here on it is the next one's turn when the answer comes, not before.
        await waiter.done.wait()
        answer = waiter.answer
        if answer is None:
            raise self._unavailable(operation, subject)
        if answer.code != 0:
            raise _failed(answer.code, answer.errors, operation, subject)
        return answer.output

    @asynccontextmanager
    async def process(
        self,
        script: str,
        *args: str,
        stdin: bool = False,
        operation: str = "run in the engine",
        subject: str = "",
    ) -> AsyncIterator[ScriptProcess]:
        """Run a script in a process of its own, for streams of any size.

        Leaving the block ends its stdin. A script without one is ended itself; where
        it starts a program that may take long, it does so with ``exec``.
        """
        command = (script, *args) if stdin else (_GUARDED, script, *args)
        async with _process(self._engine, *command) as (stream, id_):
            yield ScriptProcess(self._engine, stream, id_, operation, subject)

    async def send_stream(
        self,
        script: str,
        *args: str,
        chunks: AsyncIterable[bytes],
        operation: str = "run in the engine",
        subject: str = "",
    ) -> bytes:
        """Run a script in a process of its own with these bytes on its stdin.

        Returns what it printed. A script that ends without reading all is no error.
        """
        failure: Exception | None = None
        output = b""
        async with (
            self.process(
                script, *args, stdin=True, operation=operation, subject=subject
            ) as process,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(process.feed, chunks)
            try:
                output = b"".join([piece async for piece in process])
            except EngineError as error:
                failure = error
            failure = failure or process.fault
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return output

    async def start(self) -> None:
        """Wait for the shell; raise EngineUnavailableError where it does not come."""
        seen = b""
        try:
            with anyio.fail_after(_START):
                while b"ready\n" not in seen:
                    data = await self._stream.receive(_RECEIVE)
                    seen += b"".join(x for _, x in self._demultiplexer.feed(data))
        except (anyio.EndOfStream, anyio.BrokenResourceError, TimeoutError) as fault:
            self._dead = seen.decode(errors="replace").strip() or "the engine ended it"
            raise self._unavailable("start the agent", "") from fault

    async def listen(self) -> None:
        """Read answers until the connection ends; everybody hears of that."""
        reason = "the engine has ended"
        try:
            while True:
                data = await self._stream.receive(_RECEIVE)
                for stream, payload in self._demultiplexer.feed(data):
                    if stream is Stream.OUTPUT:
                        for answer in self._decoder.feed(payload):
                            self._settle(answer)
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
            pass
        except ValueError as fault:
            reason = f"the agent answered in a wrong way: {fault}"
        finally:
            self._end(reason)

    async def _send(
        self, waiter: _Waiter, script: str, args: tuple[str, ...], stdin: bytes
    ) -> None:
        async with self._sending:
            if self._dead is not None:
                raise self._unavailable("run in the engine", "")
            number = next(self._numbers)
            try:
                lines = self._scripts.command(number, script, args, len(stdin))
            except ValueError as fault:
                raise EngineError(str(fault), operation="run in the engine") from fault
            self._waiting[number] = waiter
            # Half a command would be the end of all others.
            with anyio.move_on_after(_SEND, shield=True) as scope:
                try:
                    await self._stream.send(lines + stdin)
                except (
                    anyio.BrokenResourceError,
                    anyio.ClosedResourceError,
                    OSError,
                ):
                    self._end("the engine has ended")
            if scope.cancelled_caught:
                self._end("the agent does not listen")

    def _settle(self, answer: Answer) -> None:
        waiter = self._waiting.pop(answer.number, None)
        if waiter is not None:
            waiter.answer = answer
            waiter.done.set()
            self._turns.release()

    def _end(self, reason: str) -> None:
        self._dead = self._dead or reason
        for waiter in self._waiting.values():
            waiter.done.set()
            self._turns.release()
        self._waiting.clear()

    async def _run_alone(
        self,
        script: str,
        args: tuple[str, ...],
        stdin: bytes,
        operation: str,
        subject: str,
    ) -> bytes:
        async def chunks() -> AsyncIterator[bytes]:
            yield stdin

        return await self.send_stream(
            script, *args, chunks=chunks(), operation=operation, subject=subject
        )

    def _unavailable(self, operation: str, subject: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            self._dead or "the engine has ended", operation=operation, subject=subject
        )


class ScriptError(EngineError):
    """A script in the engine failed: ``code`` is its exit code."""

    def __init__(
        self, message: str, *, code: int, operation: str, subject: str
    ) -> None:
        super().__init__(
            message or f"exit code {code}",
            operation=operation,
            subject=subject,
            hint=room_hint(message),
        )
        self.code = code


class _Waiter:
    """Somebody who waits for an answer; none comes where the engine has ended."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: Answer | None = None


class ScriptProcess:
    """A script in a process of its own: iterate over it for its stdout.

    The iteration raises EngineError at its end where the script failed.
    """

    def __init__(
        self,
        engine: DindEngine,
        stream: ByteStream,
        exec_id: str,
        operation: str,
        subject: str,
    ) -> None:
        self._engine, self._stream, self._id = engine, stream, exec_id
        self._operation, self._subject = operation, subject
        self._errors = b""
        #: What went wrong on our side in the middle of ``feed``.
        self.fault: Exception | None = None

    async def feed(self, chunks: AsyncIterable[bytes]) -> None:
        """Write to stdin and end it; stops where nobody reads any more."""
        try:
            async for chunk in chunks:
                await self._stream.send(chunk)
            await self._stream.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the exit code tells why
        except Exception as fault:  # noqa: BLE001 - raised by whoever waits for the end
            self.fault = fault
            await self._stream.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        demultiplexer = Demultiplexer()
        while True:
            try:
                data = await self._stream.receive(_RECEIVE)
            except anyio.EndOfStream:
                break
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                if self.fault is not None:
                    return
                break
            for stream, payload in demultiplexer.feed(data):
                if stream is Stream.OUTPUT:
                    yield payload
                else:
                    self._errors = (self._errors + payload)[-_ERRORS:]
        await self._check()

    async def _check(self) -> None:
        found = await self._engine.outer.daemon.ask(
            "GET",
            f"/exec/{self._id}/json",
            operation=self._operation,
            subject=self._subject,
        )
        code = found.get("ExitCode")
        if code is None or found.get("Running"):
            raise EngineUnavailableError(
                "the engine has ended", operation=self._operation, subject=self._subject
            )
        if code != 0:
            raise _failed(code, self._errors, self._operation, self._subject)


@asynccontextmanager
async def _process(
    engine: DindEngine, script: str, *args: str
) -> AsyncIterator[tuple[ByteStream, str]]:
    async with engine.outer.daemon.execute(
        engine.container,
        ["sh", "-c", script, "spot-ci-agent", *args],
        stdin=True,
        operation="run in the engine",
        subject=engine.settings.name,
    ) as (stream, exec_id):
        try:
            yield stream, exec_id
        finally:
            with suppress(
                anyio.BrokenResourceError, anyio.ClosedResourceError, OSError
            ):
                await stream.aclose()


def _failed(code: int, errors: bytes, operation: str, subject: str) -> ScriptError:
    text = errors[-_ERRORS:].decode(errors="replace").strip()
    return ScriptError(text, code=code, operation=operation, subject=subject)
