"""The labels that tell our objects from everybody else's.

=================  ======================================================
``spotci``         ``1`` on every object that spotci makes, on both daemons
``spotci.engine``  name of the engine that an object of the host belongs to
``spotci.role``    what the object is, see Role
``spotci.config``  digest of what the engine was made from
``spotci.user``    numeric id of the user that an object of the host belongs to
``spotci.run``     id of the run that an object of the engine belongs to
``spotci.pid``     process that made it, on the machine and boot of the next
``spotci.boot``    id of the boot of the machine
``spotci.docker``  ``1`` on the container of a job that commands the engine
=================  ======================================================
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BOOT",
    "CONFIG",
    "DOCKER",
    "ENGINE",
    "MARK",
    "PID",
    "ROLE",
    "RUN",
    "USER",
    "Role",
    "boot_id",
    "host_labels",
    "run_labels",
]

MARK = "spotci"
ENGINE = "spotci.engine"
ROLE = "spotci.role"
CONFIG = "spotci.config"
USER = "spotci.user"
RUN = "spotci.run"
PID = "spotci.pid"
BOOT = "spotci.boot"
DOCKER = "spotci.docker"


class Role(StrEnum):
    """What an object on the host is for."""

    ENGINE = "engine"
    REGISTRY = "registry"
    NETWORK = "network"
    #: Images and layers of the inner daemon.
    DATA = "data"
    #: Snapshots, artifacts and caches.
    WORK = "work"
    #: What was pushed to the registry.
    PUSHED = "pushed"
    #: What a job is made of, where jobs run in the host engine.
    JOB = "job"
    #: What the mirror of Docker Hub has fetched, and its container.
    MIRRORED = "mirrored"


@cache
def boot_id() -> str:
    """Return the id of this boot of the machine, empty where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def host_labels(engine: str, role: Role) -> dict[str, str]:
    """Return the labels of an object on the host."""
    return {MARK: "1", ENGINE: engine, ROLE: role, USER: str(os.getuid())}


def run_labels(run: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels of an object of a run, inside the engine.

    Ours win over ``extra``: by them the object is found again.
    """
    ours = {MARK: "1", RUN: run, PID: str(os.getpid()), BOOT: boot_id()}
    return {**(extra or {}), **ours}
