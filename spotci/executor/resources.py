"""What one attempt of a job holds in the engine: image, workspace, services, container.

What does not depend on each other is made at once. The cost of a job is that of one
container: a network only for services, no helper containers, and ``after_script``
starts the same container again.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineError, ImagePullError
from spotci.executor.backend import (
    ContainerSpec,
    DockerAccess,
    Mount,
    WorkspaceSpec,
)
from spotci.executor.concurrency import first_error, together, uninterrupted
from spotci.executor.images import is_docker
from spotci.executor.progress import INTERVAL, LastProgress
from spotci.executor.script import DETECT_SHELL
from spotci.executor.services import ServiceSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence

    from anyio.abc import TaskGroup

    from spotci.executor.backend import (
        Backend,
        ContainerId,
        Engine,
        Exit,
        ImageInfo,
        LayerId,
        NetworkId,
        SnapshotId,
        Workspace,
    )
    from spotci.executor.emit import Emit
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.services import JobService
    from spotci.executor.trace import Trace
    from spotci.pipeline import Image

    Watch = Callable[[AsyncIterable[bytes]], AsyncIterable[bytes]]

__all__ = ["JobResources", "WorkspaceRequest"]

#: Seconds that a stopped process has to give its last output.
_LAST_OUTPUT = 5.0
#: Other paths that are tried where one inside the engine is taken.
_PATHS = 64
_CONFLICT = 409
_CERTIFICATES = "/certs/client"
_COMPOSE_PROJECT = "COMPOSE_PROJECT_NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRequest:
    """How the workspace of a job begins."""

    snapshot: SnapshotId | None
    git_depth: int | None
    layers: tuple[LayerId, ...]
    attempts: int = 1


@dataclass(slots=True, kw_only=True)
class JobResources:
    """Makes and removes what one attempt of a job needs; ``name`` is its container's.

    ``image`` and ``services`` have their variables expanded.
    """

    backend: Backend
    plan: RunPlan
    emit: Emit
    trace: Trace
    name: str
    labels: dict[str, str]
    image: Image
    services: tuple[JobService, ...]
    #: Whether the job talks to the registry at ``localhost``.
    registry: bool = False
    workspace: Workspace | None = None
    container: ContainerId | None = None
    network: NetworkId | None = None
    docker: DockerAccess | None = None
    _images: dict[str, ImageInfo] = field(default_factory=dict)
    _nested: bool = False
    #: The number in the path of the workspace, 0 where it has the plain one.
    _slot: int = 0
    #: Where the workspace would be if no other job had that path.
    _wanted_dir: str = ""
    _service_set: ServiceSet = field(init=False)

    def __post_init__(self) -> None:
        self._service_set = ServiceSet(
            engine=self.backend.engine,
            trace=self.trace,
            name=self.name,
            labels=self.labels,
            limits=self.plan.options.limits,
            timeout=self.plan.options.services_timeout,
        )

    @property
    def wants_docker(self) -> bool:
        """Whether the job asks for the engine itself."""
        match self.plan.options.docker:
            case "always":
                return True
            case "never":
                return False
            case _:
                return is_docker(self.image.name) or any(
                    service.docker for service in self.services
                )

    @property
    def shares_path(self) -> bool:
        """Whether paths in the job must be paths in the engine, too."""
        return self.wants_docker and not self.plan.options.nested_dind

    def docker_environment(self, variables: JobVariables) -> dict[str, str]:
        """Return the variables of a job that commands the engine, none for others.

        Docker Compose calls a project after its folder, which is the same in jobs that
        share the engine. The first of them keeps that name; the others get their own.
        """
        if self.docker is None or self.workspace is None:
            return {}
        environment = dict(self.docker.environment)
        moved = self.workspace.spec.project_dir != self._wanted_dir
        if moved and _COMPOSE_PROJECT not in variables.values:
            folder = self._wanted_dir.rpartition("/")[2].lower()
            name = re.sub(r"[^a-z0-9_-]", "", folder).lstrip("_-")
            environment[_COMPOSE_PROJECT] = f"{name}{self._slot or self.workspace.id}"
        return environment

    async def get_images(self) -> None:
        """Bring in all images; raise ImagePullError for one that cannot be had."""
        await together(
            partial(
                self._get_image,
                self.image.name,
                self.image.pull_policy,
                self.image.platform,
            ),
            partial(self._get_service_images, self._started_services()),
            self._offer_base_images,
        )

    async def _offer_base_images(self) -> None:
        if self.shares_path:
            names = await anyio.to_thread.run_sync(self.plan.base_images)
            await self.backend.images.offer(names)

    async def open_workspace(
        self, request: WorkspaceRequest, *, project_dir: str
    ) -> Workspace:
        """Open the workspace, and again where the engine failed at it."""
        left = request.attempts
        while True:
            left -= 1
            try:
                workspace = await self._open(request, project_dir)
            except EngineError as error:
                if left <= 0:
                    raise
                await self.trace.warning(f"Retrying get_sources: {error}")
            else:
                self.workspace = workspace
                return workspace

    async def connect(self) -> None:
        """Make the network that services need, and get access to the engine.

        An engine that is given to nobody has the job's Docker services started.
        """
        await self._connect()
        if not self.shares_path:
            await self._tell_missing()
            return
        aliases = dict.fromkeys(
            alias
            for service in self.services
            if service.docker
            for alias in service.aliases
        )
        self.docker = await self.backend.engine.docker_access(
            self.network, aliases=tuple(aliases) or ("docker",)
        )
        if self.docker is None:
            self._nested = True
            await self._connect()
            await self._get_service_images(self._started_services())

    async def create(self, variables: JobVariables) -> None:
        """Create the container of the job and those of its services."""
        await together(partial(self._create_job, variables), self._create_services)

    async def start_services(self, tasks: TaskGroup | None) -> None:
        """Start the services and wait until they are ready; see ServiceSet.start."""
        await self._service_set.start(tasks)
        await self._service_set.wait_ready()

    async def show_service_logs(self) -> None:
        """Send the last lines of every service."""
        await self._service_set.show_logs()

    @property
    def service_containers(self) -> tuple[ContainerId, ...]:
        """The containers of the services."""
        return tuple(self._service_set.containers)

    async def write_files(self, files: Mapping[str, bytes]) -> None:
        """Write the contents of file variables where the job finds them."""
        if files and self.workspace is not None:
            await self.backend.workspaces.write_private(self.workspace, files)

    async def tell_image(self) -> None:
        """Say in the log which image the job has."""
        if not self.backend.containers:
            return
        info = self._images[self.image.name]
        digest = f" with digest {info.digest}" if info.digest else ""
        if info.id:
            await self.trace.line(
                f"Using docker image {info.id} for {info.name}{digest} ..."
            )

    async def run(self, script: bytes, watch: Watch | None = None) -> Exit:
        """Start the container with a script, and send its output until it ends.

        ``watch`` sees the output before the log does. Where this is canceled the
        container is stopped first, and its last output is sent.
        """
        engine, container = self.backend.engine, self.container
        if container is None:
            raise EngineError("the container of the job is gone")
        attached = _Attached()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                attached.follow, engine, container, script, self.trace, watch
            )
            try:
                await attached.ended.wait()
            except anyio.get_cancelled_exc_class():
                grace = self.plan.options.stop_grace
                with anyio.move_on_after(grace + _LAST_OUTPUT, shield=True):
                    with suppress(EngineError):
                        await engine.stop(container, grace=grace)
                    await attached.ended.wait()
                attached.scope.cancel()
                raise
        return attached.result()

    async def release(self) -> None:
        """Remove everything; what fails is left to the engine's own sweep."""
        removing = [*self._service_set.containers]
        if self.container is not None:
            removing.append(self.container)
        async with anyio.create_task_group() as tasks:
            for container in removing:
                tasks.start_soon(
                    _quietly, partial(self.backend.engine.remove, container)
                )
        async with anyio.create_task_group() as tasks:
            if self.network is not None:
                tasks.start_soon(
                    _quietly, partial(self.backend.engine.remove_network, self.network)
                )
            if self.workspace is not None:
                tasks.start_soon(
                    _quietly, partial(self.backend.workspaces.close, self.workspace)
                )

    async def _tell_missing(self) -> None:
        for service in self.services:
            if service.docker and not self.wants_docker:
                await self.trace.warning(
                    f"Service {service.image} is not started: this job may not use "
                    "Docker (engine.docker)"
                )

    def _started_services(self) -> tuple[JobService, ...]:
        """Return the services that are containers.

        The engine itself needs none, and a daemon of its own is privileged: jobs that
        may not use Docker do not get one either.
        """
        if self.wants_docker and (self._nested or not self.shares_path):
            return self.services
        return tuple(service for service in self.services if not service.docker)

    async def _connect(self) -> None:
        if self._started_services() and self.network is None:
            self.network = await uninterrupted(
                partial(self.backend.engine.create_network, self.name)
            )

    async def _get_service_images(self, services: Sequence[JobService]) -> None:
        wanted = {service.image: service.service for service in services}
        await together(
            *(
                partial(self._get_image, name, service.pull_policy, service.platform)
                for name, service in wanted.items()
                if name not in self._images
            )
        )

    async def _get_image(
        self, name: str, policy: Sequence[str], platform: str | None
    ) -> None:
        policies = tuple(policy) or (self.plan.options.pull_policy,)
        progress = LastProgress("image", name)
        done = anyio.Event()

        async def report() -> None:
            told = False
            while not done.is_set():
                with anyio.move_on_after(INTERVAL):
                    await done.wait()
                if not progress.changed and not (told and done.is_set()):
                    continue
                if not told:
                    await self.trace.line(f"Pulling docker image {name} ...")
                    told = True
                await self.emit(progress.event(finished=done.is_set()))

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(report)
                try:
                    info = await self.backend.images.ensure(
                        name,
                        policy=policies,
                        platform=platform,
                        progress=progress.note,
                    )
                finally:
                    done.set()
        except BaseExceptionGroup as group:
            error = first_error(group)
            if error is None:
                raise
            if isinstance(error, ImagePullError):
                raise await self._tell_failed_pull(name, policies, error) from error
            raise error from None
        self._images[name] = info

    async def _tell_failed_pull(
        self, name: str, policies: Sequence[str], error: ImagePullError
    ) -> ImagePullError:
        """Say that an image cannot be had, and return the error in runner's words."""
        if len(policies) == 1:
            await self.trace.warning(
                f'Failed to pull image with policy "{policies[0]}": {error.message}'
            )
        return ImagePullError(
            f'failed to pull image "{name}" with specified policies '
            f"[{' '.join(policies)}]: {error.message}",
            status=error.status,
            hint=error.hint,
        )

    async def _open(self, request: WorkspaceRequest, project_dir: str) -> Workspace:
        self._wanted_dir = project_dir
        head, _, rest = project_dir.removeprefix("/").partition("/")
        for slot in range(_PATHS):
            # Another job of the engine may have the plain path, if paths are shared.
            path = project_dir if not slot else f"/{head}/{slot}/{rest}"
            spec = WorkspaceSpec(
                name=self.name,
                project_dir=path,
                snapshot=request.snapshot,
                git_depth=request.git_depth,
                layers=request.layers,
                shared_path=self.shares_path,
            )
            try:
                made = await uninterrupted(partial(self.backend.workspaces.open, spec))
            except EngineError as error:
                if error.status != _CONFLICT or not self.shares_path:
                    raise
            else:
                self._slot = slot
                return made
        raise EngineError(f"{_PATHS} jobs use the path {project_dir}")

    async def _create_job(self, variables: JobVariables) -> None:
        docker = self.docker or DockerAccess()
        spec = ContainerSpec(
            name=self.name,
            image=self._identity(self.image.name),
            entrypoint=self.image.entrypoint,
            command=DETECT_SHELL,
            environment=variables.public,
            workspace=self.workspace,
            mounts=(*docker.mounts, *self._certificates()),
            network=self.network,
            aliases=("build",) if self.network is not None else (),
            extra_hosts=docker.extra_hosts,
            user=self.image.user,
            platform=self.image.platform,
            stdin=True,
            registry=self.registry,
            labels=self.labels,
            limits=self.plan.options.limits,
        )
        self.container = await uninterrupted(partial(self.backend.engine.create, spec))

    async def _create_services(self) -> None:
        services = self._started_services()
        if not services or self.workspace is None:
            return
        await self._service_set.create(
            [(service, self._images[service.image]) for service in services],
            network=self.network,
            workspace=self.workspace,
            extra_hosts=dict(self.docker.extra_hosts) if self.docker else {},
            docker_mounts=self._certificates(),
        )

    def _certificates(self) -> tuple[Mount, ...]:
        """Return where a nested daemon puts the certificates for its clients.

        They lie in the workspace's folder for private files, and vanish with it.
        """
        nested = any(service.docker for service in self._started_services())
        if not nested or self.workspace is None or not self.workspace.mounts:
            return ()
        private = self.workspace.mounts[-1]
        return (Mount(source=private.source, target=_CERTIFICATES),)

    def _identity(self, name: str) -> str:
        info = self._images[name]
        return info.id or info.name


class _Attached:
    """A start of a container, followed to its end even when the job is canceled.

    What a process prints while it is stopped belongs to the log, so the attachment is
    behind a shield of its own: ``scope`` ends it.
    """

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope(shield=True)
        self._exit: Exit | None = None
        self._error: EngineError | None = None

    async def follow(
        self,
        engine: Engine,
        container: ContainerId,
        script: bytes,
        trace: Trace,
        watch: Watch | None,
    ) -> None:
        """Start the container and send its output, until it ends."""
        try:
            with self.scope:
                async with engine.start(container, stdin=script) as process:
                    output: AsyncIterable[bytes] = process.output
                    await trace.output(output if watch is None else watch(output))
                    self._exit = await process.wait()
        except EngineError as error:
            self._error = error
        except BaseExceptionGroup as group:
            self._error = first_error(group)
            if self._error is None:
                raise
        finally:
            self.ended.set()

    def result(self) -> Exit:
        """Return how it ended, or raise what the engine failed with."""
        if self._error is not None:
            raise self._error
        if self._exit is None:
            raise EngineError("the container did not end")
        return self._exit


async def _quietly(function: Callable[[], Awaitable[None]]) -> None:
    with suppress(EngineError):
        await function()
