from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spotci.executor.shell_watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

# Starts two groups, tells of both and of the end of the first, and waits.
_WATCHED = """
import subprocess, sys
from spotci.executor.shell_watchdog import Watchdog

watchdog = Watchdog()
groups = [
    subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True)
    for _ in range(2)
]
for group in groups:
    watchdog.begins(group.pid)
watchdog.ends(groups[0].pid)
print(*(group.pid for group in groups), flush=True)
sys.stdin.read()
"""

_CONFIG = """
job:
  script:
    - echo $$ >'{pid_file}'
    - sleep 600
"""


def runs(pid: int) -> bool:
    """Say whether a process runs; a dead one that nobody reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_left_is_killed_when_its_process_dies(number: signal.Signals) -> None:
    command = [sys.executable, "-c", _WATCHED]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watched:
        assert watched.stdout is not None
        ended, left = map(int, watched.stdout.readline().split())
        try:
            watched.send_signal(number)

            until(lambda: not runs(left))
            assert runs(ended)
        finally:
            for group in (ended, left):
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)


def test_it_ends_with_its_block_and_needs_no_reader() -> None:
    with Watchdog() as watchdog:
        watchdog.ends(1)
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        watchdog.begins(child.pid)

    assert child.wait(60) == -signal.SIGKILL


def test_a_job_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    project, pid_file = tmp_path / "project", tmp_path / "pid"
    project.mkdir()
    (project / ".gitlab-ci.yml").write_text(_CONFIG.format(pid_file=pid_file))
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    run = subprocess.Popen(
        [sys.executable, "-m", "spotci", "run", "--engine", "shell"],
        cwd=project,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: pid_file.exists() and pid_file.read_text().strip())
    job = int(pid_file.read_text())
    assert runs(job)

    run.kill()
    run.wait()

    until(lambda: not runs(job))
