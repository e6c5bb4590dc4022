"""Commands in the engine's container: what this package asks of its agent."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Shell"]


class Shell(Protocol):
    """Runs small POSIX shell scripts in the engine, in its network namespace."""

    async def run(self, script: str, *args: str, stdin: bytes = b"") -> bytes:
        """Return what the script printed; raise EngineError where it fails."""
        ...
