"""How many jobs run at once where nobody says it."""

from __future__ import annotations

import os
import sys

__all__ = ["default_concurrency"]

_LEAST = 2
_MOST = 32
#: Jobs spend much of their time starting, and waiting for networks and disks.
_PER_CPU = 2
#: Bytes that a job is reckoned to take.
_PER_JOB = 1024**3


def default_concurrency(cpus: float | None = None, memory: int | None = None) -> int:
    """Return two jobs for each processor, as far as memory has a gibibyte for each.

    ``cpus`` and ``memory`` (bytes) are limits of the engine; None is the machine's.
    """
    processors = min(cpus or _machine_cpus(), _machine_cpus())
    available = min(memory or sys.maxsize, _machine_memory())
    fitting = min(int(processors * _PER_CPU), available // _PER_JOB)
    return max(_LEAST, min(fitting, _MOST))


def _machine_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return sys.maxsize
