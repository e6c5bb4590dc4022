"""Containers and networks of jobs: backend.Engine over the inner daemon."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from spotci.dind import services
from spotci.dind.attach import AttachedProcess
from spotci.dind.daemon import PATIENCE
from spotci.dind.host import moved
from spotci.dind.job_defaults import with_defaults
from spotci.dind.labels import DOCKER, run_labels
from spotci.dind.leftovers import remove_leftovers
from spotci.dind.transport import hijack
from spotci.errors import ContainerError
from spotci.executor.backend import ContainerId, Exit, NetworkId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import ByteStream

    from spotci.dind.daemon import Json
    from spotci.dind.engine import DindEngine
    from spotci.dind.shell import Shell
    from spotci.executor.backend import ContainerSpec, DockerAccess, Mount, Process

__all__ = ["DockerEngine", "container_config"]

_CONFLICT = 409
_FORBIDDEN = 403

#: Input that the connection takes at once, whether the container reads it or not.
_SMALL = 65536

# A connection is accepted, or not, at once; only a packet that is dropped takes long.
_PROBE = r"""
if command -v bash >/dev/null 2>&1; then timeout 1 bash -c ': </dev/tcp/$0/$1' "$1" "$2"
else nc -z -w 1 "$1" "$2" </dev/null
fi >/dev/null 2>&1 && echo open || echo closed
"""


class DockerEngine:
    """The containers of one run.

    Calls that make something are not abandoned by a cancellation: they return what they
    made, or have not begun.

    A container with ``stdin`` is a job's: it has an init process, and its output goes
    to whoever attached and nowhere else. Any other is a service's: its image's own
    first process stays the first, which some images insist on, and the engine keeps
    the end of its output.
    """

    def __init__(self, engine: DindEngine, run: str, shell: Shell) -> None:
        self._engine, self._run, self._shell = engine, run, shell
        self._daemon = engine.inner
        #: Containers with stdin; True where the registry is to be reached as localhost.
        self._attended: dict[ContainerId, bool] = {}
        #: Containers of jobs that command the engine.
        self._given: set[ContainerId] = set()

    @property
    def description(self) -> str:
        """Such as ``docker 28.2.2 in spot-ci-dind``."""
        engine = self._engine
        if engine.shared:
            return f"docker {engine.version} of this machine"
        return f"docker {engine.version} in {engine.settings.name}"

    async def has_died(self) -> bool:
        """Say whether the container of the engine runs no more."""
        return await self._engine.has_died()

    async def create_network(self, name: str) -> NetworkId:
        """Create a bridge network."""
        ours = run_labels(self._run, self._engine.labels)
        made = await self._daemon.ask(
            "POST",
            "/networks/create",
            {"Name": name, "Driver": "bridge", "Labels": ours},
            operation="create network",
            subject=name,
            error=ContainerError,
        )
        return NetworkId(made["Id"])

    async def remove_network(self, network: NetworkId) -> None:
        """Remove a network, and its containers from it."""
        remove = partial(
            self._daemon.ask,
            "DELETE",
            f"/networks/{network}",
            operation="remove network",
            subject=network,
            error=ContainerError,
            missing_ok=True,
        )
        try:
            await remove()
        except ContainerError as fault:
            if fault.status != _FORBIDDEN:
                raise
            await self._detach_all(network)
            await remove()

    async def create(self, spec: ContainerSpec) -> ContainerId:
        """Create a container."""
        spec = with_defaults(spec, self._engine.settings)
        given = services.is_given(spec)
        if self._engine.shared:
            spec = moved(spec, self._engine.paths)
            spec = replace(spec, labels={**spec.labels, **self._engine.labels})
        query = {"name": spec.name}
        if spec.platform is not None:
            query["platform"] = spec.platform
        made = await self._daemon.ask(
            "POST",
            "/containers/create",
            container_config(spec, self._run),
            query=query,
            operation="create container",
            subject=spec.name,
            error=ContainerError,
        )
        container = ContainerId(made["Id"])
        if spec.stdin:
            registry = spec.registry or given
            self._attended[container] = registry and not self._engine.shared
        if given:
            self._given.add(container)
        return container

    @asynccontextmanager
    async def start(
        self, container: ContainerId, *, stdin: bytes | None = None
    ) -> AsyncIterator[Process]:
        """Attach, start, give the input. See backend.Engine."""
        attended = container in self._attended
        if stdin is not None and not attended:
            raise ContainerError(
                "it was made without stdin", operation="start", subject=container
            )
        async with self._attached(container, stdin=attended) as stream:
            await self._start(container)
            if self._attended.get(container, False):
                await self._reach_registry(container)
            process = AttachedProcess(stream, partial(self._exit, container))
            failure: Exception | None = None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(process.pump)
                if attended and len(stdin or b"") <= _SMALL:
                    await process.feed(stdin or b"")
                elif stdin is not None:
                    tasks.start_soon(process.feed, stdin)
                try:
                    yield process
                except Exception as error:  # noqa: BLE001 - raised again below, bare
                    failure = error
                tasks.cancel_scope.cancel()
            process.close()
        if failure is not None:
            raise failure

    async def start_detached(self, container: ContainerId) -> None:
        """Start a service, or the container of a job for a session."""
        await self._start(container)
        if self._attended.get(container, False):
            await self._reach_registry(container)

    async def stop(self, container: ContainerId, *, grace: float) -> None:
        """Send SIGTERM, and SIGKILL after ``grace`` seconds, rounded up."""
        seconds = math.ceil(grace)
        await self._tell(
            container,
            "stop",
            t=seconds,
            missing_ok=True,
            abandon=True,
            patience=seconds + PATIENCE,
        )

    async def remove(self, container: ContainerId) -> None:
        """Kill and remove a container and its anonymous volumes."""
        self._attended.pop(container, None)
        try:
            await self._daemon.ask(
                "DELETE",
                f"/containers/{container}",
                query={"v": True, "force": True},
                operation="remove container",
                subject=container,
                error=ContainerError,
                missing_ok=True,
            )
        except ContainerError as fault:
            if fault.status != _CONFLICT:
                raise
            # Somebody else removes it already: wait for that.
            await self._tell(
                container, "wait", condition="removed", missing_ok=True, abandon=True
            )
        if container in self._given:
            self._given.remove(container)
            if not self._engine.shared:
                await remove_leftovers(self._engine)

    async def logs(self, container: ContainerId, *, tail: int) -> bytes:
        """Return the last lines of a service, stdout and stderr as they came."""
        return await self._daemon.call(
            "read log",
            container,
            lambda client: bytes(client.logs(container, tail=tail)),
            abandon=True,
            error=ContainerError,
        )

    async def running(self, container: ContainerId) -> bool:
        """Say whether the container runs; one that is gone does not."""
        found = await self._inspect(container, missing_ok=True)
        return found is not None and bool(found["State"]["Running"])

    async def probe(self, container: ContainerId, port: int) -> bool:
        """Try to connect to the container's port from the engine."""
        found = await self._inspect(container, missing_ok=True)
        if found is None:
            return False
        for network in found["NetworkSettings"]["Networks"].values():
            if address := network["IPAddress"]:
                answer = await self._shell.run(_PROBE, address, str(port))
                return answer.strip() == b"open"
        return False

    async def docker_access(
        self,
        network: NetworkId | None,  # noqa: ARG002 - the engine is in all of them
        *,
        aliases: Sequence[str],
    ) -> DockerAccess | None:
        """Give a job the engine under these host names."""
        if self._engine.shared:
            return services.host_access()
        return services.docker_access(aliases)

    def _attached(
        self, container: ContainerId, *, stdin: bool
    ) -> AbstractAsyncContextManager[ByteStream]:
        target = (
            f"/containers/{container}/attach"
            f"?stream=1&stdout=1&stderr=1&stdin={int(stdin)}"
        )
        return hijack(
            self._daemon.address,
            target,
            operation="attach to container",
            subject=container,
            error=ContainerError,
        )

    async def _start(self, container: ContainerId) -> None:
        await self._tell(container, "start")

    async def _reach_registry(self, container: ContainerId) -> None:
        pid = (await self._inspect(container))["State"]["Pid"]
        if pid:
            port = self._engine.settings.registry_port
            await services.reach_registry(self._shell, pid, port)

    async def _exit(self, container: ContainerId) -> Exit:
        ended = await self._tell(container, "wait", abandon=True, patience=None)
        code = int(ended["StatusCode"])
        if code == 0:
            return Exit(code=0)
        state = (await self._inspect(container))["State"]
        return Exit(code=code, oom_killed=bool(state["OOMKilled"]))

    async def _inspect(
        self, container: ContainerId, *, missing_ok: bool = False
    ) -> Json:
        return await self._daemon.ask(
            "GET",
            f"/containers/{container}/json",
            operation="inspect container",
            subject=container,
            error=ContainerError,
            missing_ok=missing_ok,
        )

    async def _tell(
        self,
        container: ContainerId,
        verb: str,
        *,
        missing_ok: bool = False,
        abandon: bool = False,
        patience: float | None = PATIENCE,
        **query: object,
    ) -> Json:
        return await self._daemon.ask(
            "POST",
            f"/containers/{container}/{verb}",
            query=query,
            operation=f"{verb} container",
            subject=container,
            error=ContainerError,
            missing_ok=missing_ok,
            abandon=abandon,
            patience=patience,
        )

    async def _detach_all(self, network: NetworkId) -> None:
        found = await self._daemon.ask(
            "GET",
            f"/networks/{network}",
            operation="inspect network",
            subject=network,
            error=ContainerError,
        )
        for container in found.get("Containers") or {}:
            await self._daemon.ask(
                "POST",
                f"/networks/{network}/disconnect",
                {"Container": container, "Force": True},
                operation="remove network",
                subject=network,
                error=ContainerError,
            )


def container_config(spec: ContainerSpec, run: str) -> dict[str, Any]:
    """Return what a container is created from, in the Engine API's words. Pure."""
    mounts = (*(spec.workspace.mounts if spec.workspace else ()), *spec.mounts)
    host: dict[str, Any] = {
        "Init": spec.stdin,
        "Privileged": spec.privileged,
        "NetworkMode": spec.network or "bridge",
        "Mounts": [_mount(mount) for mount in mounts],
        "ExtraHosts": [f"{name}:{at}" for name, at in spec.extra_hosts.items()],
        "LogConfig": _ATTENDED_LOG if spec.stdin else _SERVICE_LOG,
        "RestartPolicy": {"Name": "no"},
        "PidsLimit": spec.limits.pids or -1,
        "NanoCpus": round((spec.limits.cpus or 0) * 1e9),
        "Memory": spec.limits.memory or 0,
        # The same bound for memory with swap: a job at its limit ends, rather than
        # making the whole machine slow.
        "MemorySwap": spec.limits.memory or 0,
    }
    config: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": run_labels(run, {**spec.labels, **_docker_label(spec)}),
        # Docker ends a container's input with its client's only where both are set.
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
        "AttachStdin": spec.stdin,
        "AttachStdout": spec.stdin,
        "AttachStderr": spec.stdin,
        "HostConfig": host,
    }
    optional = {
        "Entrypoint": _list(spec.entrypoint),
        "Cmd": _list(spec.command),
        "User": spec.user,
        "WorkingDir": spec.working_dir,
    }
    config |= {key: value for key, value in optional.items() if value is not None}
    if spec.network is not None:
        endpoint = {"Aliases": list(spec.aliases)}
        config["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    return config


def _docker_label(spec: ContainerSpec) -> dict[str, str]:
    return {DOCKER: "1"} if services.is_given(spec) else {}


_ATTENDED_LOG = {"Type": "none"}
_SERVICE_LOG = {"Type": "local", "Config": {"max-size": "5m", "max-file": "2"}}


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _mount(mount: Mount) -> dict[str, Any]:
    path = mount.source.startswith("/")
    made: dict[str, Any] = {
        "Type": "bind" if path else "volume",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }
    if not path:
        # An empty volume would be filled with what the image has at that place.
        made["VolumeOptions"] = {"NoCopy": True}
    return made
