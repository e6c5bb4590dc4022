"""Helpers for tests on a real Docker daemon."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from spotci.dind.labels import ENGINE, RUN
from spotci.dind.settings import EngineSettings
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker.api.client import APIClient

    from spotci.dind.engine import DindEngine

__all__ = [
    "IMAGE",
    "ExecShell",
    "eventually",
    "free_port",
    "host_objects",
    "load_image",
    "make_settings",
    "quiet",
    "remove_host_objects",
    "run_objects",
]

#: Small, with a shell and the usual tools.
IMAGE = "busybox:1.36"


@dataclass(frozen=True)
class ExecShell:
    """A Shell that starts an exec for each script: slow and simple."""

    client: APIClient
    container: str

    async def run(self, script: str, *args: str, stdin: bytes = b"") -> bytes:
        assert stdin == b""
        return await to_thread.run_sync(self._run, script, args)

    def succeeds(self, script: str) -> bool:
        """Run a script, blocking, and say whether it succeeded."""
        try:
            self._run(script, ())
        except EngineError:
            return False
        return True

    def _run(self, script: str, args: tuple[str, ...]) -> bytes:
        command = ["sh", "-c", script, "sh", *args]
        made = self.client.exec_create(self.container, command)
        output, errors = self.client.exec_start(made["Id"], demux=True)
        code = self.client.exec_inspect(made["Id"])["ExitCode"]
        if code:
            raise EngineError(f"exit code {code}: {errors!r}", operation="run")
        return bytes(output or b"")


def quiet(text: str, done: int, total: int | None) -> None:
    """Take progress and show none."""


def make_settings(name: str, state: Path, **changes: Any) -> EngineSettings:
    """Return settings whose names begin with ``name``, on a port of their own."""
    fields: dict[str, Any] = {
        "name": f"{name}-dind",
        "network": name,
        "registry_name": f"{name}-registry",
        "registry_port": 20000 + os.getpid() % 10000,
        "state_dir": state,
    }
    return EngineSettings(**(fields | changes))


def host_objects(host: APIClient, name: str) -> list[tuple[str, str]]:
    """Return kind and name of what engines whose name begins so have on the host."""
    filters = {"label": ENGINE}
    found = [
        *(("container", x) for x in host.containers(all=True, filters=filters)),
        *(("volume", x) for x in host.volumes(filters=filters)["Volumes"] or ()),
        *(("network", x) for x in host.networks(filters=filters)),
    ]
    return [
        (kind, item["Name"] if "Name" in item else item["Names"][0].strip("/"))
        for kind, item in found
        if item["Labels"][ENGINE].startswith(name)
    ]


def remove_host_objects(host: APIClient, name: str) -> None:
    """Remove them."""
    for kind, found in host_objects(host, name):
        if kind == "container":
            host.remove_container(found, v=True, force=True)
        elif kind == "volume":
            host.remove_volume(found)
        else:
            host.remove_network(found)


def run_objects(client: APIClient, run: str) -> list[str]:
    """Return the names of what a run has in the engine."""
    filters = {"label": f"{RUN}={run}"}
    return [
        *(item["Names"][0] for item in client.containers(all=True, filters=filters)),
        *(item["Name"] for item in client.networks(filters=filters)),
        *(item["Name"] for item in client.volumes(filters=filters)["Volumes"] or ()),
    ]


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def load_image(engine: DindEngine, name: str) -> None:
    """Copy an image of the host engine into the engine."""

    def copy() -> None:
        image = engine.host.get_image(name)
        list(engine.client.load_image(image))  # type: ignore[no-untyped-call]

    await to_thread.run_sync(copy)


async def eventually(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until a blocking call gives something true."""
    with anyio.fail_after(within):
        while not await to_thread.run_sync(condition):  # noqa: ASYNC110 - another process makes it true
            await anyio.sleep(0.05)
