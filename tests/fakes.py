"""The backend in memory: what jobs do is told by the test, and all of it is recorded.

``FakeBackend().port`` is a :class:`~spotci.executor.backend.Backend`. A program ends
at once unless it hangs; every operation passes ``FakeEngine.gate`` under its name, so
that a test can hold a job, or fail it, at any stage.
"""

from __future__ import annotations

import itertools
import posixpath
import stat
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import anyio

from spotci.errors import (
    ContainerError,
    EngineError,
    EngineUnavailableError,
    ImagePullError,
)
from spotci.executor.backend import (
    Backend,
    ContainerId,
    Exit,
    FileEntry,
    ImageInfo,
    LayerId,
    Mount,
    NetworkId,
    SnapshotId,
    Workspace,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import ObjectReceiveStream

    from spotci.events import Event
    from spotci.executor.backend import (
        ContainerSpec,
        DockerAccess,
        WorkspaceSpec,
    )
    from spotci.tree import SourceTree

T = TypeVar("T")

_KILLED = 137
_TERMINATED = 143


@dataclass(kw_only=True)
class Program:
    """What a container does when it is started.

    It prints ``output`` piece by piece, writes ``files`` into the workspace (None
    deletes one), hangs until it is stopped if it ``hangs``, and ends with ``code``;
    ``last_words`` are printed when it is stopped.
    """

    output: Sequence[bytes] = ()
    code: int = 0
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    hangs: bool = False
    oom: bool = False
    last_words: bytes = b""


@dataclass
class Gates:
    """Names of operations that wait for an event, or fail, when they are reached."""

    closed: dict[str, anyio.Event] = field(default_factory=dict)
    faults: dict[str, list[EngineError]] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)
    #: Whether the engine has died: then every operation fails.
    dead: bool = False

    async def passing(self, name: str) -> None:
        """Wait at the gate of this name; every operation can be canceled here."""
        self.reached.append(name)
        await anyio.lowlevel.checkpoint()
        if self.faults.get(name):
            raise self.faults[name].pop(0)
        if name in self.closed:
            await self.closed[name].wait()
        if self.dead:
            raise EngineUnavailableError("no answer", operation=name)


class FakeProcess:
    """A run of a program."""

    def __init__(self, program: Program, ended: Callable[[], None]) -> None:
        self._program = program
        self._ended = ended
        self._send, self._receive = anyio.create_memory_object_stream[bytes](8)
        self._stopped = anyio.Event()
        self._exit: Exit | None = None
        self._done = anyio.Event()
        self._lost = False

    @property
    def output(self) -> ObjectReceiveStream[bytes]:
        return self._receive

    async def wait(self) -> Exit:
        await self._done.wait()
        if self._lost:
            raise EngineUnavailableError("no answer", operation="wait container")
        assert self._exit is not None
        return self._exit

    async def run(self) -> None:
        code = self._program.code
        async with self._send:
            for piece in self._program.output:
                if self._stopped.is_set():
                    break
                await self._write(piece)
            if self._program.hangs and not self._stopped.is_set():
                await self._stopped.wait()
            if self._stopped.is_set():
                code = _TERMINATED
                await self._write(self._program.last_words)
        self._exit = Exit(
            code=_KILLED if self._program.oom else code, oom_killed=self._program.oom
        )
        self._ended()
        self._done.set()

    def stop(self) -> None:
        self._stopped.set()

    def lose(self) -> None:
        """End with the engine: nobody can say how."""
        self._lost = True
        self.stop()

    def close(self) -> None:
        self._send.close()
        self._receive.close()

    async def _write(self, data: bytes) -> None:
        try:
            if data:
                await self._send.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass


@dataclass
class FakeContainer:
    """A container of the fake, with what happened to it."""

    spec: ContainerSpec
    #: What each start got on stdin; None for a service.
    scripts: list[bytes | None] = field(default_factory=list)
    process: FakeProcess | None = None
    running: bool = False


@dataclass
class FakeEngine:
    """Containers in memory.

    ``programs`` are tried in order: the first whose text is part of the script, or
    of the image's name, tells what the container does.
    """

    workspaces: FakeWorkspaces
    gates: Gates
    programs: list[tuple[str, Program]] = field(default_factory=list)
    containers: dict[ContainerId, FakeContainer] = field(default_factory=dict)
    networks: dict[NetworkId, str] = field(default_factory=dict)
    #: Every container that ever was, in the order of creation.
    created: list[FakeContainer] = field(default_factory=list)
    #: Images whose services refuse connections.
    deaf: set[str] = field(default_factory=set)
    #: Images whose services end at once.
    dies: set[str] = field(default_factory=set)
    service_logs: bytes = b""
    access: DockerAccess | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        return "docker 28.2 in memory"

    async def has_died(self) -> bool:
        await anyio.lowlevel.checkpoint()
        return self.gates.dead

    async def create_network(self, name: str) -> NetworkId:
        await self._pass("create_network")
        network = NetworkId(name)
        self.networks[network] = name
        return network

    async def remove_network(self, network: NetworkId) -> None:
        await self._pass("remove_network")
        self.networks.pop(network, None)

    async def create(self, spec: ContainerSpec) -> ContainerId:
        await self._pass("create")
        identity = ContainerId(spec.name)
        if identity in self.containers:
            raise ContainerError("the name is in use", subject=spec.name, status=409)
        container = FakeContainer(spec)
        self.containers[identity] = container
        self.created.append(container)
        return identity

    @asynccontextmanager
    async def start(
        self, container: ContainerId, *, stdin: bytes | None = None
    ) -> AsyncIterator[FakeProcess]:
        await self._pass("start")
        found = self._get(container)
        if found.running:
            raise ContainerError("it is running", subject=container)
        found.scripts.append(stdin)
        program = self._program(found.spec, stdin)
        self._write_files(found.spec, program)

        def ended() -> None:
            found.running = False

        found.running = True
        found.process = process = FakeProcess(program, ended)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.run)
            try:
                yield process
            finally:
                tasks.cancel_scope.cancel()
                process.close()

    async def start_detached(self, container: ContainerId) -> None:
        await self._pass("start_detached")
        found = self._get(container)
        found.scripts.append(None)
        found.running = found.spec.image not in self.dies

    async def stop(self, container: ContainerId, *, grace: float) -> None:
        del grace
        await self._pass("stop")
        found = self.containers.get(container)
        if found is not None and found.process is not None:
            found.process.stop()

    async def remove(self, container: ContainerId) -> None:
        await self._pass("remove")
        found = self.containers.pop(container, None)
        if found is not None and found.process is not None:
            found.process.stop()

    async def logs(self, container: ContainerId, *, tail: int) -> bytes:
        await self._pass("logs")
        self._get(container)
        return b"".join(self.service_logs.splitlines(keepends=True)[-tail:])

    async def running(self, container: ContainerId) -> bool:
        await self._pass("running")
        found = self.containers.get(container)
        return found is not None and found.running

    async def probe(self, container: ContainerId, port: int) -> bool:
        await self._pass(f"probe {port}")
        return self._get(container).spec.image not in self.deaf

    async def docker_access(
        self, network: NetworkId | None, *, aliases: Sequence[str]
    ) -> DockerAccess | None:
        del network
        await self._pass(f"docker_access {' '.join(aliases)}")
        return self.access

    async def _pass(self, name: str) -> None:
        self.calls.append(name)
        await self.gates.passing(name)

    def _get(self, container: ContainerId) -> FakeContainer:
        try:
            return self.containers[container]
        except KeyError:
            raise ContainerError("no such container", subject=container) from None

    def _program(self, spec: ContainerSpec, stdin: bytes | None) -> Program:
        text = spec.image if stdin is None else stdin.decode("utf-8", "replace")
        for part, program in self.programs:
            if part in text:
                return program
        return Program()

    def _write_files(self, spec: ContainerSpec, program: Program) -> None:
        if spec.workspace is None:
            return
        files = self.workspaces.opened[spec.workspace.id]
        for path, content in program.files.items():
            if content is None:
                files.pop(path, None)
            else:
                files[path] = content


@dataclass
class FakeImages:
    """Images in memory: all there are, but those that are ``missing``."""

    gates: Gates
    missing: dict[str, str] = field(default_factory=dict)
    ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    #: Images that have to be pulled first.
    remote: set[str] = field(default_factory=set)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)

    async def offer(self, names: Sequence[str]) -> None:
        self.offered += names

    async def ensure(
        self,
        name: str,
        *,
        policy: Sequence[str] = (),
        platform: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> ImageInfo:
        del platform
        self.asked.append((name, tuple(policy)))
        await self.gates.passing("ensure")
        if name in self.missing:
            raise ImagePullError(
                self.missing[name], operation="pull image", subject=name
            )
        if name in self.remote and progress is not None:
            progress("pulling", 10, 100)
            await anyio.lowlevel.checkpoint()
            progress("pulled", 100, 100)
        return ImageInfo(
            id=f"sha256:{name}", name=name, exposed_ports=self.ports.get(name, ())
        )


@dataclass
class FakeWorkspaces:
    """Workspaces in memory: paths to contents."""

    gates: Gates
    snapshots: dict[SnapshotId, dict[str, bytes]] = field(default_factory=dict)
    layers: dict[LayerId, dict[str, bytes]] = field(default_factory=dict)
    caches: dict[str, LayerId] = field(default_factory=dict)
    opened: dict[str, dict[str, bytes]] = field(default_factory=dict)
    specs: list[WorkspaceSpec] = field(default_factory=list)
    private: dict[str, dict[str, bytes]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    #: Modes of paths that are no plain files.
    modes: dict[str, int] = field(default_factory=dict)
    #: What ``listing`` was asked for.
    listed: list[tuple[str, ...] | None] = field(default_factory=list)
    exported: list[Path] = field(default_factory=list)
    #: The disk that has no room left.
    full: str | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _shared: dict[str, str] = field(default_factory=dict)

    def number_after(self, other: FakeWorkspaces) -> None:
        """Give no name that another one gives."""
        self._numbers = other._numbers

    async def full_disk(self) -> str | None:
        return self.full

    def layer(self, files: Mapping[str, bytes]) -> LayerId:
        """Make a layer, as the outcome of something earlier."""
        identity = LayerId(f"layer-{next(self._numbers)}")
        self.layers[identity] = dict(files)
        return identity

    async def snapshot(
        self,
        tree: SourceTree,
        *,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> SnapshotId:
        del progress
        await self.gates.passing("snapshot")
        identity = SnapshotId(f"snapshot-{next(self._numbers)}")
        self.snapshots[identity] = {entry.path: b"" for entry in tree.entries}
        return identity

    async def open(self, spec: WorkspaceSpec) -> Workspace:
        await self.gates.passing("open")
        if spec.shared_path and spec.project_dir in self._shared.values():
            raise EngineError("the path is taken", status=409)
        identity = f"workspace-{next(self._numbers)}"
        files = dict(self.snapshots[spec.snapshot]) if spec.snapshot else {}
        for layer in spec.layers:
            files.update(self.layers[layer])
        self.opened[identity] = files
        self.specs.append(spec)
        if spec.shared_path:
            self._shared[identity] = spec.project_dir
        return Workspace(
            id=identity,
            spec=spec,
            mounts=(
                Mount(source=identity, target=spec.project_dir),
                Mount(source=f"{identity}.tmp", target=f"{spec.project_dir}.tmp"),
            ),
        )

    async def close(self, workspace: Workspace) -> None:
        await self.gates.passing("close")
        self.opened.pop(workspace.id, None)
        self.private.pop(workspace.id, None)
        self._shared.pop(workspace.id, None)

    async def listing(
        self, workspace: Workspace, *, under: Sequence[str] | None = None
    ) -> Mapping[str, FileEntry]:
        await self.gates.passing("listing")
        self.listed.append(None if under is None else tuple(under))
        return {
            path: FileEntry(
                path=path,
                mode=self.modes.get(path, stat.S_IFREG | 0o644),
                size=len(content),
            )
            for path, content in self.opened[workspace.id].items()
            if under is None or any(_is_inside(path, folder) for folder in under)
        }

    async def collect(self, workspace: Workspace, paths: Sequence[str]) -> LayerId:
        await self.gates.passing("collect")
        files = self.opened[workspace.id]
        return self.layer({path: files[path] for path in paths})

    async def unchanged(
        self, workspace: Workspace, paths: Sequence[str], layer: LayerId
    ) -> bool:
        await self.gates.passing("unchanged")
        files, before = self.opened[workspace.id], self.layers[layer]
        return all(path in before and files[path] == before[path] for path in paths)

    async def adopt(self, folder: Path) -> LayerId:
        await self.gates.passing("adopt")
        empty = _empty_folders(folder)
        self.modes |= dict.fromkeys(empty, stat.S_IFDIR | 0o755)
        return self.layer({**dict.fromkeys(empty, b""), **_read_folder(folder)})

    async def read(self, place: Workspace | LayerId, path: str, *, limit: int) -> bytes:
        await self.gates.passing("read")
        files = (
            self.opened[place.id]
            if isinstance(place, Workspace)
            else self.layers[place]
        )
        if path not in files:
            raise EngineError("no such file", operation="read", subject=path)
        return files[path][:limit]

    async def write_private(
        self, workspace: Workspace, files: Mapping[str, bytes]
    ) -> None:
        await self.gates.passing("write_private")
        self.private[workspace.id].update(files)

    async def export(self, layer: LayerId, destination: Path) -> None:
        await self.gates.passing("export")
        if layer not in self.layers:
            raise EngineError("no such layer", operation="export", subject=layer)
        for path, content in self.layers[layer].items():
            target = destination / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.exported.append(destination)

    async def survivors(self, layers: Sequence[LayerId]) -> frozenset[LayerId]:
        await self.gates.passing("survivors")
        return frozenset(layers) & self.layers.keys()

    async def drop(self, layer: LayerId) -> None:
        await self.gates.passing("drop")
        if layer not in self.caches.values():
            self.layers.pop(layer, None)

    async def cached(self, key: str) -> LayerId | None:
        await self.gates.passing("cached")
        return self.caches.get(key)

    async def store_cache(self, key: str, layer: LayerId) -> None:
        await self.gates.passing("store_cache")
        self.caches[key] = layer


class FakeBackend:
    """The three fakes together."""

    def __init__(self) -> None:
        self.gates = Gates()
        self.images = FakeImages(self.gates)
        self.workspaces = FakeWorkspaces(self.gates)
        self.engine = FakeEngine(self.workspaces, self.gates)
        #: The backends that come after the death of this one; None: none can.
        self.heirs: list[FakeBackend] | None = None
        self.emptied = False
        self.opened = 0

    @property
    def port(self) -> Backend:
        return Backend(
            engine=self.engine,
            images=self.images,
            workspaces=self.workspaces,
            reopen=None if self.heirs is None else self._reopen,
            emptied=self.emptied,
        )

    def heir(self, *, keeps_volumes: bool = True) -> FakeBackend:
        """Return the backend that comes after this one's death, which has no heir."""
        heir = FakeBackend()
        heir.engine.programs = self.engine.programs
        heir.emptied = not keeps_volumes
        heir.workspaces.number_after(self.workspaces)
        if keeps_volumes:
            heir.workspaces.layers = self.workspaces.layers
            heir.workspaces.caches = self.workspaces.caches
        self.heirs = [heir]
        return heir

    def die(self) -> None:
        """Let the engine die, with all that runs in it."""
        self.gates.dead = True
        for container in self.engine.containers.values():
            if container.process is not None:
                container.process.lose()

    @asynccontextmanager
    async def _reopen(self) -> AsyncIterator[Backend]:
        self.opened += 1
        if not self.heirs:
            raise EngineUnavailableError("it does not answer after 60 s")
        yield self.heirs[0].port

    def program(self, part: str, **fields: object) -> None:
        """Tell what a container does whose script, or image, contains ``part``."""
        self.engine.programs.append((part, Program(**fields)))  # type: ignore[arg-type]

    def left(self) -> list[str]:
        """Return what is in the engine, caches and layers aside."""
        return [
            *self.engine.containers,
            *self.engine.networks,
            *self.workspaces.opened,
            *self.workspaces.private,
        ]


@dataclass
class Events:
    """An ``emit`` that keeps the events."""

    all: list[Event] = field(default_factory=list)

    async def __call__(self, event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        self.all.append(event)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.all if isinstance(event, kind)]


def _is_inside(path: str, folder: str) -> bool:
    return posixpath.commonpath([path, folder]) == folder


def _read_folder(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _empty_folders(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_dir() and not any(path.iterdir())
    ]
