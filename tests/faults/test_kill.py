"""SIGKILL at random moments: property C1.

After each: no container of a job ten seconds later; nothing of the dead run behind the
next start; every record and every cache whole; no lock held.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from spotci.dind.backend import open_backend
from spotci.dind.state import engine_lock
from spotci.runs import new_run_id
from tests.faults.world import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(12 * 3600)]

#: Services, a network, a cache that every run replaces, artifacts, overlays.
_PIPELINE = """
image: busybox:1.36
stages: [build, test]
build:
  stage: build
  cache: {key: k, paths: [cache/]}
  script:
    - mkdir -p cache out
    - test ! -f cache/sums || (cd cache && sha256sum -c sums)
    - dd if=/dev/urandom of=cache/data bs=1k count=64 2>/dev/null
    - (cd cache && sha256sum data >sums)
    - dd if=/dev/urandom of=out/data bs=1k count=64 2>/dev/null
    - (cd out && sha256sum data >sums)
  artifacts: {paths: [out/]}
serve:
  stage: build
  services:
    - {name: "busybox:1.36", alias: web, command: [httpd, -f, -p, "80"]}
  script: [sleep 0.3]
test:
  stage: test
  needs: [build]
  cache: {key: k, paths: [cache/], policy: pull}
  script:
    - (cd out && sha256sum -c sums)
    - (cd cache && sha256sum -c sums)
"""

# Prints what is wrong with the caches, and which locks are held.
_VOLUME = r"""
cd /spotci
for ref in c/*; do
  [ -f "$ref" ] || continue
  read -r _ layer <"$ref" || { echo "reference $ref is empty"; continue; }
  (cd "l/$layer" && cd cache && sha256sum -c sums >/dev/null) ||
    echo "cache $ref is broken"
done
flock -n lock true || echo "the lock of the volume is held"
"""

_LOG = logging.getLogger(__name__)

_GONE_WITHIN = 10.0
#: Of those to which the machine is slow. They are not what is measured here.
_PATIENCE = 120.0
#: A look at an engine without containers takes less.
_NOTHING = 0.05
#: One whole run after so many kills: what it reads was left by killed ones.
_WHOLE_EVERY = 25


@dataclass
class Tally:
    """What was counted."""

    kills: int = 0
    #: Runs that had ended before their moment came.
    late: int = 0
    #: Kills that met containers.
    met: int = 0
    whole_runs: int = 0
    waits: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills"))


async def test_a_run_that_is_killed_at_any_moment_leaves_nothing(
    new_world: Callable[[], World], kills: int, figure: Callable[..., None]
) -> None:
    tally, seed = Tally(), secrets.randbits(32)
    worlds = [new_world() for _ in range(2 if kills >= _WHOLE_EVERY else 1)]

    async with anyio.create_task_group() as tasks:
        for number, world in enumerate(worlds):
            share = kills // len(worlds)
            moments = random.Random(seed + number)  # noqa: S311 - to be had again
            tasks.start_soon(_kill_again_and_again, world, share, moments, tally)

    figure("kills", tally.kills)
    figure("of them behind the end of the run", tally.late)
    figure("of them with containers in the engine", tally.met)
    figure("seconds until no container was left, longest", f"{max(tally.waits):.1f}")
    figure("objects of dead runs behind the next start", 0)
    figure("broken records, broken caches, locks held", 0)
    figure("whole runs in between that passed", tally.whole_runs)


async def _kill_again_and_again(
    world: World, kills: int, moments: random.Random, tally: Tally
) -> None:
    world.write(_PIPELINE)
    await _whole_run(world)
    length = await _whole_run(world)
    for number in range(kills):
        await _kill(world, moments.uniform(0.0, length), tally)
        await _check(world)
        if number % _WHOLE_EVERY == _WHOLE_EVERY - 1 or number == kills - 1:
            _age(world)
            length = await _whole_run(world)
            assert _leftovers(world) == []
            tally.whole_runs += 1
            _LOG.info("%d kills, %d met containers", tally.kills, tally.met)


async def _whole_run(world: World) -> float:
    """Let a run pass; return the seconds that it took, as the machine is just now."""
    started = time.monotonic()
    await to_thread.run_sync(world.project.spotci, "run")
    return time.monotonic() - started


async def _kill(world: World, delay: float, tally: Tally) -> None:
    process = world.start("run", "--output", "quiet", stdout=DEVNULL, stderr=DEVNULL)
    await anyio.sleep(delay)
    tally.late += process.poll() is not None
    process.kill()
    process.wait()
    wait = await to_thread.run_sync(
        lambda: until(lambda: world.containers() == [], within=_PATIENCE)
    )
    assert wait < _GONE_WITHIN
    tally.kills += 1
    tally.waits.append(wait)
    tally.met += wait > _NOTHING


async def _check(world: World) -> None:
    """Start as the next run does; look at all that the dead one may have touched."""
    run = new_run_id(time.time())
    with anyio.fail_after(_PATIENCE):
        async with open_backend(world.settings, run, progress=lambda *_: None):
            # Where the lease of the dead run is not done yet, it finishes its work.
            while await to_thread.run_sync(_objects_but, world, run):  # noqa: ASYNC110 - its shell does it
                await anyio.sleep(0.1)
            assert await to_thread.run_sync(world.shell, _VOLUME) == ""
        async with engine_lock(world.settings):
            pass
    await to_thread.run_sync(_check_records, world)


def _objects_but(world: World, run: str) -> list[str]:
    folders = world.shell("ls /spotci/r").split()
    return [*world.labelled(), *(name for name in folders if name != run)]


def _check_records(world: World) -> None:
    folders = (world.runs.root / "runs").iterdir()
    # A name with "~" is one that comes into being or goes: no record yet, or no more.
    for folder in (path for path in folders if "~" not in path.name):
        run = next((run for run in world.runs.list() if run.id == folder.name), None)
        assert run is not None, f"{folder} is no record"
        assert run.status != "running"
        list(run.events())
        assert dict(run.results) is not None


def _drafts(world: World) -> list[Path]:
    """Return what is half made or half removed in the records, and what is scratch."""
    root = world.runs.root
    return [
        *root.glob(".*.*.*"),
        *(root / "runs").glob("*~*"),
        *(root / "runs").glob("*/scratch"),
        *(root / "runs").glob("*/reserve"),
    ]


def _age(world: World) -> None:
    """Make drafts look abandoned: those of a minute ago may be somebody's."""
    for path in _drafts(world):
        os.utime(path, (0, 0))


def _leftovers(world: World) -> list[str]:
    """Return what killed runs left on the host, besides their records."""
    temporary = Path(world.project.environ["TMPDIR"]).iterdir()
    return [path.name for path in (*temporary, *_drafts(world))]
