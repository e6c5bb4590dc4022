"""The developer's own Docker as the engine: for machines that refuse privileges.

A helper container, unprivileged, has the work volume, the agent and the lease, which
are in the engine's container otherwise; jobs run beside it and beside everything else
of the developer's. What that changes::

    workspaces     copied: nothing can be mounted without privileges
    private files  on a volume in memory that the helper holds
    Docker         the host's own socket, for jobs that ask for it
    registry       in the network of the host, at its loopback alone
    what is swept  by label and engine alone: nothing else is ours here

The helper is in the network of the host, to try the ports of services. It holds the
socket of the host's Docker, for the lease; no script of a job runs in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio

from spotci.dind import boot, labels, registry
from spotci.dind.engine import DindEngine
from spotci.dind.outer import connect_outer
from spotci.dind.state import engine_lock
from spotci.dind.store import PRIVATE, ROOT
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.dind.outer import ContainerState, Outer
    from spotci.dind.settings import EngineSettings, Progress
    from spotci.executor.backend import ContainerSpec, Mount

__all__ = ["helper_config", "host_socket", "moved", "open_host"]

_SOCKET = "/var/run/docker.sock"


async def open_host(settings: EngineSettings, *, progress: Progress) -> DindEngine:
    """Return the host engine with its helper, which is started where it does not run.

    Raises EngineUnavailableError where there is no Docker, ImagePullError where the
    helper's image cannot be had, and EngineError where it cannot be started.
    """
    outer = await connect_outer(settings, os.environ)
    state = await outer.state(settings.container)
    if not _suits(outer, state, settings):
        async with engine_lock(settings):
            state = await outer.state(settings.container)
            if not _suits(outer, state, settings):
                state = await _start(outer, settings, state, progress)
    if state is None:
        raise EngineError("was removed", operation="start", subject=settings.container)
    await _start_registry(outer, settings, state, progress)
    return DindEngine(
        settings=settings,
        inner=outer.daemon,
        outer=outer,
        container=state.id,
        started_at=state.started_at,
        registry_port=settings.registry_port,
        version=await outer.daemon.version(),
        paths=await _paths(outer, settings),
    )


def helper_config(outer_socket: str, settings: EngineSettings) -> dict[str, Any]:
    """Return what the helper is created from, in the Engine API's words. Pure."""
    config = _config(outer_socket, settings)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    ours = labels.host_labels(settings.name, labels.Role.ENGINE)
    return {**config, "Labels": {**ours, labels.CONFIG: digest[:16]}}


def moved(spec: ContainerSpec, paths: Mapping[str, str]) -> ContainerSpec:
    """Return a container whose mounts are where the host's daemon finds them. Pure."""
    workspace = spec.workspace
    if workspace is not None:
        mounts = tuple(_moved(mount, paths) for mount in workspace.mounts)
        workspace = replace(workspace, mounts=mounts)
    mounts = tuple(_moved(mount, paths) for mount in spec.mounts)
    return replace(spec, workspace=workspace, mounts=mounts)


def _moved(mount: Mount, paths: Mapping[str, str]) -> Mount:
    for inside, outside in paths.items():
        if mount.source == inside or mount.source.startswith(f"{inside}/"):
            return replace(mount, source=outside + mount.source.removeprefix(inside))
    return mount


def _config(socket: str, settings: EngineSettings) -> dict[str, Any]:
    in_memory = {
        "Name": "local",
        "Options": {
            "type": "tmpfs",
            "device": "tmpfs",
            "o": "mode=711,size=256m,nosuid,nodev",
        },
    }
    return {
        "Image": settings.image,
        "Entrypoint": ["sh", "-c", "while :; do sleep 86400; done"],
        "Env": [f"DOCKER_HOST=unix://{boot.SOCKET}", "DOCKER_TLS_CERTDIR="],
        "StopSignal": "SIGKILL",
        "HostConfig": {
            "Init": True,
            "UsernsMode": "host",
            "NetworkMode": "host",
            "Mounts": [
                _volume(settings, settings.work_volume, ROOT),
                _volume(settings, settings.private_volume, PRIVATE, in_memory),
                {"Type": "bind", "Source": socket, "Target": boot.SOCKET},
            ],
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "none"},
        },
    }


def _volume(
    settings: EngineSettings,
    name: str,
    target: str,
    driver: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    options: dict[str, object] = {
        "Labels": labels.host_labels(settings.name, labels.Role.WORK),
    }
    if driver is not None:
        options["DriverConfig"] = driver
    return {
        "Type": "volume",
        "Source": name,
        "Target": target,
        "VolumeOptions": options,
    }


def host_socket(outer: Outer) -> str:
    """Return the daemon's socket, as the daemon itself finds it."""
    return outer.daemon.address.socket or _SOCKET


def _suits(
    outer: Outer, state: ContainerState | None, settings: EngineSettings
) -> bool:
    if state is None or not state.running:
        return False
    wanted = helper_config(host_socket(outer), settings)["Labels"]
    return all(state.labels.get(name) == value for name, value in wanted.items())


async def _start(
    outer: Outer,
    settings: EngineSettings,
    state: ContainerState | None,
    progress: Progress,
) -> ContainerState | None:
    if state is not None and state.labels.get(labels.USER) != str(os.getuid()):
        raise EngineError(
            f'the container "{settings.container}" is not yours',
            operation="use engine",
            hint="choose another name for the engine in the settings",
        )
    if state is not None and state.running and state.busy:
        progress(f"{settings.container} is in use: it is used as it is", 0, None)
        return state
    progress(f"starting {settings.container}", 0, None)
    await outer.remove(settings.container)
    await outer.ensure_image(settings.image, settings, progress)
    config = helper_config(host_socket(outer), settings)
    await outer.create(settings.container, config)
    await outer.start(settings.container)
    return await outer.state(settings.container)


async def _start_registry(
    outer: Outer, settings: EngineSettings, helper: ContainerState, progress: Progress
) -> None:
    """Start the registry, unless somebody else has its port: jobs may do without."""
    if await registry.is_current(outer, settings, helper):
        return
    async with engine_lock(settings):
        if await registry.is_current(outer, settings, helper):
            return
        await outer.remove(settings.registry_name)
        port = settings.registry_port
        # Ports of another machine cannot be tried: its daemon tells.
        if outer.machine is None and await _is_taken(port):
            holder = await outer.holder_of(port) or "another program"
            progress(
                f"port {port} of this machine is taken by {holder}: there is no"
                " registry of spotci",
                0,
                None,
            )
            return
        try:
            await registry.start(outer, settings, helper, progress)
        except EngineError as fault:
            progress(f"no registry: {fault}", 0, None)


async def _is_taken(port: int) -> bool:
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False


async def _paths(outer: Outer, settings: EngineSettings) -> Mapping[str, str]:
    """Return where the daemon has what the helper sees; the most exact come first."""
    places = {boot.SOCKET: host_socket(outer)}
    for inside, name in (
        (PRIVATE, settings.private_volume),
        (ROOT, settings.work_volume),
    ):
        found = await outer.daemon.ask(
            "GET", f"/volumes/{name}", operation="inspect volume", subject=name
        )
        places[inside] = str(found["Mountpoint"])
    return MappingProxyType(places)
