"""The backend without containers: jobs are processes of this machine.

It isolates nothing: a job can do what its user can, as with GitLab Runner's shell
executor. Each attempt has a folder of its own; what a job starts ends with it, as far
as it stays in its process group. There are no images and no services.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING, NoReturn

import anyio

from spotci.dataclass import dataclass
from spotci.errors import ContainerError
from spotci.executor.backend import Backend, ContainerId, Exit, ImageInfo
from spotci.executor.shell_process import inherited_variables
from spotci.executor.shell_sessions import ShellKeptJobs, ShellSessions
from spotci.executor.shell_watchdog import Watchdog
from spotci.executor.shell_workspace import ShellWorkspaces
from spotci.scratch import make_scratch, remove_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from anyio.abc import ObjectReceiveStream, Process

    from spotci.executor.backend import ContainerSpec, DockerAccess, NetworkId

__all__ = ["ShellEngine", "ShellImages", "open_shell_backend"]

#: Seconds for output that a process leaves behind in the hands of a daemon.
_LINGERING = 1.0
_PIECE = 1 << 18
_WAITING = 16


@asynccontextmanager
async def open_shell_backend(
    *, caches: Path | None = None, kept: Path | None = None
) -> AsyncIterator[Backend]:
    """Give a backend for one run; afterwards no process and no folder of it is left.

    ``caches`` is where caches outlive the run, ``kept`` is for the records of jobs that
    do; None is for the run alone.
    """
    root = await anyio.to_thread.run_sync(make_scratch, "shell")
    sessions = ShellSessions(kept)
    if kept is not None:
        await ShellKeptJobs(kept).make_room()
    with Watchdog() as watchdog:
        engine = ShellEngine(watchdog)
        try:
            yield Backend(
                engine=engine,
                images=ShellImages(),
                workspaces=ShellWorkspaces(root, caches=caches or root / "caches"),
                containers=False,
                sessions=sessions,
            )
        finally:
            with anyio.CancelScope(shield=True):
                await engine.kill_all()
                await anyio.to_thread.run_sync(_clear, root, sessions.workspaces)


@dataclass(slots=True)
class _Local:
    """A "container": what to run, and the process of its present start."""

    spec: ContainerSpec
    process: Process | None = None


@dataclass(slots=True)
class ShellEngine:
    """Runs the command of each container as a process group."""

    watchdog: Watchdog
    _containers: dict[ContainerId, _Local] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Say where jobs run."""
        return "this machine, without containers"

    async def has_died(self) -> bool:
        """Say no: there is no engine but this process."""
        return False

    async def create_network(self, name: str) -> NetworkId:
        """Refuse: there are no networks."""
        return _refuse("create network", name)

    async def remove_network(self, network: NetworkId) -> None:
        """Do nothing: there are no networks."""

    async def create(self, spec: ContainerSpec) -> ContainerId:
        """Remember what to run."""
        container = ContainerId(spec.name)
        if container in self._containers:
            raise ContainerError(
                "the name is in use", operation="create", subject=spec.name
            )
        self._containers[container] = _Local(spec)
        return container

    @asynccontextmanager
    async def start(
        self, container: ContainerId, *, stdin: bytes | None = None
    ) -> AsyncIterator[_Process]:
        """Run the command with the script on stdin, output and errors in one stream."""
        local = self._get(container)
        command = (*(local.spec.entrypoint or ()), *(local.spec.command or ()))
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            try:
                process = await anyio.open_process(
                    [word for word in command if word],
                    stdin=subprocess.PIPE,
                    stdout=writing,
                    stderr=writing,
                    cwd=_folder(local.spec),
                    env=_environment(local.spec),
                    start_new_session=True,
                )
            except OSError as error:
                raise ContainerError(
                    str(error), operation="start", subject=container
                ) from error
            finally:
                os.close(writing)
            local.process = process
            # Before the job has its script: none can run that nobody watches over.
            self.watchdog.begins(process.pid)
            running = _Process(process, reading)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(running.feed, stdin or b"")
                tasks.start_soon(running.pump)
                try:
                    yield running
                finally:
                    tasks.cancel_scope.cancel()
                    running.close()
        finally:
            os.close(reading)

    async def start_detached(self, container: ContainerId) -> None:
        """Refuse: there are no services."""
        _refuse("start", container)

    async def stop(self, container: ContainerId, *, grace: float) -> None:
        """Send SIGTERM to the process group, and SIGKILL after ``grace`` seconds."""
        local = self._containers.get(container)
        if local is None or local.process is None:
            return
        process = local.process
        _signal(process, signal.SIGTERM)
        with anyio.move_on_after(grace):
            await process.wait()
        await _kill(process)

    async def remove(self, container: ContainerId) -> None:
        """Kill what runs, and forget it."""
        local = self._containers.pop(container, None)
        if local is not None and local.process is not None:
            await _kill(local.process)
            self.watchdog.ends(local.process.pid)

    async def logs(self, container: ContainerId, *, tail: int) -> bytes:
        """Refuse: there are no services."""
        del tail
        return _refuse("read logs", container)

    async def running(self, container: ContainerId) -> bool:
        """Say whether the process still runs."""
        local = self._containers.get(container)
        return (
            local is not None
            and local.process is not None
            and local.process.returncode is None
        )

    async def probe(self, container: ContainerId, port: int) -> bool:
        """Refuse: there are no services."""
        del port
        return _refuse("probe", container)

    async def docker_access(
        self, network: NetworkId | None, *, aliases: Sequence[str]
    ) -> DockerAccess | None:
        """Give nothing: jobs see the Docker of the machine anyway."""
        del network, aliases
        return None

    async def kill_all(self) -> None:
        """Kill everything that still runs."""
        for container in tuple(self._containers):
            await self.remove(container)

    def _get(self, container: ContainerId) -> _Local:
        try:
            return self._containers[container]
        except KeyError:
            raise ContainerError("it is gone", subject=container) from None


class ShellImages:
    """Images do not matter where there are no containers."""

    async def ensure(
        self,
        name: str,
        *,
        policy: Sequence[str] = (),
        platform: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> ImageInfo:
        """Return the name: nothing is needed."""
        del policy, platform, progress
        return ImageInfo(id="", name=name)

    async def offer(self, names: Sequence[str]) -> None:
        """Do nothing: there are no images."""


class _Process:
    """A backend.Process over a process of this machine."""

    def __init__(self, process: Process, output: int) -> None:
        self._process = process
        self._output = output
        self._send, self._receive = anyio.create_memory_object_stream[bytes](_WAITING)

    @property
    def output(self) -> ObjectReceiveStream[bytes]:
        """Its output, which ends with the process."""
        return self._receive

    async def wait(self) -> Exit:
        """Wait for its end; a signal becomes 128 and its number, as in a shell."""
        code = await self._process.wait()
        return Exit(code=128 - code if code < 0 else code)

    async def feed(self, data: bytes) -> None:
        """Write the script, and end the input."""
        stdin = self._process.stdin
        if stdin is None:
            return
        try:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stdin.send(data)
        finally:
            with anyio.CancelScope(shield=True):
                await stdin.aclose()

    async def pump(self) -> None:
        """Read the output until the process ends, and what is left then."""
        async with self._send, anyio.create_task_group() as tasks:
            tasks.start_soon(self._read)
            await self._process.wait()
            _signal(self._process, signal.SIGKILL)
            # A daemon that left the group may hold the pipe open for ever.
            tasks.cancel_scope.deadline = anyio.current_time() + _LINGERING

    async def _read(self) -> None:
        while True:
            await anyio.wait_readable(self._output)
            piece = os.read(self._output, _PIECE)
            if not piece:
                return
            try:
                await self._send.send(piece)
            except anyio.BrokenResourceError:
                return  # nobody reads any more

    def close(self) -> None:
        """Drop what was not read."""
        self._send.close()
        self._receive.close()


def _clear(root: Path, kept: set[str]) -> None:
    """Remove the folder of a run, but for the workspaces that are kept."""
    if not kept:
        remove_folder(root)
        return
    jobs = root / "jobs"
    for folder in (*root.iterdir(), *jobs.iterdir()):
        if folder.is_dir() and folder != jobs and str(folder) not in kept:
            remove_folder(folder)


def _folder(spec: ContainerSpec) -> str | None:
    return None if spec.workspace is None else spec.workspace.spec.project_dir


def _environment(spec: ContainerSpec) -> dict[str, str]:
    return {**inherited_variables(), **spec.environment}


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to the group; its leader need not be alive any more."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _kill(process: Process) -> None:
    """Kill the group, and wait for its leader: it is ours to reap."""
    _signal(process, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.wait()


def _refuse(operation: str, subject: str) -> NoReturn:
    raise ContainerError(
        "there are no containers here", operation=operation, subject=subject
    )
