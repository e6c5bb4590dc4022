from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.executor.shell import open_shell_backend
from tests.fakes import FakeBackend
from tests.workspace_contract import CHECKS, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workspace_contract import Check


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_the_fake(check: Check, tmp_path: Path) -> None:
    await check(FakeBackend().workspaces, tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_the_shell(check: Check, tmp_path: Path) -> None:
    async with open_shell_backend() as backend:
        await check(backend.workspaces, tmp_path)
