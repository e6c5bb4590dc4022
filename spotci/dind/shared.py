"""Work that several callers wait for, and that is done once."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

    from anyio.abc import TaskGroup

    from spotci.dind.settings import Progress

__all__ = ["SharedWork", "UnwantedError", "shared_work"]

#: Gets the function that it tells its progress; that function raises UnwantedError
#: when nobody waits any more.
Work: TypeAlias = "Callable[[Progress], Awaitable[None]]"


class UnwantedError(Exception):
    """Raised in a worker thread to end work whose callers have all been canceled."""


@dataclass(slots=True, eq=False)
class _Piece:
    work: Work
    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    unwanted: threading.Event = field(default_factory=threading.Event)
    listeners: list[Progress] = field(default_factory=list)
    waiting: int = 0
    failure: EngineError | None = None

    def tell(self, text: str, done: int, total: int | None) -> None:
        """Pass progress on, from whatever thread."""
        if self.unwanted.is_set():
            raise UnwantedError
        for listener in tuple(self.listeners):
            listener(text, done, total)


class SharedWork:
    """Does each piece of work once at a time, for whoever asks meanwhile."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._pieces: dict[Hashable, _Piece] = {}

    async def share(
        self, key: Hashable, work: Work, progress: Progress | None = None
    ) -> None:
        """Do the work, or wait for the end of the same work that is under way.

        It goes on as long as one caller waits for it. Every caller gets its error.
        """
        piece = self._pieces.get(key)
        if piece is None:
            piece = self._pieces[key] = _Piece(work)
            self._tasks.start_soon(self._run, key, piece)
        if progress is not None:
            piece.listeners.append(progress)
        piece.waiting += 1
        try:
            await piece.done.wait()
        finally:
            piece.waiting -= 1
            if progress is not None:
                piece.listeners.remove(progress)
            if not piece.waiting:
                self._drop(key, piece)
        if piece.failure is not None:
            raise _again(piece.failure)

    async def _run(self, key: Hashable, piece: _Piece) -> None:
        try:
            with piece.scope:
                await piece.work(piece.tell)
        except EngineError as error:
            piece.failure = error
        except UnwantedError:
            pass
        finally:
            piece.done.set()
            self._drop(key, piece)

    def _drop(self, key: Hashable, piece: _Piece) -> None:
        """Forget a piece: who asks from now on begins anew."""
        if self._pieces.get(key) is piece:
            del self._pieces[key]
        if not piece.done.is_set():
            piece.unwanted.set()
            piece.scope.cancel()


@asynccontextmanager
async def shared_work() -> AsyncIterator[SharedWork]:
    """Give a place for shared work; leaving the block ends what is under way."""
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        work = SharedWork(tasks)
        try:
            yield work
        except Exception as error:  # noqa: BLE001 - raised again below, bare
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _again(error: EngineError) -> EngineError:
    """Return an error like this one: raised twice, one would grow two tracebacks."""
    copy = type(error)(
        error.message,
        operation=error.operation,
        subject=error.subject,
        status=error.status,
        hint=error.hint,
    )
    copy.__cause__ = error.__cause__
    return copy
