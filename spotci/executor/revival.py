"""The backend of a run, opened again when its engine has died in the middle.

What ran then has failed. Whoever wants to run something next waits here until the
engine runs again, and everybody who had something in the old one brings it over first.
An engine that dies again and again ends the run.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import anyio

from spotci.errors import EngineError, EngineUnavailableError
from spotci.events import Notice
from spotci.executor.concurrency import first_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup

    from spotci.executor.backend import Backend
    from spotci.executor.emit import Emit

__all__ = ["MOST_DEATHS", "Follower", "RunBackend", "open_run_backend"]

#: Brings what somebody has in an engine that died to the one in its place.
Follower: TypeAlias = "Callable[[Backend], Awaitable[None]]"

#: With so many deaths of its engine a run ends.
MOST_DEATHS = 3

_EMPTIED = (
    "the engine has lost its volumes: caches begin empty, and images that jobs built "
    "are gone"
)


@asynccontextmanager
async def open_run_backend(backend: Backend, emit: Emit) -> AsyncIterator[RunBackend]:
    """Give the backend of a run, which may be opened again while inside.

    ``backend`` is the first one, and the caller's to close.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        opened = RunBackend(backend, emit, tasks)
        try:
            yield opened
        except Exception as error:  # noqa: BLE001 - raised again below, bare
            failure = error
        opened.close()
    if failure is not None:
        raise failure


class RunBackend:
    """The backend of a run as it is now; see the module."""

    def __init__(self, backend: Backend, emit: Emit, tasks: TaskGroup) -> None:
        self._now, self._emit, self._tasks = backend, emit, tasks
        self._followers: list[Follower] = []
        self._deaths = 0
        self._given_up: str | None = None
        #: Set when the revival that goes on has ended, in whatever way.
        self._revived: anyio.Event | None = None
        self._closing = anyio.Event()

    @property
    def given_up(self) -> str | None:
        """Why no engine can be had any more; None as long as one can."""
        return self._given_up

    async def has_died(self) -> bool:
        """Say whether an engine has died in this run, that of now among them."""
        return self._deaths > 0 or await self._now.engine.has_died()

    def follow(self, follower: Follower) -> None:
        """Call this function with each backend that is opened, before it is used."""
        self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """Call the function no more."""
        self._followers.remove(follower)

    async def ready(self) -> Backend:
        """Return the backend; where its engine died, one of an engine started anew.

        That is started once, whoever waits. Raises EngineUnavailableError where it
        cannot be started, or died too often.
        """
        backend = self._now
        if self._given_up is None and await backend.engine.has_died():
            if self._revived is None and self._now is backend:
                self._revived = anyio.Event()
                self._tasks.start_soon(self._revive)
            if self._revived is not None:
                await self._revived.wait()
        if self._given_up is not None:
            raise EngineUnavailableError(self._given_up)
        return self._now

    def close(self) -> None:
        """Let all that was opened be closed; the first backend is not among it."""
        self._closing.set()

    async def _revive(self) -> None:
        """Open the backend again, and keep it open until the run ends."""
        try:
            while (reopen := await self._next_attempt()) is not None:
                try:
                    async with reopen() as backend:
                        if await self._take(backend):
                            await self._closing.wait()
                            return
                except (EngineError, BaseExceptionGroup) as error:
                    if self._closing.is_set():
                        return  # what is left there goes with the lease
                    await self._give_up(error)
        finally:
            self._settle()

    async def _next_attempt(
        self,
    ) -> Callable[[], AbstractAsyncContextManager[Backend]] | None:
        """Count a death; return what opens the backend again, or None to give up."""
        if self._given_up is not None:
            return None
        self._deaths += 1
        died = f"the engine died ({self._now.engine.description})"
        if self._now.reopen is None:
            self._given_up = f"{died}, and is not spotci's to start again"
        elif self._deaths >= MOST_DEATHS:
            times = f"{self._deaths} times in this run"
            self._given_up = f"{died} {times}: it is not started again"
        if self._given_up is not None:
            await self._tell(self._given_up)
            return None
        await self._tell(f"{died}: starting it again")
        return self._now.reopen

    async def _take(self, backend: Backend) -> bool:
        """Let everybody bring over what he has; False where the engine died again."""
        try:
            for follower in tuple(self._followers):
                await follower(backend)
        except EngineError:
            if not await backend.engine.has_died():
                raise
            return False
        self._now = backend
        await self._tell("the engine runs again, and the run goes on")
        if backend.emptied:
            await self._tell(_EMPTIED)
        self._settle()
        return True

    async def _give_up(self, error: EngineError | BaseExceptionGroup) -> None:
        if isinstance(error, BaseExceptionGroup):
            found = first_error(error)
            if found is None:
                raise error
            error = found
        self._given_up = f"the engine died, and cannot be started again: {error}"
        await self._tell(self._given_up)

    def _settle(self) -> None:
        """Let those go on who wait for the revival."""
        if self._revived is not None:
            self._revived.set()
            self._revived = None

    async def _tell(self, text: str) -> None:
        await self._emit(Notice(at=time.time(), text=text, level="warning"))
