from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.cli.interrupt import Interrupt
from spotci.events import Notice

if TYPE_CHECKING:
    from spotci.events import Event


async def test_the_first_signal_asks_and_the_second_cancels() -> None:
    scope = anyio.CancelScope()
    interrupt = Interrupt(scope)
    interrupt.begin()

    assert interrupt.handle() == (
        "interrupted: the jobs are stopped; once more stops them at once"
    )
    assert interrupt.stop.is_set()
    assert not scope.cancel_called

    assert interrupt.handle() == ""
    assert scope.cancel_called


async def test_before_the_jobs_run_the_first_signal_cancels() -> None:
    scope = anyio.CancelScope()
    interrupt = Interrupt(scope)

    interrupt.handle()

    assert scope.cancel_called
    assert interrupt.happened
    assert not interrupt.stop.is_set()


async def test_the_third_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    interrupt = Interrupt(anyio.CancelScope())
    interrupt.begin()

    for _ in range(3):
        interrupt.handle()

    assert codes == [130]


async def test_signals_are_heard_where_nobody_reads_the_output() -> None:
    async def emit(event: Event) -> None:
        del event
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            interrupt = Interrupt(tasks.cancel_scope)
            interrupt.begin()
            tasks.start_soon(interrupt.watch, emit)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGINT)
            await interrupt.stop.wait()
            os.kill(os.getpid(), signal.SIGINT)

    assert tasks.cancel_scope.cancel_called


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_of_the_process_are_heard(number: signal.Signals) -> None:
    told: list[Event] = []

    async def emit(event: Event) -> None:
        told.append(event)
        tasks.cancel_scope.cancel()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            interrupt = Interrupt(anyio.CancelScope())
            interrupt.begin()
            tasks.start_soon(interrupt.watch, emit)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), number)

    [notice] = told
    assert isinstance(notice, Notice)
    assert notice.level == "warning"
