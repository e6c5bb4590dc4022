from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.errors import EngineError
from spotci.events import Progress
from spotci.executor.progress import LastProgress, telling

if TYPE_CHECKING:
    from spotci.events import Event


class Told:
    """Takes events; ``first`` is set when one has come."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.first = anyio.Event()

    async def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.first.set()

    def shown(self) -> list[tuple[int, int | None, bool]]:
        return [
            (event.done, event.total, event.finished)
            for event in self.events
            if isinstance(event, Progress)
        ]


async def test_it_is_told_while_it_goes_on_and_at_its_end() -> None:
    progress, told = LastProgress("snapshot", "source tree"), Told()

    async with telling(progress, told):
        progress.note("sent", 1, 3)
        progress.note("sent", 2, 3)
        with anyio.fail_after(30):
            await told.first.wait()
        progress.note("sent", 3, 3)

    assert told.shown()[0] == (2, 3, False)
    assert told.shown()[-1] == (3, 3, True)


async def test_what_takes_no_time_is_told_at_its_end_alone() -> None:
    progress, told = LastProgress("snapshot", "source tree"), Told()

    async with telling(progress, told):
        progress.note("sent", 3, 3)

    assert told.shown() == [(3, 3, True)]


async def test_an_error_of_the_engine_is_raised_as_it_is() -> None:
    with pytest.raises(EngineError, match="it broke"):
        async with telling(LastProgress("image", "redis:7"), Told()):
            raise EngineError("it broke")
