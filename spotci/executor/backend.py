"""The port: what the executor asks of whatever runs containers, as plain data.

Two backends implement it, ``spotci.dind`` and ``spotci.executor.shell``, and one
fake for the tests; a contract suite runs against all of them. Every method may run
concurrently with every other, may be cancelled anywhere, and raises EngineError and
nothing else.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, NewType, Protocol

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from anyio.abc import ObjectReceiveStream

    from spotci.kept_jobs import KeptJob
    from spotci.tree import SourceTree

__all__ = [
    "Backend",
    "ContainerId",
    "ContainerSpec",
    "DockerAccess",
    "Engine",
    "Exit",
    "FileEntry",
    "ImageInfo",
    "Images",
    "LayerId",
    "Limits",
    "Mount",
    "NetworkId",
    "Process",
    "Session",
    "SessionSpec",
    "Sessions",
    "SnapshotId",
    "Workspace",
    "WorkspaceSpec",
    "Workspaces",
]

ContainerId = NewType("ContainerId", str)
NetworkId = NewType("NetworkId", str)
SnapshotId = NewType("SnapshotId", str)
#: An immutable set of files: the artifacts of a job, or one generation of a cache.
LayerId = NewType("LayerId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a container: bytes, processors, processes; None is unlimited."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume or a path of the engine, seen at ``target`` in a container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container to create.

    ``environment`` holds no secret of a job: those reach its shell through stdin.
    ``stdin`` keeps stdin open for a script.
    """

    name: str
    image: str
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    workspace: Workspace | None = None
    mounts: tuple[Mount, ...] = ()
    network: NetworkId | None = None
    #: Host names of the container in ``network``.
    aliases: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user: str | None = None
    platform: str | None = None
    privileged: bool = False
    stdin: bool = False
    working_dir: str | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    #: Whether the registry's port at the container's own ``localhost`` leads to the
    #: registry, as it always does where the container has been given the engine.
    registry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a container's process ended."""

    code: int
    oom_killed: bool = False


class Process(Protocol):
    """A started container, for as long as the context that ``start`` gave."""

    @property
    def output(self) -> ObjectReceiveStream[bytes]:
        """Its stdout and stderr in the order of arrival; ends when it ends."""
        ...

    async def wait(self) -> Exit:
        """Wait for the end of the process."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerAccess:
    """What a job container needs to command the engine, for ``docker:dind``.

    ``environment`` overrides the job's variables of the same name.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mounts: tuple[Mount, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Engine(Protocol):
    """A container engine. One engine serves all jobs."""

    @property
    def description(self) -> str:
        """Such as ``docker 28.2 in spot-ci-dind``, for the head of a job's log."""
        ...

    async def has_died(self) -> bool:
        """Say whether the engine has ended, for good; one that hangs has not."""
        ...

    async def create_network(self, name: str) -> NetworkId:
        """Create a network of its own for one job and its services."""
        ...

    async def remove_network(self, network: NetworkId) -> None:
        """Remove a network. Removing one that is gone is no error."""
        ...

    async def create(self, spec: ContainerSpec) -> ContainerId:
        """Create a container; its image must be in the engine."""
        ...

    def start(
        self, container: ContainerId, *, stdin: bytes | None = None
    ) -> AbstractAsyncContextManager[Process]:
        """Start a container, attached from before its first byte.

        ``stdin`` is written and then closed. A container may be started again
        after it ended: its file system is kept. Leaving the context detaches and
        does not stop the container.
        """
        ...

    async def stop(self, container: ContainerId, *, grace: float) -> None:
        """Send SIGTERM, and SIGKILL after ``grace`` seconds. Idempotent."""
        ...

    async def remove(self, container: ContainerId) -> None:
        """Kill and remove a container. Removing one that is gone is no error."""
        ...

    async def logs(self, container: ContainerId, *, tail: int) -> bytes:
        """Return the last lines of a container that was started without attaching."""
        ...

    async def start_detached(self, container: ContainerId) -> None:
        """Start a service: its output is kept by the engine, see ``logs``."""
        ...

    async def running(self, container: ContainerId) -> bool:
        """Say whether the container's process still runs."""
        ...

    async def probe(self, container: ContainerId, port: int) -> bool:
        """Say whether a TCP connection to the container's port is accepted now."""
        ...

    async def docker_access(
        self, network: NetworkId | None, *, aliases: Sequence[str]
    ) -> DockerAccess | None:
        """Give a job the engine itself, under these host names; None: cannot."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What the executor needs to know of an image in the engine."""

    id: str
    name: str
    digest: str | None = None
    exposed_ports: tuple[int, ...] = ()
    user: str = ""


class Images(Protocol):
    """Gets images into the engine."""

    async def ensure(
        self,
        name: str,
        *,
        policy: Sequence[str] = (),
        platform: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> ImageInfo:
        """Return an image that is in the engine now; raise ImagePullError otherwise.

        Policies are GitLab's, tried in order; none given is ``if-not-present``.
        Concurrent calls for one name share one transfer. ``progress`` gets a text,
        bytes done, and bytes in all.
        """
        ...

    async def offer(self, names: Sequence[str]) -> None:
        """Bring in those of these images that are on this machine already.

        For jobs that build images: what their Dockerfiles begin with. Images that are
        not there, or cannot be had, are left to the build.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of a workspace or layer: ``mode`` is the full ``st_mode``."""

    path: str
    mode: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSpec:
    """A workspace to open: layers over a snapshot, later layers over earlier ones.

    ``snapshot`` None starts empty (``GIT_STRATEGY: empty`` and ``none``);
    ``git_depth`` None leaves out ``.git``. ``project_dir`` is ``CI_PROJECT_DIR``.
    With ``shared_path`` the workspace lies at that very path of the engine, too, so
    that a job with access to it can ``docker run -v $CI_PROJECT_DIR:/x``.
    """

    name: str
    project_dir: str
    snapshot: SnapshotId | None
    git_depth: int | None = None
    layers: tuple[LayerId, ...] = ()
    shared_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """An open workspace.

    ``mounts`` put it, and the folder ``<project_dir>.tmp`` beside it for files of
    variables, into a container; the last one is that folder. The ``project_dir`` of
    ``spec`` is where the job finds it: a backend without containers has it elsewhere
    than was asked for.
    """

    id: str
    spec: WorkspaceSpec
    mounts: tuple[Mount, ...]


class Workspaces(Protocol):
    """Where jobs find their files; see the design's section on workspaces."""

    async def snapshot(
        self,
        tree: SourceTree,
        *,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> SnapshotId:
        """Bring the tree into the engine; only what changed since the last travels."""
        ...

    async def open(self, spec: WorkspaceSpec) -> Workspace:
        """Make a workspace, at a cost that does not grow with the snapshot.

        Raises EngineError with status 409 where ``shared_path`` asks for a path that
        another open workspace of the engine has; the caller then asks for another.
        """
        ...

    async def close(self, workspace: Workspace) -> None:
        """Drop a workspace and what was not collected from it. Idempotent."""
        ...

    async def listing(
        self, workspace: Workspace, *, under: Sequence[str] | None = None
    ) -> Mapping[str, FileEntry]:
        """Return every file, link and empty folder of the workspace, by path.

        ``.git`` is left out. ``under`` names files and folders, relative and without
        a slash at the end: only they and what is in them is listed, so that a job
        with ``paths: [dist/]`` costs nothing for the rest. Those that do not exist
        are no error; None is everything.
        """
        ...

    async def collect(self, workspace: Workspace, paths: Sequence[str]) -> LayerId:
        """Make an immutable layer of these paths of the workspace."""
        ...

    async def unchanged(
        self, workspace: Workspace, paths: Sequence[str], layer: LayerId
    ) -> bool:
        """Say whether all of these paths are as this layer brought them.

        False is no promise that one of them differs.
        """
        ...

    async def adopt(self, folder: Path) -> LayerId:
        """Make a layer of a folder of the host: the artifacts of an earlier run."""
        ...

    async def read(self, place: Workspace | LayerId, path: str, *, limit: int) -> bytes:
        """Read a file, at most ``limit`` bytes of it. Never follows a link outside."""
        ...

    async def write_private(
        self, workspace: Workspace, files: Mapping[str, bytes]
    ) -> None:
        """Write files of variables into ``<project_dir>.tmp``, for the job alone."""
        ...

    async def export(self, layer: LayerId, destination: Path) -> None:
        """Copy a layer to a folder of the host, which is created.

        Hostile names, links and devices in it cannot write outside the folder.
        """
        ...

    async def drop(self, layer: LayerId) -> None:
        """Say that a layer is no longer wanted."""
        ...

    async def survivors(self, layers: Sequence[LayerId]) -> frozenset[LayerId]:
        """Return those of the layers that are there, after ``Backend.reopen``."""
        ...

    async def cached(self, key: str) -> LayerId | None:
        """Return the newest generation of a cache, None where there is none."""
        ...

    async def store_cache(self, key: str, layer: LayerId) -> None:
        """Make a layer the newest generation of a cache, atomically."""
        ...

    async def full_disk(self) -> str | None:
        """Return which disk of the jobs has no room left; None where all have."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """A program for a person, in the container of a job.

    ``terminal`` gives it a terminal of so many rows and columns; without one, output
    and errors are apart, and its input may end.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: str
    terminal: tuple[int, int] | None = None


class Session(Protocol):
    """A program that runs, for as long as the context that ``open`` gave."""

    def __aiter__(self) -> AsyncIterator[tuple[bool, bytes]]:
        """Yield what it prints, each piece with whether it came to stderr."""
        ...

    async def send(self, data: bytes) -> None:
        """Give it input; one that does not read any more is no error."""
        ...

    async def send_eof(self) -> None:
        """End its input."""
        ...

    async def resize(self, rows: int, columns: int) -> None:
        """Say that its terminal has another size."""
        ...

    async def wait(self) -> int:
        """Return its exit code, when its output has ended."""
        ...


class Sessions(Protocol):
    """What a person needs to look into a job: shells in it, and that it stays."""

    def open(
        self, container: ContainerId, spec: SessionSpec
    ) -> AbstractAsyncContextManager[Session]:
        """Run a program in a container, beside what runs there.

        A container that does not run is started for it, and stopped when the last
        session in it has ended. Leaving the context ends the program.
        """
        ...

    async def keep(self, kept: KeptJob) -> None:
        """Let a job's container, services and workspace outlive the run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The ports together.

    Without ``containers`` jobs are processes of the host: images do not matter, and
    there are no services. Without ``sessions`` nobody can look into jobs.

    ``reopen`` opens the backend of the same run once more when its engine has died, on
    one that is started again; None: that is nobody's here to start. Of what the run had
    in the engine only layers may be left, see ``Workspaces.survivors``; ``emptied``
    says that not even caches and images are.
    """

    engine: Engine
    images: Images
    workspaces: Workspaces
    containers: bool = True
    sessions: Sessions | None = None
    reopen: Callable[[], AbstractAsyncContextManager[Backend]] | None = None
    emptied: bool = False
