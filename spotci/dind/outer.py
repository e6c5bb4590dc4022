"""The developer's own daemon, as far as the engine needs it: containers by name."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.dind import labels
from spotci.dind.daemon import Daemon
from spotci.dind.fitness import check_host
from spotci.dind.hosts import find_host
from spotci.dind.image_transfer import pull_image
from spotci.dind.references import Reference
from spotci.dind.state import note_pulled
from spotci.errors import EngineError, EngineUnavailableError, ImagePullError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker.api.client import APIClient

    from spotci.dind.settings import EngineSettings, Progress
    from spotci.dind.transport import Address

__all__ = ["ContainerState", "Outer", "connect_outer"]

#: Docker Compose's labels begin so.
_COMPOSE = "com.docker.compose"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """What an inspection of a container on the host says."""

    id: str
    status: str
    image: str
    started_at: str
    labels: Mapping[str, str]
    network_mode: str
    #: Ports on the host's loopback by port of the container, such as ``5000/tcp``.
    ports: Mapping[str, int]
    exit_code: int = 0
    #: Whether somebody runs a command in it right now; each run of spotci does.
    busy: bool = False

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.status == "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """The host engine."""

    daemon: Daemon

    @property
    def machine(self) -> str | None:
        """Name of the machine that it is on, None for this one."""
        return self.daemon.address.machine

    def fitting(self, settings: EngineSettings) -> EngineSettings:
        """Return the settings with the transport that leads to an engine there.

        No folder of this machine can be shared with another, and the loopback there is
        out of reach: what is left is the way to the host engine itself.
        """
        if self.machine is None:
            return settings
        return replace(settings, transport="exec")

    async def state(self, name: str) -> ContainerState | None:
        """Return the state of a container, None where there is none."""
        found = await self.daemon.ask(
            "GET",
            f"/containers/{name}/json",
            operation="inspect container",
            subject=name,
            missing_ok=True,
        )
        return None if found is None else _state(found)

    async def create(self, name: str, config: dict[str, Any]) -> str:
        """Create a container from the Engine API's own words; return its id."""
        made = await self.daemon.ask(
            "POST",
            "/containers/create",
            config,
            query={"name": name},
            operation="create container",
            subject=name,
        )
        return str(made["Id"])

    async def write_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write files, by absolute paths, into a container that need not run."""
        await self.daemon.call(
            "write files",
            name,
            lambda client: client.put_archive(name, "/", _archive(files)),
        )

    async def start(self, name: str) -> None:
        """Start a container."""
        await self.daemon.ask(
            "POST",
            f"/containers/{name}/start",
            operation="start container",
            subject=name,
        )

    async def stop(self, name: str, *, grace: int = 10) -> None:
        """Stop a container; none is there, or it is stopped: no error."""
        await self.daemon.ask(
            "POST",
            f"/containers/{name}/stop",
            query={"t": grace},
            operation="stop container",
            subject=name,
            missing_ok=True,
        )

    async def remove(self, name: str) -> None:
        """Kill and remove a container with its anonymous volumes."""
        await self.daemon.ask(
            "DELETE",
            f"/containers/{name}",
            query={"v": True, "force": True},
            operation="remove container",
            subject=name,
            missing_ok=True,
        )

    async def wait(self, name: str) -> None:
        """Wait for the end of a container, however long it takes."""
        await self.daemon.ask(
            "POST",
            f"/containers/{name}/wait",
            operation="wait for container",
            subject=name,
            abandon=True,
            patience=None,
        )

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; none is there: no error."""
        await self.daemon.ask(
            "DELETE",
            f"/volumes/{name}",
            operation="remove volume",
            subject=name,
            missing_ok=True,
        )

    async def has_image(self, name: str) -> bool:
        """Say whether the host engine has an image."""
        image = await self.daemon.ask(
            "GET",
            f"/images/{name}/json",
            operation="inspect image",
            subject=name,
            missing_ok=True,
        )
        return image is not None

    async def info(self) -> dict[str, Any]:
        """Return what the daemon tells of itself and of its machine."""
        found: dict[str, Any] = await self.daemon.ask(
            "GET", "/info", operation="inspect", subject="docker"
        )
        return found

    async def ensure_image(
        self, name: str, settings: EngineSettings, progress: Progress
    ) -> None:
        """Pull an image that the host engine lacks; raise ImagePullError.

        It is noted in the state folder, for ``clean``: images have no labels of ours.
        Not so on another machine: names of images here say nothing of those there.
        """
        if await self.has_image(name):
            return
        progress(f"pulling {name}", 0, None)
        await self.daemon.call(
            "pull image",
            name,
            lambda client: pull_image(
                client, Reference.parse(name), platform=None, auth={}, note=progress
            ),
            abandon=True,
            error=ImagePullError,
        )
        if self.machine is None:
            note_pulled(settings, name)

    async def ensure_network(self, settings: EngineSettings) -> None:
        """Create the engine's network where it is missing."""
        name = settings.network
        network = await self.daemon.ask(
            "GET",
            f"/networks/{name}",
            operation="inspect network",
            subject=name,
            missing_ok=True,
        )
        if network is not None:
            return
        ours = labels.host_labels(settings.name, labels.Role.NETWORK)
        await self.daemon.ask(
            "POST",
            "/networks/create",
            {"Name": name, "Driver": "bridge", "Labels": ours},
            operation="create network",
            subject=name,
        )

    async def holder_of(self, port: int) -> str | None:
        """Return the container that publishes a port of this machine, in words.

        A service of a compose file is called so: it is the developer's own registry.
        """
        found: list[dict[str, Any]] = await self.daemon.ask(
            "GET",
            "/containers/json",
            query={"filters": {"publish": [str(port)]}},
            operation="list",
            subject="containers",
        )
        return _in_words(found[0]) if found else None

    async def log_tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines that a container printed, empty where it has none."""
        try:
            text = await self.daemon.call(
                "read log", name, lambda client: bytes(client.logs(name, tail=lines))
            )
        except EngineError:
            return ""
        return text.decode(errors="replace").strip()

    async def read_folder(self, name: str, path: str) -> dict[str, bytes]:
        """Return the files of a small folder in a container, by their names."""
        return await self.daemon.call(
            "read folder", path, partial(_read_folder, name, path)
        )


async def connect_outer(settings: EngineSettings, environ: Mapping[str, str]) -> Outer:
    """Return the host engine; raise EngineUnavailableError where none answers."""
    address = find_host(environ, settings.docker_host)
    daemon = Daemon(address)
    try:
        version = await daemon.version()
    except EngineUnavailableError as fault:
        raise _no_docker(address, fault.message) from fault
    check_host(version)
    return Outer(daemon=daemon)


def _in_words(container: Mapping[str, Any]) -> str:
    compose = container.get("Labels") or {}
    service = compose.get(f"{_COMPOSE}.service")
    if service is None:
        return f"the container {container['Names'][0].lstrip('/')}"
    files = compose.get(f"{_COMPOSE}.project.config_files", "")
    place = files.partition(",")[0] or compose.get(f"{_COMPOSE}.project", "")
    return f'the service "{service}" of {place}'


def _no_docker(address: Address, reason: str) -> EngineUnavailableError:
    if "permission denied" in reason.lower():
        hint = f"this user may not use {address.url}: sudo usermod -aG docker $USER"
    else:
        hint = (
            "is Docker installed and started? another daemon is chosen by DOCKER_HOST;"
            " without Docker, --engine shell runs jobs in a shell of this machine"
        )
    return EngineUnavailableError(
        f"no Docker daemon answers at {address.url}: {reason}", hint=hint
    )


def _state(found: dict[str, Any]) -> ContainerState:
    state = found["State"]
    ports = found.get("NetworkSettings", {}).get("Ports") or {}
    return ContainerState(
        id=found["Id"],
        status=state["Status"],
        image=found["Config"]["Image"],
        started_at=state.get("StartedAt", ""),
        labels=MappingProxyType(found["Config"].get("Labels") or {}),
        network_mode=found["HostConfig"]["NetworkMode"],
        ports=MappingProxyType(
            {
                port: int(bindings[0]["HostPort"])
                for port, bindings in ports.items()
                if bindings
            }
        ),
        exit_code=state.get("ExitCode", 0),
        busy=bool(found.get("ExecIDs")),
    )


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _read_folder(name: str, path: str, client: APIClient) -> dict[str, bytes]:
    chunks, _ = client.get_archive(name, path)
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                files[member.name.rpartition("/")[2]] = content.read()
    return files
