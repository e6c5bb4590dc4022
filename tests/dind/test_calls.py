from __future__ import annotations

import threading
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
import requests
from docker import errors
from urllib3.exceptions import ProtocolError

from spotci.dind.calls import Calls, together, translated
from spotci.errors import ContainerError, EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def api_error(status: int, explanation: str) -> errors.APIError:
    response = requests.Response()
    response.status_code = status
    return errors.APIError("failed", response=response, explanation=explanation)


def disconnected() -> requests.exceptions.ConnectionError:
    inner = ProtocolError("Connection aborted.", RemoteDisconnected("gone away"))
    outer = requests.exceptions.ConnectionError(inner)
    inner.__context__ = RemoteDisconnected("gone away")
    outer.__context__ = inner
    return outer


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        pytest.param(
            api_error(409, "name taken"),
            ContainerError,
            "create container a: name taken",
            id="refused",
        ),
        pytest.param(
            disconnected(),
            EngineUnavailableError,
            "create container a: no answer: gone away\n"
            "hint: is the engine still running? see: spotci status",
            id="disconnected",
        ),
        pytest.param(
            requests.exceptions.ReadTimeout("slow"),
            EngineUnavailableError,
            "create container a: no answer: slow\n"
            "hint: is the engine still running? see: spotci status",
            id="timeout",
        ),
        pytest.param(
            errors.NullResource("no id"),
            ContainerError,
            "create container a: no id",
            id="library",
        ),
    ],
)
def test_errors_of_the_library_become_ours(
    fault: Exception, kind: type[EngineError], text: str
) -> None:
    with (
        pytest.raises(EngineError) as caught,
        translated("create container", "a", error=ContainerError),
    ):
        raise fault

    assert type(caught.value) is kind
    assert str(caught.value) == text
    assert caught.value.__cause__ is fault


def test_the_status_of_an_answer_is_kept() -> None:
    with pytest.raises(EngineError) as caught, translated("a", "b"):
        raise api_error(404, "no such thing")

    assert caught.value.status == 404


def test_other_errors_pass() -> None:
    with pytest.raises(LookupError), translated("a", "b"):
        raise LookupError


async def test_calls_run_in_threads() -> None:
    names = await Calls()("ask", "name", lambda: threading.current_thread().name)

    assert names != threading.current_thread().name


async def test_an_abandoned_call_does_not_hold_up_a_cancellation() -> None:
    gate = threading.Event()

    with anyio.move_on_after(0.05) as scope:
        await Calls()("wait", "", gate.wait, abandon=True)

    assert scope.cancelled_caught
    gate.set()


async def test_a_call_that_makes_something_is_waited_for() -> None:
    gate = threading.Event()
    made: list[bool] = []

    async with anyio.create_task_group() as tasks:

        async def make() -> None:
            made.append(await Calls()("make", "", lambda: gate.wait(5)))

        tasks.start_soon(make)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        gate.set()

    assert made == [True]


async def test_together_raises_one_error_after_all_have_ended() -> None:
    ended: list[str] = []

    def failing(name: str) -> Callable[[], Awaitable[None]]:
        async def function() -> None:
            await anyio.lowlevel.checkpoint()
            ended.append(name)
            raise EngineError(name)

        return function

    with pytest.raises(EngineError, match=r"^a$"):
        await together(failing("a"), failing("b"))

    assert ended == ["a", "b"]
