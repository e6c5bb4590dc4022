"""Full disks: of the workspaces, of the images, of the record; properties R3 and N4.

All of them are small and in memory: nothing else on the machine is filled.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from spotci.dind.labels import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

_HINT = "to free some room: spotci clean --cache --images"

_WORK = """
image: busybox:1.36
keep:
  stage: .pre
  cache: {key: k, paths: [cache/]}
  script:
    - mkdir -p cache
    - test ! -f cache/sums || (cd cache && sha256sum -c sums)
    - dd if=/dev/urandom of=cache/data bs=1k count=64
    - (cd cache && sha256sum data >sums)
fill:
  cache: {key: k, paths: [cache/]}
  script:
    - rm cache/sums
    - dd if=/dev/zero of=cache/data bs=1M count=200
"""

_DATA = """
image: busybox:1.36
write:
  script: [dd if=/dev/zero of=/zeros bs=1M count=200]
load:
  image: python:3.12-slim
  script: ["true"]
"""


@pytest.fixture(scope="module")
def small(new_world: Callable[[], World]) -> World:
    """An engine whose work volume has 64 MiB, and its images 48."""
    world = new_world()
    world.bound(Role.WORK, "64m")
    world.bound(Role.DATA, "48m")
    world.bound(Role.PUSHED, "8m")
    return world


def test_a_job_that_fills_the_workspaces_says_so(
    small: World, figure: Callable[..., None]
) -> None:
    small.write(_WORK)

    for _ in range(2):
        run = small.project.run(code=1)
        assert run.statuses == {"keep": "success", "fill": "failed"}
        result = run.results["fill"]
        assert result["failure_reason"] == "script_failure"
        assert result["message"] == (
            "the disk of workspaces and caches has no room left"
        )
        assert "No space left on device" in run.log("fill")

    assert small.events()[-1]["event"] == "pipeline_finished"
    assert small.shell("ls /spotci/r") == ""
    figure("disk full: of workspaces; caches broken", 0)


def test_a_tree_that_the_engine_has_no_room_for_ends_the_run(small: World) -> None:
    small.write(_WORK)
    big = small.project.root / "big"
    big.write_bytes(bytes(100 * 1024**2))

    try:
        small.project.spotci("run", "--output", "quiet", code=3)
    finally:
        big.unlink()

    assert small.project.last is not None
    assert "No space left on device" in small.project.last.stderr
    assert _HINT in small.project.last.stderr
    small.project.spotci("run", "--job", "keep")


def test_an_engine_without_room_for_images_says_so(
    small: World, figure: Callable[..., None]
) -> None:
    small.write(_DATA)

    run = small.project.run(code=1)

    full = "the disk of images and containers has no room left"
    assert run.results["write"]["message"] == full
    assert run.results["load"]["failure_reason"] == "image_pull_failure"
    assert "no space left on device" in run.results["load"]["message"].lower()
    assert small.labelled() == []
    figure("disk full: of images; objects left", 0)


def test_clean_works_where_the_engine_has_no_room_and_where_it_is_dead(
    small: World, figure: Callable[..., None]
) -> None:
    small.shell("dd if=/dev/zero of=/var/lib/docker/zeros bs=1M count=200 || :")
    small.shell("dd if=/dev/zero of=/spotci/zeros bs=1M count=200 || :")
    registry = small.settings.registry_name
    fill_registry = ["sh", "-c", "dd if=/dev/zero of=/var/lib/registry/x bs=1M || :"]
    made = small.host.exec_create(registry, fill_registry)
    assert b"No space left" in small.host.exec_start(made["Id"])
    small.kill_engine()

    shown = small.project.spotci("clean", "--dry-run")
    small.project.spotci("clean")

    assert small.settings.work_volume in shown
    assert small.host_objects() == []
    figure("disk full, engine dead: objects that clean left", 0)


@contextmanager
def small_disk(folder: Path, bounds: str) -> Iterator[None]:
    """Mount a disk in memory at a folder."""
    root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    folder.mkdir(exist_ok=True)
    owner = f"{bounds},mode=700,uid={os.getuid()}"
    mount = [*root, "mount", "-t", "tmpfs", "-o", owner, "spotci-test", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        subprocess.run([*root, "umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk takes no more."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


_RECORD = """
image: busybox:1.36
print:
  script: [seq 100000]
keep:
  needs: [print]
  script: [dd if=/dev/urandom of=data bs=1k count=2000]
  artifacts: {paths: [data]}
"""


def test_a_record_that_finds_no_room_tells_how_the_run_ended(
    world: World, figure: Callable[..., None]
) -> None:
    world.write(_RECORD)
    with small_disk(world.runs.root, "size=600k"):
        shown = world.project.spotci("run", "--output", "plain")

        record = world.runs.find()
        events = world.events()
        assert record.status == "success"
        assert {str(job) for job in record.results} == {"print", "keep"}
        assert not (record.folder / "artifacts" / "keep").exists()

        filler = world.runs.root / "filler"
        fill(filler)
        world.project.spotci("run", code=2)
        assert world.project.last is not None
        told = world.project.last.stderr
        filler.unlink()

        world.project.spotci("clean", "--runs")
        assert list((world.runs.root / "runs").iterdir()) == []

    assert "the record of the run cannot go on: No space left on device" in shown
    assert "the artifacts of keep are not kept" in shown
    assert all(isinstance(event, dict) for event in events)
    assert told == (
        f"error: no run can be recorded in {world.runs.root}: No space left on device\n"
        "free some room; records of runs go with: spotci clean --runs\n"
    )
    figure("disk full: of the record; broken records", 0)


@pytest.mark.long
def test_an_engine_state_that_finds_no_room_is_told(
    new_world: Callable[[], World],
) -> None:
    world = new_world()
    world.write(_RECORD)
    state = world.settings.state_dir
    state.mkdir(parents=True)
    with small_disk(state, "size=4k,nr_inodes=1"):
        world.project.spotci("run", code=3)

        assert world.project.last is not None
        assert "No space left on device" in world.project.last.stderr
        assert _HINT in world.project.last.stderr
        world.project.spotci("clean")
