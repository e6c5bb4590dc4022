"""Where events go: the one way that the executor tells the outside anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from spotci.events import Event

__all__ = ["Emit"]

#: Takes an event; waits while the reader is behind, so that memory stays flat.
Emit: TypeAlias = Callable[[Event], Awaitable[None]]
