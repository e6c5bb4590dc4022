"""Ends of a run that nobody wished for: signals, and the death of the engine."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.world import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_PIPELINE = """
image: busybox:1.36
work:
  script: ["echo begun", "trap '' TERM; sleep 300"]
  after_script: [echo after, sleep $PAUSE, echo done]
  variables: {PAUSE: "2"}
follow: {needs: [work], script: [echo never]}
"""


def begun(world: World, *, pause: int = 2) -> subprocess.Popen[str]:
    """Start a run, and return when its job prints."""
    world.write(_PIPELINE)
    process = world.start("run", "--output", "plain", "--variable", f"PAUSE={pause}")
    assert process.stdout is not None
    assert any("| begun" in line for line in iter(process.stdout.readline, ""))
    return process


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_signal_lets_the_jobs_end_as_gitlab_cancels_them(
    world: World, number: signal.Signals, figure: Callable[..., None]
) -> None:
    process = begun(world)

    process.send_signal(number)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 130
    assert "| after" in output
    assert "| done" in output
    assert "never" not in output
    record = world.runs.find()
    assert record.status == "canceled"
    assert world.labelled() == []
    figure(f"{number.name}: exit code", process.returncode)


def test_a_second_signal_ends_at_once(world: World) -> None:
    process = begun(world, pause=60)

    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert any("| after" in line for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=50)

    assert process.returncode == 130
    assert "| done" not in output
    assert world.runs.find().status == "canceled"
    until(lambda: world.labelled() == [], within=30)


@pytest.mark.long
def test_a_third_signal_leaves_at_once_and_the_engine_cleans(world: World) -> None:
    process = begun(world, pause=60)

    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)

    assert process.returncode == 130
    until(lambda: world.labelled() == [], within=30)


def test_the_death_of_the_engine_is_a_failure_of_the_system(
    new_world: Callable[[], World], figure: Callable[..., None]
) -> None:
    world = new_world()
    process = begun(world)

    world.kill_engine()
    _, errors = process.communicate(timeout=120)

    record = world.runs.find()
    (failed,) = (result for job, result in record.results.items() if job == "work")
    assert process.returncode == 3
    assert "error: " in errors
    assert record.status == "failed"
    assert failed.failure_reason == "runner_system_failure"
    assert json.loads((record.folder / "run.json").read_text())["finished_at"]
    assert world.events()[-1]["event"] == "pipeline_finished"

    # What the dead engine had is swept by the next run, whose engine starts again.
    world.write('image: busybox:1.36\na: {script: ["true"]}\n')
    world.project.spotci("run")
    assert world.labelled() == []
    assert world.shell("ls /spotci/r") == ""
    figure("death of the engine: exit code, records complete", "3, 1 of 1")
