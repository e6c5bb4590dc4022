"""What a job releases is recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from spotci.pipeline import Release
from tests.builders import job
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


async def test_release_is_recorded(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "release",
            variables={"V": "1.2"},
            release=Release(
                tag_name="v$V",
                description="Version $V",
                fields={"milestones": ["m$V"], "assets": {"links": [{"n": 1}]}},
            ),
        ),
    )

    result = await world.run()

    assert result.release == "v1.2"
    recorded = json.loads((tmp_path / "releases/release.json").read_text())
    assert recorded == {
        "tag_name": "v1.2",
        "description": "Version 1.2",
        "milestones": ["m1.2"],
        "assets": {"links": [{"n": 1}]},
    }
