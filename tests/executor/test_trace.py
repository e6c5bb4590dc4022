"""What the log of a job says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_limit_of_the_log_is_told_once(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), after_script=("bye",)), output_limit=10
    )
    world.backend.program("make", output=[b"0123456789abc\n"])
    world.backend.program("bye", output=[b"after\n"])

    await world.run()

    shown = [line for line in world.log() if line.startswith("  ")]
    assert shown == [
        "  0123456789",
        "  Job's log exceeded limit of 10 bytes.",
        "  Job execution will continue but no more output will be collected.",
    ]


async def test_short_secrets_are_told(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("build"), variables=(variable("T", "abc", masked=True),)
    )

    await world.run()

    assert world.log()[1] == (
        "WARNING: 1 masked variables have fewer than 4 characters and are not masked"
    )
