"""Whether an engine has died, by what the developer's daemon says of its container."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from spotci.dind import engine as module
from spotci.dind.daemon import Daemon
from spotci.dind.engine import DindEngine
from spotci.dind.outer import ContainerState
from spotci.dind.settings import EngineSettings
from spotci.dind.transport import Address
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.dind.outer import Outer

STARTED = "2026-01-02T03:04:05Z"


@dataclass
class Told:
    """An outer daemon that says one thing, whatever it is asked."""

    answer: ContainerState | EngineError | None

    async def state(self, _: str) -> ContainerState | None:
        await anyio.lowlevel.checkpoint()
        if isinstance(self.answer, EngineError):
            raise self.answer
        return self.answer


def container(status: str, started_at: str = STARTED) -> ContainerState:
    return ContainerState(
        id="c",
        status=status,
        image="docker:28-dind",
        started_at=started_at,
        labels=MappingProxyType({}),
        network_mode="spot-ci",
        ports=MappingProxyType({}),
    )


def engine(told: Told, socket: Path) -> DindEngine:
    return DindEngine(
        settings=EngineSettings(),
        inner=Daemon(Address(url=f"unix://{socket}")),
        outer=cast("Outer", told),
        container="c",
        started_at=STARTED,
        registry_port=None,
        version="28.0",
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(container("exited"), True, id="its container ended"),
        pytest.param(None, True, id="its container was removed"),
        pytest.param(container("running", "later"), True, id="it was started again"),
        pytest.param(EngineUnavailableError("no"), True, id="no outer daemon"),
        pytest.param(container("running"), False, id="it hangs"),
        pytest.param(EngineError("500"), False, id="nobody knows"),
    ],
)
async def test_an_engine_that_does_not_answer(
    answer: ContainerState | EngineError | None,
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_DYING", 0.1)

    died = await engine(Told(answer), tmp_path / "none.sock").has_died()

    assert died is expected


async def test_an_engine_that_answers_has_not_died(tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.0 200 OK\r\n\r\nOK")

    async with (
        await anyio.create_unix_listener(socket) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        assert not await engine(Told(container("running")), socket).has_died()
        tasks.cancel_scope.cancel()


async def test_an_engine_that_was_started_again_is_another(tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"

    async with await anyio.create_unix_listener(socket):
        again = engine(Told(container("running", "later")), socket)
        assert await again.has_died()
