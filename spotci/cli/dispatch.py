"""Carries the events of a run to its reports, away from the loop that runs the jobs.

A report writes to a terminal or a disk, which may block: a pager that is not read, a
slow file system. It runs in a thread, and a bounded queue before it lets the jobs wait
for it rather than memory grow.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.events import Event, Notice, Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream

    from spotci.report.protocol import Reporter

__all__ = ["ProgressBoard", "dispatching"]

#: Events that may wait; each holds at most some ten thousand bytes of a log.
_QUEUE = 64
#: Seconds between two looks at what the calls of ``progress`` have said.
_TICK = 0.1


@asynccontextmanager
async def dispatching(
    reporters: Sequence[Reporter],
) -> AsyncIterator[Callable[[Event], Awaitable[None]]]:
    """Give a function that takes events; on exit all of them have been reported.

    A report that cannot write, as on a full disk, is dropped and the others tell so:
    the run goes on. Only a closed standard output ends it, with BrokenPipeError.
    """
    send, receive = anyio.create_memory_object_stream[Event](_QUEUE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_deliver, receive, list(reporters))
        async with send:
            yield send.send


class ProgressBoard:
    """Turns calls of progress functions, from whatever thread, into events."""

    def __init__(self, emit: Callable[[Event], Awaitable[None]]) -> None:
        self._emit = emit
        self._said: dict[tuple[str, str], tuple[str, int, int | None]] = {}

    def of(self, what: str, subject: str) -> Callable[[str, int, int | None], None]:
        """Return a progress function: it takes a text, what is done, and the total."""

        def progress(text: str, done: int, total: int | None) -> None:
            self._said[what, subject] = (text, done, total)

        return progress

    async def run(self) -> None:
        """Emit what is new, a few times a second, until canceled."""
        while True:
            await anyio.sleep(_TICK)
            await self.flush()

    async def flush(self) -> None:
        """Emit what is new."""
        while self._said:
            (what, subject), (text, done, total) = self._said.popitem()
            await self._emit(
                Progress(
                    at=time.time(),
                    what=what,
                    subject=subject,
                    text=text,
                    done=done,
                    total=total,
                )
            )

    async def finish(self, what: str, subject: str) -> None:
        """Emit the end of something."""
        await self.flush()
        await self._emit(
            Progress(at=time.time(), what=what, subject=subject, finished=True)
        )


async def _deliver(
    receive: MemoryObjectReceiveStream[Event], reporters: list[Reporter]
) -> None:
    async with receive:
        async for event in receive:
            batch = [event]
            while len(batch) < _QUEUE:
                try:
                    batch.append(receive.receive_nowait())
                except (anyio.WouldBlock, anyio.EndOfStream):
                    break
            await to_thread.run_sync(_handle, batch, reporters)


def _handle(batch: list[Event], reporters: list[Reporter]) -> None:
    for event in batch:
        for reporter in tuple(reporters):
            try:
                reporter.handle(event)
            except BrokenPipeError:
                raise
            except OSError as error:
                reporters.remove(reporter)
                _tell(f"a report has ended early: {error}", reporters)


def _tell(text: str, reporters: list[Reporter]) -> None:
    notice = Notice(at=time.time(), text=text, level="warning")
    for reporter in reporters:
        reporter.handle(notice)
