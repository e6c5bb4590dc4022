"""Shells for a person in workspaces of the shell backend: processes of the machine."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import termios
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.dataclass import dataclass
from spotci.errors import ContainerError
from spotci.executor.shell_process import inherited_variables
from spotci.kept_jobs import KeptJob, surplus_runs
from spotci.scratch import hold_scratch, remove_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from anyio.abc import ByteReceiveStream, Process

    from spotci.executor.backend import ContainerId, Session, SessionSpec

__all__ = ["ShellKeptJobs", "ShellSessions"]

_PIECE = 65536
_WAITING = 16
#: Opened by the leader of a session, a terminal becomes its own.
_ON_TERMINAL = 'terminal=$0; exec <>"$terminal" >&0 2>&0 && exec "$@"'


@dataclass(slots=True)
class ShellSessions:
    """The sessions of one run.

    ``kept`` is where the records of kept jobs lie; None keeps none.
    """

    kept: Path | None = None
    #: The workspaces that outlive the run.
    workspaces: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def open(
        self, container: ContainerId, spec: SessionSpec
    ) -> AsyncIterator[Session]:
        """Run a program in the folder of a job."""
        environment = {**inherited_variables(), **spec.environment}
        opened = _with_pipes if spec.terminal is None else _with_terminal
        try:
            async with opened(spec, environment) as session:
                yield session
        except FileNotFoundError as error:
            raise ContainerError(
                str(error), operation="open a shell in", subject=container
            ) from error

    async def keep(self, kept: KeptJob) -> None:
        """Let the workspace of a job outlive the run."""
        if self.kept is not None:
            await to_thread.run_sync(hold_scratch, _root(kept))
            await to_thread.run_sync(_write, self.kept, kept)
            self.workspaces.add(kept.workspace)


class ShellKeptJobs:
    """The jobs that outlived their runs, by their records in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sessions = ShellSessions(folder)

    async def of(self, project: str) -> tuple[KeptJob, ...]:
        """Return those of a project, the newest first."""
        found = await to_thread.run_sync(_read, self._folder)
        return tuple(kept for kept in found if kept.project == project)

    async def remove(self, runs: Iterable[str]) -> None:
        """Remove all that these runs left."""
        await to_thread.run_sync(_remove, self._folder, frozenset(runs))

    async def make_room(self) -> None:
        """Remove the oldest: newer runs took their place."""
        found = await to_thread.run_sync(_read, self._folder)
        if gone := surplus_runs(found):
            await self.remove(gone)


def _root(kept: KeptJob) -> Path:
    # <root>/jobs/<n>: the root is of this run alone.
    return Path(kept.workspace).parents[1]


def _write(folder: Path, kept: KeptJob) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{kept.container}.json"
    part = place.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(kept.encode())
    part.rename(place)


def _read(folder: Path) -> tuple[KeptJob, ...]:
    found = []
    for place in folder.glob("*.json"):
        # One that a later spotci wrote, or that is removed just now, is not ours.
        with suppress(ValueError, OSError):
            kept = KeptJob.decode(place.read_bytes())
            if Path(kept.project_dir).is_dir():
                found.append(kept)
    return tuple(sorted(found, key=lambda kept: kept.at, reverse=True))


def _remove(folder: Path, runs: frozenset[str]) -> None:
    for kept in _read(folder):
        if kept.run in runs:
            remove_folder(_root(kept))
    for place in folder.glob("*.json"):
        with suppress(ValueError, OSError):
            if KeptJob.decode(place.read_bytes()).run in runs:
                place.unlink()


@asynccontextmanager
async def _with_pipes(
    spec: SessionSpec, environment: Mapping[str, str]
) -> AsyncIterator[_LocalSession]:
    process = await anyio.open_process(
        list(spec.command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=spec.working_dir,
        env=dict(environment),
        start_new_session=True,
    )
    async with process, _running(_PipeSession(process)) as session:
        yield session


@asynccontextmanager
async def _with_terminal(
    spec: SessionSpec, environment: Mapping[str, str]
) -> AsyncIterator[_LocalSession]:
    # The process opens its end anew; ours of it is held, so that there is always one.
    ours, theirs = pty.openpty()
    try:
        if spec.terminal is not None:
            termios.tcsetwinsize(ours, spec.terminal)
        words = ("sh", "-c", _ON_TERMINAL, os.ttyname(theirs), *spec.command)
        process = await anyio.open_process(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=spec.working_dir,
            env={"TERM": os.environ.get("TERM", "xterm"), **environment},
            start_new_session=True,
        )
        async with process, _running(_TerminalSession(process, ours)) as session:
            yield session
    finally:
        os.close(ours)
        os.close(theirs)


@asynccontextmanager
async def _running(session: _LocalSession) -> AsyncIterator[_LocalSession]:
    """Read what a process prints for as long as the block runs; kill it then."""
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.pump)
        try:
            yield session
        except Exception as error:  # noqa: BLE001 - raised again below, bare
            failure = error
        finally:
            session.end()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class _LocalSession(ABC):
    """A backend.Session over a process of this machine, and what it prints."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._send, self._receive = anyio.create_memory_object_stream[
            tuple[bool, bytes]
        ](_WAITING)

    async def __aiter__(self) -> AsyncIterator[tuple[bool, bytes]]:
        async for piece in self._receive:
            yield piece

    async def pump(self) -> None:
        """Read what it prints, up to its end."""
        async with self._send:
            await self._read()

    def end(self) -> None:
        """Kill it with all that it started, and drop what was not read."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._send.close()
        self._receive.close()

    async def wait(self) -> int:
        """Wait for its end; a signal becomes 128 and its number, as in a shell."""
        code = await self._process.wait()
        return 128 - code if code < 0 else code

    @abstractmethod
    async def _read(self) -> None:
        """Give all that it prints to ``_send``."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Give it input."""

    @abstractmethod
    async def send_eof(self) -> None:
        """End its input."""

    @abstractmethod
    async def resize(self, rows: int, columns: int) -> None:
        """Say that its terminal has another size."""


class _PipeSession(_LocalSession):
    """Input, output and errors are apart."""

    async def _read(self) -> None:
        async with anyio.create_task_group() as readers:
            readers.start_soon(self._copy, self._process.stdout, False)  # noqa: FBT003 - by position alone
            readers.start_soon(self._copy, self._process.stderr, True)  # noqa: FBT003 - by position alone

    async def _copy(self, stream: ByteReceiveStream | None, is_error: bool) -> None:  # noqa: FBT001 - see above
        if stream is not None:
            async for data in stream:
                await self._send.send((is_error, data))

    async def send(self, data: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._process.stdin.send(data)

    async def send_eof(self) -> None:
        if self._process.stdin is not None:
            await self._process.stdin.aclose()

    async def resize(self, rows: int, columns: int) -> None:
        """Do nothing: there is no terminal."""


class _TerminalSession(_LocalSession):
    """The process has a terminal of its own."""

    def __init__(self, process: Process, terminal: int) -> None:
        super().__init__(process)
        self._terminal = terminal
        os.set_blocking(terminal, False)

    async def _read(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._copy)
            await self._process.wait()
            tasks.cancel_scope.cancel()
        while data := self._take():  # what was printed last
            await self._send.send((False, data))

    async def _copy(self) -> None:
        while True:
            await anyio.wait_readable(self._terminal)
            if data := self._take():
                await self._send.send((False, data))

    def _take(self) -> bytes:
        try:
            return os.read(self._terminal, _PIECE)
        except OSError:
            return b""

    async def send(self, data: bytes) -> None:
        while data:
            await anyio.wait_writable(self._terminal)
            with suppress(BlockingIOError):
                data = data[os.write(self._terminal, data) :]

    async def send_eof(self) -> None:
        # A terminal never ends: this is the key for the end of input.
        await self.send(b"\x04")

    async def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._terminal, (rows, columns))
