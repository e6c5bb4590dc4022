"""The progress of something slow, from whatever thread, as events."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from spotci.events import Progress
from spotci.executor.concurrency import first_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spotci.executor.emit import Emit

__all__ = ["INTERVAL", "LastProgress", "telling"]

#: Seconds between two events about one thing.
INTERVAL = 0.25


class LastProgress:
    """The last that was said; ``note`` may be called in any thread."""

    def __init__(self, what: str, subject: str) -> None:
        self._what, self._subject = what, subject
        self._last: tuple[str, int, int | None] | None = None
        self._told: tuple[str, int, int | None] | None = None

    @property
    def changed(self) -> bool:
        """Whether something was said since the last event."""
        return self._last is not self._told

    def note(self, text: str, done: int, total: int | None) -> None:
        """Take a text, what is done, and the total, where it is known."""
        self._last = (text, done, total)

    def event(self, *, finished: bool) -> Progress:
        """Return the event that tells it."""
        self._told = self._last
        text, done, total = self._last or ("", 0, None)
        return Progress(
            at=time.time(),
            what=self._what,
            subject=self._subject,
            text=text,
            done=done,
            total=total,
            finished=finished,
        )


@asynccontextmanager
async def telling(progress: LastProgress, emit: Emit) -> AsyncIterator[None]:
    """Emit what is new a few times a second, and the end when the context is left."""

    async def tell() -> None:
        while True:
            await anyio.sleep(INTERVAL)
            if progress.changed:
                await emit(progress.event(finished=False))

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            yield
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = first_error(group)
        if error is None:
            raise
        raise error from None
    await emit(progress.event(finished=True))
