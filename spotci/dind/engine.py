"""Finds or starts the engine: a Docker daemon in a container of the developer's.

A warm engine costs a few round trips. Everything else happens under a lock, so that
any number of spotci processes may start at once::

    absent   ──create──▶ running ──answers──▶ used
    stopped  ──start───▶ running
    running  ──silent──▶ restarted, once
    of other settings ──▶ made anew, unless somebody uses it right now
"""

from __future__ import annotations

import os
from dataclasses import field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from spotci.dataclass import dataclass
from spotci.dind import boot, labels, registry
from spotci.dind.daemon import Daemon
from spotci.dind.fitness import check_engine
from spotci.dind.outer import connect_outer
from spotci.dind.state import engine_lock, private_dir
from spotci.dind.together import together
from spotci.dind.transport import Address, answers
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker.api.client import APIClient

    from spotci.dind.outer import ContainerState, Outer
    from spotci.dind.settings import EngineSettings, Progress

__all__ = ["DindEngine", "EngineStatus", "engine_status", "open_engine", "stop_engine"]

#: Seconds for the answer of an engine that runs already.
_SILENCE = 5.0

#: Seconds for the end of an engine whose daemon does not answer.
_DYING = 10.0

_POLL = 0.03
_LOOK_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DindEngine:
    """A running engine and the ways to it."""

    settings: EngineSettings
    #: The daemon in the engine's container.
    inner: Daemon
    #: The developer's daemon.
    outer: Outer
    #: Id of the engine's container on the host.
    container: str
    #: When it was started, as Docker says it: a restart makes another engine of it.
    started_at: str
    #: Port of the registry on the loopback of the host engine's machine.
    registry_port: int | None
    #: Version of the inner daemon, such as ``28.2.2``.
    version: str
    #: Paths in the engine's container that the daemon of the jobs has elsewhere.
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def shared(self) -> bool:
        """Whether the daemon of the jobs is the developer's, with all that is his."""
        return self.settings.kind == "host"

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels by which what a run makes in a shared daemon is known as ours."""
        if not self.shared:
            return {}
        return labels.host_labels(self.settings.name, labels.Role.JOB)

    @property
    def client(self) -> APIClient:
        """The docker library's client of the inner daemon."""
        return self.inner.client

    @property
    def host(self) -> APIClient:
        """The docker library's client of the developer's daemon."""
        return self.outer.daemon.client

    async def has_died(self) -> bool:
        """Say whether its container runs no more, or ends now; see backend.Engine.

        A daemon that does not answer takes its container with it, in a moment.
        """
        with anyio.move_on_after(_DYING):
            while await self._runs():
                if await answers(self.inner.address):
                    return False
                await anyio.sleep(_POLL)
            return True
        return False

    async def _runs(self) -> bool:
        try:
            state = await self.outer.state(self.container)
        except EngineUnavailableError:
            return False  # no container outlives the developer's daemon
        except EngineError:
            return True  # nobody knows: it is not restarted under jobs that run
        return (
            state is not None and state.running and state.started_at == self.started_at
        )

    def close(self) -> None:
        """Close the connections to both daemons."""
        self.inner.close()
        self.outer.daemon.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """What ``spotci status`` shows.

    ``state`` is ``absent``, ``stopped``, ``silent`` (its container runs, its daemon
    does not answer) or ``running``.
    """

    name: str
    state: str
    image: str = ""
    started_at: str = ""
    version: str = ""
    storage_driver: str = ""
    containers: int = 0
    images: int = 0
    registry_running: bool = False
    #: Port of the registry on the loopback of ``machine``.
    registry_port: int | None = None
    #: Name of the machine that the engine is on, None for this one.
    machine: str | None = None


async def open_engine(settings: EngineSettings, *, progress: Progress) -> DindEngine:
    """Return the engine, started where it does not run.

    Raises EngineUnavailableError where there is no Docker or the engine does not come
    up in time, with its last words; ImagePullError where its image cannot be had.
    """
    if settings.kind == "host":
        from spotci.dind.host import open_host  # noqa: PLC0415 - it makes a DindEngine

        return await open_host(settings, progress=progress)
    outer = await connect_outer(settings, os.environ)
    settings = outer.fitting(settings)
    state = await outer.state(settings.name)
    if state is not None and state.running and _suits(state, settings):
        engine = await _reach(outer, settings, state)
        if engine is not None and await registry.is_current(outer, settings, state):
            return engine
    async with engine_lock(settings):
        return await _bring_up(outer, settings, progress)


async def stop_engine(settings: EngineSettings) -> bool:
    """Stop the engine and its registry; say whether it ran. Their volumes stay."""
    outer = await connect_outer(settings, os.environ)
    async with engine_lock(settings):
        state = await outer.state(settings.container)
        await registry.stop(outer, settings)
        await outer.stop(settings.container)
    return state is not None and state.running


async def engine_status(settings: EngineSettings) -> EngineStatus:
    """Look at the engine; start nothing."""
    outer = await connect_outer(settings, os.environ)
    settings = outer.fitting(settings)
    state = await outer.state(settings.container)
    if state is None:
        return EngineStatus(name=settings.container, state="absent")
    seen = partial(
        EngineStatus,
        name=settings.container,
        image=state.image,
        started_at=state.started_at,
        registry_port=_registry_port(settings, state),
        machine=outer.machine,
    )
    if not state.running:
        return seen(state="stopped")
    if settings.kind == "host":
        info = await outer.info()
    elif (engine := await _reach(outer, settings, state)) is None:
        return seen(state="silent")
    else:
        info = await _info(engine)
    return seen(
        state="running",
        version=info["ServerVersion"],
        storage_driver=info["Driver"],
        containers=info["Containers"],
        images=info["Images"],
        registry_running=await registry.is_current(outer, settings, state),
    )


def _suits(state: ContainerState, settings: EngineSettings) -> bool:
    """Say whether the container is made from these settings; raise if not ours."""
    owner = state.labels.get(labels.USER)
    if owner != str(os.getuid()):
        whose = "another user's" if owner else "not made by spotci"
        raise EngineError(
            f'the container "{settings.name}" is {whose}',
            operation="use engine",
            hint="choose another name for the engine in the settings",
        )
    return state.labels.get(labels.CONFIG) == boot.engine_digest(settings)


async def _bring_up(
    outer: Outer, settings: EngineSettings, progress: Progress
) -> DindEngine:
    private_dir(boot.socket_dir(settings))
    state = await outer.state(settings.name)
    if state is not None and not _suits(state, settings):
        if state.running and state.busy:
            progress(
                f"{settings.name} was made from other settings and is in use:"
                " it is used as it is",
                0,
                None,
            )
        else:
            progress(f"settings changed: making {settings.name} anew", 0, None)
            await _remove(outer, settings)
            state = None
    started = state is None or not state.running
    if started:
        await _start(outer, settings, state, progress)
    # Whoever starts an engine holds the lock until it answers: one that runs and is
    # silent is broken, or was restarted just now by somebody else.
    patience = settings.start_timeout if started else _SILENCE
    try:
        return await _ready(outer, settings, progress, patience)
    except EngineUnavailableError:
        if started:
            raise
    progress(f"{settings.name} does not answer: restarting it", 0, None)
    await outer.stop(settings.name, grace=3)
    await outer.start(settings.name)
    return await _ready(outer, settings, progress, settings.start_timeout)


async def _start(
    outer: Outer,
    settings: EngineSettings,
    state: ContainerState | None,
    progress: Progress,
) -> None:
    progress(f"starting {settings.name}", 0, None)
    if state is None:
        await outer.ensure_image(settings.image, settings, progress)
        await outer.ensure_network(settings)
        await _create(outer, settings, settings.registry_port)
    try:
        await outer.start(settings.name)
    except EngineError as fault:
        if _port_is_taken(fault):
            await _start_on_any_port(outer, settings, progress)
        elif state is not None:
            # Its network was removed, say, while it was stopped.
            await _remove(outer, settings)
            await _start(outer, settings, None, progress)
        else:
            raise


async def _start_on_any_port(
    outer: Outer, settings: EngineSettings, progress: Progress
) -> None:
    await _remove(outer, settings)
    await _create(outer, settings, None)
    await outer.start(settings.name)
    started = await outer.state(settings.name)
    port = started and _registry_port(settings, started)
    holder = await outer.holder_of(settings.registry_port)
    taken = f"is taken by {holder}, which is left alone" if holder else "is taken"
    machine, here = (
        outer.machine or "this machine",
        "there" if outer.machine else "here",
    )
    progress(
        f"port {settings.registry_port} of {machine} {taken}: the registry is"
        f" at localhost:{port} {here}, and at localhost:{settings.registry_port}"
        " in jobs",
        0,
        None,
    )


async def _create(
    outer: Outer, settings: EngineSettings, registry_port: int | None
) -> None:
    config = boot.engine_config(settings, registry_port=registry_port)
    await outer.create(settings.name, config)
    if files := boot.engine_files(settings):
        await outer.write_files(settings.name, files)


async def _remove(outer: Outer, settings: EngineSettings) -> None:
    # The registry lives in the engine's network namespace: they go together.
    await registry.remove(outer, settings)
    await outer.remove(settings.name)


def _port_is_taken(fault: EngineError) -> bool:
    words = ("port is already allocated", "address already in use")
    return any(word in fault.message for word in words)


async def _ready(
    outer: Outer, settings: EngineSettings, progress: Progress, patience: float
) -> DindEngine:
    """Wait for the daemon's first answer, and start the registry meanwhile."""
    ready: list[DindEngine] = []

    async def daemon() -> None:
        ready.append(await _wait(outer, settings, patience))

    async def sidecar() -> None:
        state = await outer.state(settings.name)
        if state is None or not state.running:
            return  # the wait for the daemon tells why
        try:
            await registry.start(outer, settings, state, progress)
        except EngineError as fault:
            # Most pipelines need none; those that do fail at their push.
            progress(f"no registry: {fault}", 0, None)
        try:
            await registry.start_mirror(outer, settings, state, progress)
        except EngineError as fault:
            # The daemon asks Docker Hub itself.
            progress(f"no mirror of {settings.registry_mirror}: {fault}", 0, None)

    await together(daemon, sidecar)
    (engine,) = ready
    driver = (await _info(engine))["Driver"]
    check_engine(settings, version=engine.version, driver=driver)
    return engine


async def _wait(outer: Outer, settings: EngineSettings, patience: float) -> DindEngine:
    with anyio.move_on_after(patience):
        while True:
            state = await outer.state(settings.name)
            if state is None or not state.running:
                raise await _silent(outer, settings, state)
            address = await _address(outer, settings, state, fetch=True)
            for _ in range(_LOOK_EVERY):
                if address is not None and await answers(address):
                    engine = await _reach(outer, settings, state)
                    if engine is not None:
                        return engine
                await anyio.sleep(_POLL)
    raise await _silent(outer, settings, await outer.state(settings.name))


async def _silent(
    outer: Outer, settings: EngineSettings, state: ContainerState | None
) -> EngineUnavailableError:
    if state is None:
        what = "was removed while it started"
    elif state.running:
        what = f"does not answer after {settings.start_timeout:g} s"
    else:
        what = f"ended with exit code {state.exit_code}"
    tail = await outer.log_tail(settings.name)
    words = f"; its last words:\n{tail}" if tail else ""
    hint = "see: docker logs " + settings.name
    if settings.transport == "socket":
        hint += (
            "; where Docker runs in a virtual machine, no socket can be shared:"
            ' set transport = "tls"'
        )
    return EngineUnavailableError(f"{settings.name} {what}{words}", hint=hint)


async def _reach(
    outer: Outer, settings: EngineSettings, state: ContainerState
) -> DindEngine | None:
    """Return the engine if its daemon answers at once."""
    address = await _address(outer, settings, state, fetch=False)
    if address is None:
        return None
    inner = Daemon(address)
    try:
        version = await inner.version()
    except EngineUnavailableError:
        return None
    return DindEngine(
        settings=settings,
        inner=inner,
        outer=outer,
        container=state.id,
        started_at=state.started_at,
        registry_port=_registry_port(settings, state),
        version=version,
    )


async def _address(
    outer: Outer, settings: EngineSettings, state: ContainerState, *, fetch: bool
) -> Address | None:
    """Return where the daemon listens; with ``fetch``, get the certificates anew."""
    if settings.transport == "exec":
        return Address(url=f"exec://{state.id}", outer=outer.daemon.address)
    folder = boot.socket_dir(settings)
    if settings.transport == "socket":
        return Address(url=f"unix://{folder / 'docker.sock'}")
    port = state.ports.get(f"{boot.TLS_PORT}/tcp")
    if port is None:
        return None
    if fetch:
        try:
            files = await outer.read_folder(state.id, f"{boot.CERTIFICATES}/client")
        except EngineError:
            return None  # not made yet
        await to_thread.run_sync(_write_private, folder, files)
    if not (folder / "key.pem").exists():
        return None
    return Address(url=f"tcp://127.0.0.1:{port}", certificates=folder)


def _write_private(folder: Path, files: dict[str, bytes]) -> None:
    private_dir(folder)
    for name, content in files.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def _registry_port(settings: EngineSettings, state: ContainerState) -> int | None:
    if settings.kind == "host":
        return settings.registry_port  # nothing is published: it is there itself
    return state.ports.get(f"{settings.registry_port}/tcp")


async def _info(engine: DindEngine) -> dict[str, Any]:
    found: dict[str, Any] = await engine.inner.ask(
        "GET", "/info", operation="inspect engine", subject=engine.settings.name
    )
    return found
