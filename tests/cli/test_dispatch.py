from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.cli.dispatch import ProgressBoard, dispatching
from spotci.events import Notice, Progress

if TYPE_CHECKING:
    from spotci.events import Event


class Listener:
    """Remembers what it was told, and in which threads."""

    def __init__(
        self, *, fails_at: int | None = None, error: OSError | None = None
    ) -> None:
        self.events: list[Event] = []
        self.threads: set[int] = set()
        self._fails_at, self._error = fails_at, error or OSError(28, "No space left")

    def handle(self, event: Event) -> None:
        if len(self.events) == self._fails_at:
            raise self._error
        self.events.append(event)
        self.threads.add(threading.get_ident())

    def close(self) -> None:
        pass


def notices(count: int) -> list[Event]:
    return [Notice(at=number, text=str(number)) for number in range(count)]


async def test_every_event_arrives_in_order_before_the_end() -> None:
    first, second = Listener(), Listener()
    sent = notices(1000)

    async with dispatching([first, second]) as emit:
        for event in sent:
            await emit(event)

    assert first.events == second.events == sent
    assert threading.get_ident() not in first.threads


async def test_a_report_that_cannot_write_is_dropped_and_the_others_are_told() -> None:
    record, screen = Listener(fails_at=1), Listener()

    async with dispatching([record, screen]) as emit:
        for event in notices(3):
            await emit(event)

    assert [e.text for e in screen.events if isinstance(e, Notice)] == [
        "0",
        "a report has ended early: [Errno 28] No space left",
        "1",
        "2",
    ]


async def test_a_closed_output_ends_the_run() -> None:
    screen = Listener(fails_at=0, error=BrokenPipeError())

    with pytest.RaisesGroup(BrokenPipeError):
        async with dispatching([screen]) as emit:
            await emit(Notice(at=0, text="x"))
            await anyio.sleep_forever()


async def test_what_a_canceled_run_has_said_still_arrives() -> None:
    listener = Listener()

    async with dispatching([listener]) as emit:
        with anyio.CancelScope() as scope:
            await emit(Notice(at=0, text="x"))
            scope.cancel()
            await anyio.sleep_forever()

    assert listener.events == [Notice(at=0, text="x")]


async def test_progress_from_threads_becomes_events() -> None:
    sent: list[Event] = []

    async def emit(event: Event) -> None:
        sent.append(event)

    board = ProgressBoard(emit)
    progress = board.of("image", "redis:7")

    def pull() -> None:
        for done in range(100):
            progress("pulling", done, 99)

    await anyio.to_thread.run_sync(pull)
    await board.finish("image", "redis:7")

    last, end = sent
    assert isinstance(last, Progress)
    assert (last.subject, last.text, last.done, last.total) == (
        "redis:7",
        "pulling",
        99,
        99,
    )
    assert isinstance(end, Progress)
    assert end.finished
