"""What is kept is bounded: caches, images and records go by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.dind.agent import open_agent
from spotci.dind.engine import open_engine
from spotci.dind.quota import Quota, collect
from tests.faults.world import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_PIPELINE = """
image: busybox:1.36
fill:
  cache: {key: $KEY, paths: [data]}
  script: [dd if=/dev/urandom of=data bs=1k count=1024]
"""

_MEBI = 1024**2


def collected(world: World, quota: Quota) -> None:
    """Collect garbage within these bounds, as the end of a run does."""

    async def run() -> None:
        engine = await open_engine(world.settings, progress=lambda *_: None)
        async with open_agent(engine) as agent:
            await collect(agent, quota, minutes=-1)
        engine.close()

    anyio.run(run)


def caches(world: World) -> int:
    return len(world.shell("ls /spotci/c").split())


@pytest.mark.long
def test_caches_and_images_go_by_their_bounds(
    new_world: Callable[[], World], figure: Callable[..., None]
) -> None:
    world = new_world()
    world.write(_PIPELINE)
    for key in ("first", "second", "third"):
        world.project.spotci("run", "--variable", f"KEY={key}")
        newest = world.shell("ls -t /spotci/c | head -n 1")

    def remaining() -> str:
        return world.shell("ls /spotci/c")

    collected(world, Quota(caches=5 * _MEBI // 2, leave_free=0))
    until(lambda: caches(world) == 2, within=60)
    collected(world, Quota(keep_caches=_MEBI, leave_free=1 << 60))
    until(lambda: remaining() == newest, within=60)
    assert world.engine().images() != []
    collected(world, Quota(images=0, leave_free=0))
    until(lambda: world.engine().images() == [], within=60)

    world.project.spotci("run", "--variable", "KEY=third")
    figure("quotas: caches over the bound, the newest kept", "gone, yes")


def test_records_go_by_their_bound(world: World) -> None:
    world.write('image: busybox:1.36\na: {script: ["true"]}\n')
    world.project.environ["SPOTCI_STORAGE_RECORDS"] = "1k"
    for _ in range(2):
        world.project.spotci("run", "--output", "quiet")
    del world.project.environ["SPOTCI_STORAGE_RECORDS"]

    assert len(world.runs.list()) == 1
