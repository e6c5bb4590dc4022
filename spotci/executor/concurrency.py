"""Doing several things at once, and one thing to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["first_error", "together", "uninterrupted"]

T = TypeVar("T")

#: Seconds after which an engine is held to be gone.
_PATIENCE = 60.0


async def together(*functions: Callable[[], Awaitable[object]]) -> None:
    """Call all functions at once and wait for them.

    Where one raises EngineError the others are canceled, and that error is raised, not
    a group: of several the first.
    """
    if len(functions) <= 1:
        for function in functions:
            await function()
        return
    try:
        async with anyio.create_task_group() as tasks:
            for function in functions:
                tasks.start_soon(_call, function)
    except BaseExceptionGroup as group:
        error = first_error(group)
        if error is None:
            raise
        raise error from group


async def uninterrupted(function: Callable[[], Awaitable[T]]) -> T:
    """Call a function that makes something, and let no cancellation cut it short.

    Otherwise something could be made that nobody knows of. Raises EngineError where
    it takes longer than any engine does.
    """
    try:
        with anyio.fail_after(_PATIENCE, shield=True):
            return await function()
    except TimeoutError as error:
        raise EngineError(
            f"no answer within {_PATIENCE:g} seconds", operation="ask the engine"
        ) from error


def first_error(group: BaseExceptionGroup[BaseException]) -> EngineError | None:
    """Return the first error where a group holds nothing but engine errors."""
    engine, others = group.split(EngineError)
    if others is not None or engine is None:
        return None
    error: BaseException = engine
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, EngineError) else None


async def _call(function: Callable[[], Awaitable[object]]) -> None:
    await function()
