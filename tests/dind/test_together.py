from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest

from spotci.dind.together import together
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


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
