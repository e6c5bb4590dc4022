from __future__ import annotations

import pytest

from tests.engine_contract import FAILS, HANGS, SAYS, EngineContract
from tests.fakes import FakeEngine, FakeWorkspaces, Gates, Program


class TestFakeEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> FakeEngine:
        gates = Gates()
        return FakeEngine(
            workspaces=FakeWorkspaces(gates),
            gates=gates,
            programs=[
                (SAYS, Program(output=[b"one\n", b"two\n"])),
                (FAILS, Program(output=[b"failing\n"], code=3)),
                (HANGS, Program(output=[b"hanging\n"], hangs=True)),
            ],
            service_logs=b"starting\nup\n",
        )
