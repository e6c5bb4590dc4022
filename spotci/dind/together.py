"""Several requests at once, each to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["together"]


async def together(*functions: Callable[[], Awaitable[object]]) -> None:
    """Run all at once; raise the first error as it is, after all have ended.

    A task group would wrap what fails in an ExceptionGroup, which callers of a port
    that promises EngineError do not expect.
    """
    faults: list[EngineError] = []

    async def guarded(function: Callable[[], Awaitable[object]]) -> None:
        try:
            await function()
        except EngineError as fault:
            faults.append(fault)

    async with anyio.create_task_group() as tasks:
        for function in functions:
            tasks.start_soon(guarded, function)
    if faults:
        raise faults[0]
