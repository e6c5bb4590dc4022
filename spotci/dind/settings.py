"""How the engine is set up: names, image, limits, transport."""

from __future__ import annotations

import os
import sys
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from spotci.dataclass import dataclass
from spotci.dind.quota import Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "EngineSettings",
    "ExtraVolume",
    "Progress",
    "Transport",
    "default_state_dir",
    "default_transport",
]

#: Gets a text, what is done, and what there is in all or None; for something slow.
#: It may be called in any thread.
Progress: TypeAlias = "Callable[[str, int, int | None], None]"


#: How the daemon in the engine's container is reached.
Transport: TypeAlias = Literal["socket", "tls", "exec"]


def default_state_dir() -> Path:
    """Return where sockets, locks and certificates lie: ``~/.local/state/spotci``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "spotci"


def default_transport() -> Literal["socket", "tls"]:
    """Return ``socket`` on Linux; elsewhere Docker lives in a virtual machine."""
    return "socket" if sys.platform == "linux" else "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraVolume:
    """A folder of the host, or a volume of the host engine, that every job sees.

    ``source`` is an absolute path or the name of a volume, ``target`` the place in the
    containers.
    """

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What ``spot-ci-dind`` is made from.

    Two settings with one ``name`` mean the same container: where they differ in
    anything that the container is made from, it is made anew.
    """

    name: str = "spot-ci-dind"
    #: ``dind``, a daemon of its own, or ``host``, the developer's: see ``host``.
    kind: Literal["dind", "host"] = "dind"
    image: str = "docker:28-dind"
    #: The engine's network on the host. Nothing else is attached to it.
    network: str = "spot-ci"
    registry_name: str = "spot-ci-registry"
    registry_image: str = "registry:2"
    #: Port of the registry, in the engine and on the host's loopback.
    registry_port: int = 5000
    #: A registry to keep what is pulled from, Docker Hub's or another: its URL.
    registry_mirror: str | None = None
    #: Bytes for the engine and all that runs in it; None is all that the host has.
    memory: int | None = None
    #: Processors, likewise.
    cpus: float | None = None
    #: ``exec`` goes through the host engine; with one elsewhere there is no other way.
    transport: Transport = field(default_factory=default_transport)
    #: Mirrors of Docker Hub: URLs.
    mirrors: tuple[str, ...] = ()
    #: Registries that the daemon asks without TLS: ``host:port`` or a network.
    insecure_registries: tuple[str, ...] = ()
    #: Authorities that the daemon and the jobs trust, too: a certificate in PEM each.
    ca_certificates: tuple[str, ...] = ()
    volumes: tuple[ExtraVolume, ...] = ()
    #: ``HTTP_PROXY`` and its like, for the daemon when it pulls.
    proxies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: What it keeps for later runs; its container is the same for each.
    quota: Quota = field(default_factory=Quota)
    state_dir: Path = field(default_factory=default_state_dir)
    #: Address of the host engine; None looks where the docker command looks.
    docker_host: str | None = None
    #: Seconds until an engine that was started has to answer.
    start_timeout: float = 60.0

    @property
    def container(self) -> str:
        """The engine's container, or the helper in the developer's Docker."""
        return self.name if self.kind == "dind" else f"{self.name}-host"

    @property
    def private_volume(self) -> str:
        """The volume in memory with private files of jobs, of the host's Docker."""
        return f"{self.container}-private"

    @property
    def data_volume(self) -> str:
        """The volume with images and layers of the inner daemon."""
        return f"{self.name}-data"

    @property
    def work_volume(self) -> str:
        """The volume with snapshots, artifacts and caches, ``/spotci`` inside."""
        return f"{self.container}-work"

    @property
    def mirror_name(self) -> str:
        """The container and the volume of the mirror that keeps what is pulled."""
        return f"{self.registry_name}-mirror"

    @property
    def mirror_port(self) -> int:
        """Where it listens: the engine's own loopback, for its daemon alone."""
        return self.registry_port % 65535 + 1

    @property
    def registry_volume(self) -> str:
        """The volume with what was pushed to the registry."""
        return self.registry_name
