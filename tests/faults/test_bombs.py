"""What prints, forks, allocates or unpacks without end: R1, R2, R4 and R5.

Bombs run in containers with bounds, a small share of what the machine has.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.world import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

_MEBI = 1024**2
#: What the interpreter, the libraries and a run need by themselves, and some room.
_MOST_MEMORY = 150 * _MEBI


@pytest.fixture(scope="module")
def bomb_size(request: pytest.FixtureRequest) -> int:
    """Return the mebibytes that a bomb prints: a gigabyte in the long form."""
    long = int(request.config.getoption("--kills")) >= 100
    return 1000 if long else 100


def peak_memory(world: World, *arguments: str) -> tuple[int, int, str]:
    """Run a command; return its exit code, peak memory in bytes, and output's end."""
    output = Path(world.project.environ["TMPDIR"]) / "output"
    with output.open("w") as file:
        process = world.start(*arguments, stdout=file, stderr=file)
        peak = 0
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                peak = max(peak, int(found[1]) * 1024)
            time.sleep(0.02)
    end = output.read_bytes()[-4000:].decode(errors="replace")
    output.unlink()
    return process.returncode, peak, end


@pytest.mark.parametrize(
    ("name", "script"),
    [
        pytest.param(
            "lines",
            "dd if=/dev/zero bs=1M count={size} 2>/dev/null | tr '\\0' '\\n'",
            id="lines",
        ),
        pytest.param(
            "one line",
            "dd if=/dev/zero bs=1M count={size} 2>/dev/null | tr '\\0' x",
            id="one line",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "escape sequences",
            "dd if=/dev/zero bs=1M count={size} 2>/dev/null | tr '\\0' '\\033'",
            id="escape sequences",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_log_without_end_is_cut_in_bounded_memory(
    world: World,
    figure: Callable[..., None],
    bomb_size: int,
    name: str,
    script: str,
) -> None:
    world.write(
        f"image: busybox:1.36\nbomb:\n  script:\n    - {script!r}\n".format(
            size=bomb_size
        )
    )
    world.project.environ["SPOTCI_RUN_OUTPUT_LIMIT"] = "4m"

    code, peak, end = peak_memory(world, "run", "--output", "plain")

    del world.project.environ["SPOTCI_RUN_OUTPUT_LIMIT"]
    (log,) = (world.runs.find().folder / "logs").iterdir()
    assert code == 0, end
    # An escape that ends nowhere is no output at all.
    if name != "escape sequences":
        assert "Job's log exceeded limit of 4194304 bytes." in end
    assert log.stat().st_size < 5 * _MEBI
    assert b"\x1b\x1b" not in log.read_bytes()
    assert peak < _MOST_MEMORY
    figure(f"log bomb of {bomb_size} MiB, {name}: peak memory in MiB", peak // _MEBI)


def test_a_fork_bomb_is_contained(world: World, figure: Callable[..., None]) -> None:
    world.write(
        "image: busybox:1.36\n"
        "bomb:\n"
        "  timeout: 5s\n"
        '  script: ["f() { f | f & }; f 2>/dev/null; sleep 60"]\n'
        "beside: {script: [sleep 1, echo fine]}\n"
    )
    world.project.environ["SPOTCI_RUN_JOB_PIDS"] = "200"
    before = time.monotonic()

    run = world.project.run(code=1)

    del world.project.environ["SPOTCI_RUN_JOB_PIDS"]
    assert run.results["bomb"]["status"] == "failed"
    assert run.results["beside"]["status"] == "success"
    assert world.containers() == []
    figure("fork bomb: seconds until it was gone", f"{time.monotonic() - before:.0f}")


def test_a_job_that_takes_too_much_memory_is_said_to(
    world: World, figure: Callable[..., None]
) -> None:
    world.write(
        "image: busybox:1.36\n"
        """bomb: {script: ["awk 'BEGIN { x = \\"a\\"; while (1) x = x x }'"]}\n"""
    )
    world.project.environ["SPOTCI_RUN_JOB_MEMORY"] = "64m"

    run = world.project.run(code=1)

    del world.project.environ["SPOTCI_RUN_JOB_MEMORY"]
    result = run.results["bomb"]
    assert result["message"] == "the container was killed, out of memory"
    figure("out of memory: said so", "yes")


_HOSTILE = r"""
image: busybox:1.36
attack:
  script:
    - mkdir out && cd out
    - ln -s ../../../../../../../../../../../.. up && ln -s upCANARY through
    - ln -s CANARY absolute && ln -s . self && ln -s self/self loop
    - mknod null c 1 3; mkfifo pipe
    - echo 1 >suid && chmod 6755 suid
    - echo 1 >Case && echo 2 >case
    - echo 1 >"$(printf "new\nline")" && echo 1 >'$(touch x)' && echo 1 >./-rf
    - mkdir closed && echo 1 >closed/in && chmod 000 closed
  artifacts: {paths: [out, ../../../etc/passwd, "out/up/etc/*"]}
  cache: {key: $CLIMBS, paths: [out]}
  variables: {CLIMBS: ../../../x}
take:
  needs: [attack]
  script: [test -e out/Case, test ! -e out/null, test ! -e out/pipe]
deep:
  script:
    - i=0; while [ $i -lt 300 ]; do mkdir d && cd d; i=$((i + 1)); done; echo 1 >file
  artifacts: {paths: [d]}
many:
  script:
    - mkdir m; for i in $(seq 2000); do echo 1 >m/$i; done
  artifacts: {paths: [m]}
"""


def test_artifacts_that_are_hostile_stay_in_the_record(
    world: World, figure: Callable[..., None]
) -> None:
    canary = Path(world.project.environ["TMPDIR"]) / "canary"
    canary.write_text("untouched")
    world.write(_HOSTILE.replace("CANARY", str(canary)))

    run = world.project.run()

    record = world.runs.find().folder / "artifacts"
    outside = [
        path
        for path in record.rglob("*")
        if not Path(os.path.realpath(path)).is_relative_to(record)
    ]
    special = [
        path
        for path in record.rglob("*")
        if not (path.is_symlink() or path.is_dir() or path.is_file())
        or path.lstat().st_mode & 0o6000 != 0
    ]
    assert outside == []
    assert special == []
    assert canary.read_text() == "untouched"
    assert run.statuses["many"] == "success"
    assert len(list((record / "many" / "m").iterdir())) == 2000
    assert not (record / "deep").exists()
    notices = [e["text"] for e in run.events if e["event"] == "notice"]
    assert any("folders deeper than 200" in text for text in notices)
    world.project.spotci("clean", "--runs")
    assert not record.exists()
    canary.unlink()
    figure("hostile members of artifacts refused or tamed", 16)


def test_a_bomb_in_artifacts_does_not_fill_the_disk(
    world: World, figure: Callable[..., None]
) -> None:
    """A file of a terabyte that takes no room until it is copied."""
    world.write(
        "image: busybox:1.36\n"
        "bomb:\n"
        "  script: [dd if=/dev/zero of=bomb bs=1 count=1 seek=1099511627775]\n"
        "  artifacts: {paths: [bomb]}\n"
    )
    disk = os.statvfs(world.runs.root.parent)
    free = disk.f_bavail * disk.f_frsize

    process = world.start("run", "--output", "plain")
    output, _ = process.communicate(timeout=600)

    disk = os.statvfs(world.runs.root.parent)
    assert "the artifacts of bomb are not kept" in output
    assert process.returncode == 0
    assert free - disk.f_bavail * disk.f_frsize < 2 * 1024**3
    # Nor does anybody go on reading it in the engine.
    names = "cat /proc/[0-9]*/comm 2>/dev/null || true"
    until(lambda: "tar" not in world.shell(names).split(), within=30)
    figure("archive bombs: of a terabyte, refused", 1)
