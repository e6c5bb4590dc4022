"""Processes written down, to see later whether they still live.

A process id alone does not say: ids are used again, and a machine may have been
started anew. A stamp holds the boot of the machine and the start of the process, too.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from spotci.dataclass import dataclass

__all__ = ["ProcessStamp", "current_process"]

#: Position of ``starttime`` in /proc/<pid>/stat, counted behind the name: proc(5).
_STARTTIME = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStamp:
    """A process of one boot; ``boot`` and ``start`` are empty without ``/proc``."""

    pid: int
    boot: str = ""
    start: str = ""

    @staticmethod
    def from_json(data: Any) -> ProcessStamp | None:  # noqa: ANN401 - may be anything
        """Return the stamp that ``to_json`` gave, or None for anything else."""
        if not isinstance(data, dict) or not isinstance(data.get("pid"), int):
            return None
        return ProcessStamp(
            pid=data["pid"],
            boot=str(data.get("boot", "")),
            start=str(data.get("start", "")),
        )

    def to_json(self) -> dict[str, object]:
        """Return the stamp as plain values."""
        return {"pid": self.pid, "boot": self.boot, "start": self.start}

    def is_alive(self) -> bool:
        """Say whether this very process still runs."""
        if self.boot != _boot_id():
            return False
        if self.start:
            return self.start == _start_time(self.pid)
        return _exists(self.pid)


def current_process() -> ProcessStamp:
    """Return the stamp of this process."""
    pid = os.getpid()
    return ProcessStamp(pid=pid, boot=_boot_id(), start=_start_time(pid))


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    # The name stands in parentheses and may itself hold any character.
    return stat.rpartition(")")[2].split()[_STARTTIME]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
