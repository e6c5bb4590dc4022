"""The services of a job: how they are called, started and waited for."""

from __future__ import annotations

import re
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.executor.backend import ContainerSpec
from spotci.executor.concurrency import together, uninterrupted
from spotci.executor.images import host_names, is_docker_service
from spotci.executor.trace import RESET, YELLOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from spotci.executor.backend import (
        ContainerId,
        Engine,
        ImageInfo,
        Limits,
        Mount,
        NetworkId,
        Workspace,
    )
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.trace import Trace
    from spotci.pipeline import Service

__all__ = ["JobService", "RunningService", "ServiceSet", "resolve_services"]

_SEPARATORS = re.compile(r"[\s,]+")
#: Seconds between two looks at a service, at first and at last.
_FIRST_POLL = 0.02
_LAST_POLL = 0.25
_WARNING = f"{YELLOW}*** WARNING:{RESET} Service {{}} probably didn't start properly."
#: Lines of a service's log that are shown when something is wrong.
_TAIL = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class JobService:
    """A service of one job, its variables expanded.

    ``label`` names it in the log: its first alias, or the first name of its image.
    ``docker`` marks a Docker daemon.
    """

    image: str
    aliases: tuple[str, ...]
    label: str
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: dict[str, str]
    service: Service
    docker: bool = False


def resolve_services(
    services: Sequence[Service], variables: JobVariables
) -> tuple[tuple[JobService, ...], tuple[str, ...]]:
    """Return the services with their host names, and warnings for the log.

    Of two that want one host name the first has it, and one that is left without any
    is not started, as with the runner. The runner expands names, aliases and variables;
    ``entrypoint`` and ``command`` it hands over as they are written, so that a shell
    in the service sees the variables of the service.
    """
    taken: set[str] = set()
    resolved = []
    warnings = []
    for service in services:
        image = variables.expand(service.name)
        explicit = [
            name
            for alias in service.aliases
            for name in _SEPARATORS.split(variables.expand(alias))
            if name
        ]
        wanted = list(dict.fromkeys([*explicit, *host_names(image)]))
        aliases = tuple(name for name in wanted if name not in taken)
        warnings += [
            f"Service {image} is already created. Ignoring."
            for _ in range(len(wanted) - len(aliases))
        ]
        if not aliases:
            continue
        taken.update(aliases)
        resolved.append(
            JobService(
                image=image,
                aliases=aliases,
                label=wanted[0],
                entrypoint=service.entrypoint,
                command=service.command,
                environment=_environment(service, variables),
                service=service,
                docker=is_docker_service(image),
            )
        )
    return tuple(resolved), tuple(warnings)


def _environment(service: Service, variables: JobVariables) -> dict[str, str]:
    """Return the public variables of the job and those of the service."""
    own = {
        item.name: variables.expand(item.value) if item.expand else item.value
        for item in service.variables
    }
    return {**variables.public, **own}


@dataclass(slots=True, kw_only=True)
class RunningService:
    """A service whose container has been created."""

    service: JobService
    container: ContainerId
    #: The port that tells whether it is ready; None where nothing can tell.
    port: int | None
    #: The last output, where it is read while the service runs.
    tail: list[str] = field(default_factory=list)
    attached: bool = False


@dataclass(slots=True, kw_only=True)
class ServiceSet:
    """The services of one attempt of a job, as long as it runs.

    ``name`` begins the names of their containers.
    """

    engine: Engine
    trace: Trace
    name: str
    labels: dict[str, str]
    limits: Limits
    timeout: float
    running: dict[int, RunningService | None] = field(default_factory=dict)

    async def create(
        self,
        services: Sequence[tuple[JobService, ImageInfo]],
        *,
        network: NetworkId | None,
        workspace: Workspace,
        extra_hosts: dict[str, str],
        docker_mounts: tuple[Mount, ...] = (),
    ) -> None:
        """Create the containers of all services at once."""

        async def create_one(index: int, service: JobService, image: ImageInfo) -> None:
            spec = ContainerSpec(
                name=f"{self.name}-{index}-{_fit(service.label)}",
                image=image.id or image.name,
                entrypoint=service.entrypoint,
                command=service.command,
                environment=service.environment,
                workspace=workspace,
                mounts=docker_mounts if service.docker else (),
                network=network,
                aliases=service.aliases,
                extra_hosts=extra_hosts,
                user=service.service.user,
                platform=service.service.platform,
                privileged=service.docker,
                labels=self.labels,
                limits=self.limits,
            )
            container = await uninterrupted(partial(self.engine.create, spec))
            self.running[index] = RunningService(
                service=service, container=container, port=_port(service, image)
            )

        self.running = dict.fromkeys(range(len(services)))
        await together(
            *(
                partial(create_one, index, service, image)
                for index, (service, image) in enumerate(services)
            )
        )

    async def start(self, tasks: TaskGroup | None) -> None:
        """Start the created services, and return when they are started.

        With ``tasks`` their output is shown as it comes, by tasks of that group.
        """
        if tasks is None:
            await together(
                *(
                    partial(self.engine.start_detached, each.container)
                    for each in self._running
                )
            )
            return
        for each in self._running:
            await tasks.start(self._follow, each)

    @property
    def containers(self) -> list[ContainerId]:
        """The containers that have been created."""
        return [each.container for each in self._running]

    @property
    def _running(self) -> list[RunningService]:
        return [each for each in self.running.values() if each is not None]

    async def wait_ready(self) -> None:
        """Wait until every service accepts connections; say which one does not."""
        if self.timeout < 0 or all(each.port is None for each in self._running):
            return
        await self.trace.line(
            "Waiting for services to be up and running "
            f"(timeout {self.timeout:g} seconds)..."
        )
        failed: dict[ContainerId, str] = {}

        async def check(each: RunningService) -> None:
            problem = await self._check(each)
            if problem is not None:
                failed[each.container] = problem

        async with anyio.create_task_group() as tasks:
            for each in self._running:
                tasks.start_soon(check, each)
        for each in self._running:
            if each.container in failed:
                await self._warn(each, failed[each.container])

    async def show_logs(self) -> None:
        """Send the last lines of every service: the job has failed."""
        for each in self._running:
            if each.attached:
                continue
            lines = await self._last_lines(each)
            await self.trace.service(
                f"[service:{each.service.label}] {line}" for line in lines
            )

    async def _check(self, each: RunningService) -> str | None:
        """Return why a service is not ready in time, or None where it is."""
        if each.port is None:
            return None
        pause = _FIRST_POLL
        name = each.service.image
        with anyio.move_on_after(self.timeout):
            while True:
                if await self.engine.probe(each.container, each.port):
                    return None
                if not await self.engine.running(each.container):
                    return f'service "{name}" has ended'
                await anyio.sleep(pause)
                pause = min(pause * 2, _LAST_POLL)
        return f'service "{name}" timeout'

    async def _warn(self, each: RunningService, problem: str) -> None:
        lines = await self._last_lines(each)
        await self.trace.line(
            "\n".join(
                [
                    "",
                    _WARNING.format(each.service.image),
                    "",
                    "Health check error:",
                    problem,
                    "",
                    "Service container logs:",
                    *lines,
                    "",
                    f"{YELLOW}*********{RESET}",
                    "",
                ]
            )
        )

    async def _last_lines(self, each: RunningService) -> list[str]:
        if each.attached:
            return each.tail[-_TAIL:]
        try:
            data = await self.engine.logs(each.container, tail=_TAIL)
        except EngineError as error:
            return [str(error)]
        return _lines(data)

    async def _follow(
        self,
        each: RunningService,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        each.attached = True
        rest = b""
        async with self.engine.start(each.container) as process:
            task_status.started()
            async for piece in process.output:
                whole, newline, rest = (rest + piece).rpartition(b"\n")
                if newline:
                    await self._show(each, _lines(whole))
        await self._show(each, _lines(rest))

    async def _show(self, each: RunningService, lines: list[str]) -> None:
        each.tail = [*each.tail, *lines][-_TAIL:]
        await self.trace.service(
            f"[service:{each.service.label}] {line}" for line in lines
        )


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines()


def _fit(label: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_.-]", "-", label)[:40]


def _port(service: JobService, image: ImageInfo) -> int | None:
    """Return the port to try: the one that is asked for, or the lowest exposed one.

    A Docker daemon exposes two and listens on one: with TLS, which is its default, on
    the higher. The runner waits for the lower one in vain, and warns.
    """
    asked = service.environment.get("HEALTHCHECK_TCP_PORT", "")
    if asked.isdecimal():
        return int(asked)
    if service.docker and service.environment.get("DOCKER_TLS_CERTDIR", "/certs"):
        return max(image.exposed_ports, default=None)
    return min(image.exposed_ports, default=None)
