"""Whether a daemon can do what spotci needs, and the remedy where it cannot. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from spotci.dind.settings import EngineSettings

__all__ = ["check_engine", "check_host", "is_fast"]

#: Drivers that stack layers without copying. ``vfs`` copies each image whole for each
#: container, and is what a daemon falls back to, in silence, on a poor file system.
_GOOD_DRIVERS = frozenset({"overlay2", "overlayfs", "fuse-overlayfs", "btrfs", "zfs"})

#: ``host-gateway``, which leads a job to the engine, is of 20.10; so are the mounts
#: and the init process of privileged containers as they are asked for here.
_OLDEST = (20, 10)


def check_host(version: str) -> None:
    """Raise EngineUnavailableError where the developer's Docker is too old."""
    if _number(version) < _OLDEST:
        raise EngineUnavailableError(
            f"Docker {version} of this machine is too old",
            hint="install Docker 20.10 or newer: https://docs.docker.com/engine/install",
        )


def check_engine(settings: EngineSettings, *, version: str, driver: str) -> None:
    """Raise EngineError where the engine's own daemon is too old, or would be slow."""
    if _number(version) < _OLDEST:
        raise EngineError(
            f"Docker {version} of the image {settings.image} is too old",
            operation="use engine",
            subject=settings.name,
            hint='choose a newer one by engine.image, such as "docker:28-dind"',
        )
    if not is_fast(driver):
        raise EngineError(
            f'the engine stores layers with "{driver}", which copies every image for'
            " every container",
            operation="use engine",
            subject=settings.name,
            hint=(
                f"the volume {settings.data_volume} has to lie on ext4, xfs or"
                " btrfs: see the data root of this machine's Docker (docker info),"
                " then: spotci clean"
            ),
        )


def is_fast(driver: str) -> bool:
    """Say whether a storage driver stacks layers without copying them."""
    return driver in _GOOD_DRIVERS


def _number(version: str) -> tuple[int, ...]:
    """Return the first two numbers; a version in no such form counts as new."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else _OLDEST
