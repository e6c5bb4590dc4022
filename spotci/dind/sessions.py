"""Shells for a person in the container of a job: backend.Sessions over exec."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from spotci.dind.agent import open_agent
from spotci.dind.engine import engine_status, open_engine
from spotci.dind.kept import forget, read_records, write_record
from spotci.dind.lease import remove_runs
from spotci.dind.services import reach_registry
from spotci.dind.store import REMOVE_RUN
from spotci.dind.streams import Demultiplexer, Stream
from spotci.dind.transport import hijack
from spotci.errors import ContainerError, EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from anyio.abc import ByteStream

    from spotci.dind.agent import Agent
    from spotci.dind.daemon import Daemon, Json
    from spotci.dind.engine import DindEngine
    from spotci.dind.settings import EngineSettings, Progress
    from spotci.dind.shell import Shell
    from spotci.executor.backend import ContainerId, SessionSpec
    from spotci.kept_jobs import KeptJob

__all__ = ["DockerSession", "DockerSessions", "KeptJobs", "open_kept"]

_RECEIVE = 65536
#: Seconds between SIGTERM and SIGKILL for a container that was started for a session.
_GRACE = 1
#: Seconds for giving a container back at the end of a session.
_END = 30.0


class DockerSessions:
    """The sessions of one run: ``start`` starts a container of it.

    ``kept`` is told the ids of what outlives the run.
    """

    def __init__(
        self,
        engine: DindEngine,
        shell: Shell,
        *,
        start: Callable[[ContainerId], Awaitable[None]],
        kept: set[str],
    ) -> None:
        self._engine, self._shell = engine, shell
        self._start, self._kept = start, kept

    @asynccontextmanager
    async def open(
        self, container: ContainerId, spec: SessionSpec
    ) -> AsyncIterator[DockerSession]:
        """Run a program in a container. See backend.Sessions."""
        started = await self._awake(container)
        try:
            async with self._exec(container, spec) as session:
                yield session
        finally:
            if started:
                with anyio.move_on_after(_END, shield=True), suppress(EngineError):
                    await self._asleep(container)

    async def keep(self, kept: KeptJob) -> None:
        """Let a job outlive the run."""
        await write_record(self._shell, kept)
        # From here on neither the end of the run nor that of its lease removes them.
        self._kept.update((kept.container, *kept.services))
        if kept.network is not None:
            self._kept.add(kept.network)

    async def _awake(self, container: ContainerId) -> bool:
        """Start a container that does not run; say whether it had to be.

        Nobody is attached to its input, which therefore never ends: its shell waits.
        """
        if (await self._inspect("containers", container))["State"]["Running"]:
            return False
        await self._start(container)
        return True

    async def _asleep(self, container: ContainerId) -> None:
        """Stop a container that was started for a session, unless others are in it."""
        found = await self._inspect("containers", container)
        for identity in found.get("ExecIDs") or ():
            if (await self._inspect("exec", identity))["Running"]:
                return
        await self._engine.inner.ask(
            "POST",
            f"/containers/{container}/stop",
            query={"t": _GRACE},
            operation="stop container",
            subject=container,
            error=ContainerError,
        )

    async def _inspect(self, kind: str, identity: str) -> Json:
        return await self._engine.inner.ask(
            "GET",
            f"/{kind}/{identity}/json",
            operation="open a shell in",
            subject=identity,
            error=ContainerError,
        )

    @asynccontextmanager
    async def _exec(
        self, container: ContainerId, spec: SessionSpec
    ) -> AsyncIterator[DockerSession]:
        inner, terminal = self._engine.inner, spec.terminal
        made = await inner.ask(
            "POST",
            f"/containers/{container}/exec",
            {
                "AttachStdin": True,
                "AttachStdout": True,
                "AttachStderr": True,
                "Tty": terminal is not None,
                "Cmd": list(spec.command),
                "Env": [f"{name}={value}" for name, value in spec.environment.items()],
                "WorkingDir": spec.working_dir,
            },
            operation="open a shell in",
            subject=container,
            error=ContainerError,
        )
        body: dict[str, object] = {"Detach": False, "Tty": terminal is not None}
        if terminal is not None:
            body["ConsoleSize"] = list(terminal)
        async with hijack(
            inner.address,
            f"/exec/{made['Id']}/start",
            body=body,
            operation="open a shell in",
            subject=container,
            error=ContainerError,
        ) as stream:
            yield DockerSession(inner, stream, made["Id"], framed=terminal is None)


class DockerSession:
    """A backend.Session over the stream of an exec; ``framed`` without a terminal."""

    def __init__(
        self, daemon: Daemon, stream: ByteStream, exec_id: str, *, framed: bool
    ) -> None:
        self._daemon, self._stream, self._id = daemon, stream, exec_id
        self._frames = Demultiplexer() if framed else None

    async def __aiter__(self) -> AsyncIterator[tuple[bool, bytes]]:
        """Yield what it prints, with whether it came to stderr."""
        while True:
            try:
                data = await self._stream.receive(_RECEIVE)
            except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                return  # where the engine went away, wait() says so
            if self._frames is None:
                yield False, data
                continue
            for stream, payload in self._frames.feed(data):
                yield stream is Stream.ERROR, payload

    async def send(self, data: bytes) -> None:
        """Give it input."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await self._stream.send(data)

    async def send_eof(self) -> None:
        """End its input."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await self._stream.send_eof()

    async def resize(self, rows: int, columns: int) -> None:
        """Say that its terminal has another size."""
        # It may have ended meanwhile.
        with suppress(EngineError):
            await self._daemon.ask(
                "POST",
                f"/exec/{self._id}/resize",
                query={"h": rows, "w": columns},
                operation="resize",
                subject=self._id,
            )

    async def wait(self) -> int:
        """Return its exit code."""
        found = await self._daemon.ask(
            "GET", f"/exec/{self._id}/json", operation="end a shell", subject=self._id
        )
        if found["ExitCode"] is None:
            raise ContainerError(
                "its container has ended", operation="run a shell", subject=self._id
            )
        return int(found["ExitCode"])


class KeptJobs:
    """The jobs that outlived their runs; see ``kept``."""

    def __init__(self, engine: DindEngine, agent: Agent) -> None:
        self._engine, self._agent = engine, agent
        self.sessions = DockerSessions(engine, agent, start=self._start, kept=set())

    async def of(self, project: str) -> tuple[KeptJob, ...]:
        """Return those of a project, the newest first."""
        found = await read_records(self._agent)
        return tuple(kept for kept in found if kept.project == project)

    async def remove(self, runs: Iterable[str]) -> None:
        """Remove all that these runs left."""
        gone = sorted(set(runs))
        await forget(self._agent, gone)
        await remove_runs(self._engine, gone)
        await self._agent.run(REMOVE_RUN, *gone)

    async def _start(self, container: ContainerId) -> None:
        inner = self._engine.inner
        await inner.ask(
            "POST",
            f"/containers/{container}/start",
            operation="start container",
            subject=container,
            error=ContainerError,
        )
        found = await inner.ask(
            "GET",
            f"/containers/{container}/json",
            operation="inspect",
            subject=container,
        )
        if pid := found["State"]["Pid"]:
            port = self._engine.settings.registry_port
            await reach_registry(self._agent, pid, port)


@asynccontextmanager
async def open_kept(
    settings: EngineSettings, *, progress: Progress
) -> AsyncIterator[KeptJobs | None]:
    """Give the kept jobs of an engine; None where it does not run: it has none."""
    if (await engine_status(settings)).state != "running":
        yield None
        return
    engine = await open_engine(settings, progress=progress)
    try:
        async with open_agent(engine) as agent:
            yield KeptJobs(engine, agent)
    finally:
        engine.close()
