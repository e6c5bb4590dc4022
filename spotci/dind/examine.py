"""What there is on this machine for an engine: facts for ``spotci doctor``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.dind import boot
from spotci.dind.engine import engine_status
from spotci.dind.host import helper_config, host_socket
from spotci.dind.labels import CONFIG, USER
from spotci.dind.outer import connect_outer

if TYPE_CHECKING:
    from spotci.dind.engine import EngineStatus
    from spotci.dind.outer import Outer
    from spotci.dind.settings import EngineSettings

__all__ = ["Facts", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The developer's Docker, and the engine in it.

    ``memory`` is in bytes; ``rootless`` where the daemon is not root's. The engine is
    ``foreign`` where its container is not ours, and not ``current`` where it was made
    from other settings. ``holder`` is who has the registry's port on this machine.
    """

    address: str
    version: str
    storage_driver: str
    memory: int
    cpus: int
    rootless: bool
    engine: EngineStatus
    has_image: bool
    foreign: bool = False
    current: bool = True
    holder: str | None = None
    mirror_running: bool = False


async def examine(settings: EngineSettings) -> Facts:
    """Look at everything and start nothing; raise EngineError without Docker."""
    outer = await connect_outer(settings, os.environ)
    info = await outer.info()
    state = await outer.state(settings.container)
    status = await engine_status(settings)
    mirror = await outer.state(settings.mirror_name)
    owner = str(os.getuid())
    return Facts(
        address=outer.daemon.address.url,
        version=info["ServerVersion"],
        storage_driver=info["Driver"],
        memory=int(info["MemTotal"]),
        cpus=int(info["NCPU"]),
        rootless=any("rootless" in option for option in info["SecurityOptions"] or ()),
        engine=status,
        has_image=await outer.has_image(settings.image),
        foreign=state is not None and state.labels.get(USER) != owner,
        current=state is None or _digest(outer, settings) == state.labels.get(CONFIG),
        holder=await _holder(outer, settings, status),
        mirror_running=mirror is not None and mirror.running,
    )


def _digest(outer: Outer, settings: EngineSettings) -> str:
    if settings.kind == "dind":
        return boot.engine_digest(outer.fitting(settings))
    made: dict[str, str] = helper_config(host_socket(outer), settings)["Labels"]
    return made[CONFIG]


async def _holder(
    outer: Outer, settings: EngineSettings, status: EngineStatus
) -> str | None:
    if status.state in ("running", "silent") and (
        status.registry_port == settings.registry_port
    ):
        return None
    return await outer.holder_of(settings.registry_port)
