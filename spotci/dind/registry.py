"""The registry beside the engine: ``localhost:5000`` for jobs and for the host.

It is a container of the host engine in the network namespace of the engine's, so the
inner daemon reaches it at its own loopback, which Docker trusts without TLS. It goes
with the namespace: after a restart of the engine it is made anew. What was pushed
lies on a volume.

Where the settings name a registry to mirror, a second one does so, since one that
mirrors takes no pushes. The daemon asks it before Docker Hub, and Docker Hub where it
does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from spotci.dind import labels
from spotci.errors import EngineError

if TYPE_CHECKING:
    from spotci.dind.outer import ContainerState, Outer
    from spotci.dind.settings import EngineSettings, Progress

__all__ = [
    "collect_garbage",
    "empty",
    "is_current",
    "mirror_config",
    "registry_config",
    "remove",
    "start",
    "start_mirror",
    "stop",
]

_NOT_FOUND = 404

#: Of the public image; what it stores is set by variables, which this reads, too.
_CONFIG = "/etc/docker/registry/config.yml"


async def is_current(
    outer: Outer, settings: EngineSettings, engine: ContainerState
) -> bool:
    """Say whether the registry runs in the namespace that the engine has now."""
    state = await outer.state(settings.registry_name)
    return state is not None and _serves(state, engine)


def _serves(state: ContainerState, engine: ContainerState) -> bool:
    # The times are ISO 8601 in UTC with as many digits: text compares as they do.
    return (
        state.running
        and state.network_mode == f"container:{engine.id}"
        and state.started_at > engine.started_at
    )


async def start(
    outer: Outer, settings: EngineSettings, engine: ContainerState, progress: Progress
) -> None:
    """Start the registry where it does not run beside this engine yet."""
    config = registry_config(settings, engine.id)
    name = settings.registry_name
    await _start(outer, settings, engine, progress, name=name, config=config)


async def start_mirror(
    outer: Outer, settings: EngineSettings, engine: ContainerState, progress: Progress
) -> None:
    """Start the mirror, if the settings ask for one, likewise."""
    if settings.registry_mirror is not None:
        config = mirror_config(settings, engine.id)
        name = settings.mirror_name
        await _start(outer, settings, engine, progress, name=name, config=config)


async def stop(outer: Outer, settings: EngineSettings) -> None:
    """Stop both; those that are not there are no error."""
    for name in (settings.registry_name, settings.mirror_name):
        await outer.stop(name, grace=3)


async def remove(outer: Outer, settings: EngineSettings) -> None:
    """Remove both containers; what was pushed and fetched stays on the volumes."""
    for name in (settings.registry_name, settings.mirror_name):
        await outer.remove(name)


async def _start(
    outer: Outer,
    settings: EngineSettings,
    engine: ContainerState,
    progress: Progress,
    *,
    name: str,
    config: dict[str, Any],
) -> None:
    state = await outer.state(name)
    if state is not None:
        if _serves(state, engine):
            return
        await outer.remove(name)
    await outer.ensure_image(settings.registry_image, settings, progress)
    await outer.create(name, config)
    if settings.ca_certificates:
        authorities = "".join(settings.ca_certificates).encode()
        await outer.write_files(name, {"/etc/ssl/certs/spot-ci.pem": authorities})
    await outer.start(name)


async def empty(outer: Outer, settings: EngineSettings) -> None:
    """Remove the registry with all that was pushed; the next start makes it anew."""
    await outer.remove(settings.registry_name)
    await outer.remove_volume(settings.registry_volume)


async def collect_garbage(outer: Outer, settings: EngineSettings) -> str:
    """Free what no tag refers to any more, and return the registry's words.

    The registry is stopped meanwhile: an upload at that moment could lose its layers.
    Raises EngineError where there is none.
    """
    name = settings.registry_name
    state = await outer.state(name)
    if state is None:
        raise EngineError(
            "does not exist",
            operation="collect garbage of",
            subject=name,
            hint="spotci registry start",
        )
    collector = f"{name}-gc"
    config = _collector_config(settings)
    await outer.stop(name, grace=3)
    try:
        await outer.create(collector, config)
        await outer.start(collector)
        await outer.wait(collector)
        return await outer.log_tail(collector, lines=1)
    finally:
        with anyio.CancelScope(shield=True):
            await outer.remove(collector)
            if state.running:
                await outer.start(name)


def _collector_config(settings: EngineSettings) -> dict[str, Any]:
    config = registry_config(settings, "none")
    config["HostConfig"] |= {"NetworkMode": "none"}
    return config | {
        "Entrypoint": ["registry"],
        "Cmd": ["garbage-collect", "--delete-untagged", _CONFIG],
    }


def registry_config(settings: EngineSettings, engine: str) -> dict[str, Any]:
    """Return what the registry's container is created from. Pure."""
    # The network of the host's own engine is that of the host.
    address = "0.0.0.0" if settings.kind == "dind" else "127.0.0.1"  # noqa: S104 - guarded
    environment = [
        f"REGISTRY_HTTP_ADDR={address}:{settings.registry_port}",
        "REGISTRY_STORAGE_DELETE_ENABLED=true",
    ]
    ours = labels.host_labels(settings.name, labels.Role.REGISTRY)
    pushed = labels.host_labels(settings.name, labels.Role.PUSHED)
    volume = _volume(settings.registry_volume, pushed)
    return _config(settings, engine, environment, ours, volume)


def mirror_config(settings: EngineSettings, engine: str) -> dict[str, Any]:
    """Return what the mirror's container is created from. Pure."""
    proxies = [f"{name}={value}" for name, value in sorted(settings.proxies.items())]
    environment = [
        f"REGISTRY_HTTP_ADDR=127.0.0.1:{settings.mirror_port}",
        f"REGISTRY_PROXY_REMOTEURL={settings.registry_mirror}",
        *proxies,
    ]
    ours = labels.host_labels(settings.name, labels.Role.MIRRORED)
    volume = _volume(settings.mirror_name, ours)
    return _config(settings, engine, environment, ours, volume)


def _config(
    settings: EngineSettings,
    engine: str,
    environment: list[str],
    ours: dict[str, str],
    volume: dict[str, Any],
) -> dict[str, Any]:
    return {
        "Image": settings.registry_image,
        "Env": [
            *environment,
            "REGISTRY_LOG_LEVEL=warn",
            "REGISTRY_LOG_ACCESSLOG_DISABLED=true",
            "OTEL_TRACES_EXPORTER=none",
        ],
        "Labels": ours,
        "HostConfig": {
            "Init": True,
            "UsernsMode": "host",
            "NetworkMode": f"container:{engine}",
            "Mounts": [volume],
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "1m", "max-file": "1"},
            },
        },
    }


def _volume(name: str, ours: dict[str, str]) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": name,
        "Target": "/var/lib/registry",
        "VolumeOptions": {"Labels": ours},
    }
