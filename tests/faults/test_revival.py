"""The death of the engine in the middle of a run, which goes on in another one."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from spotci.dind.state import engine_lock
from tests.faults.world import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

# The first attempt is the second job of the run, by its id: it waits for the death.
_PIPELINE = """
image: busybox:1.36
stages: [build, test, after]
build:
  stage: build
  script: ["echo built >made.txt", "mkdir -p kept", "echo kept >kept/file"]
  cache: {key: one, paths: [kept]}
  artifacts: {paths: [made.txt], reports: {dotenv: made.env}}
  before_script: [echo NAME=told >made.env]
work:
  stage: test
  retry: {max: 1, when: runner_system_failure}
  services: [{name: "busybox:1.36", alias: web, command: [httpd, -f, -p, "80"]}]
  cache: {key: one, paths: [kept], policy: pull}
  script:
    - echo "begun $(cat made.txt source.txt | tr '\\n' ' ')$NAME"
    - case $CI_JOB_ID in *002) sleep 600; esac
    - echo "cache $(cat kept/file 2>&1)"
    - wget -q -O - "http://$CI_REGISTRY/v2/_catalog"
    - nc -w 5 web 80 </dev/null
after:
  stage: after
  when: always
  script: ["echo after $(cat made.txt)"]
"""


def kill_container(world: World) -> None:
    world.kill_engine()


def kill_daemon(world: World) -> None:
    script = "kill -9 $(cat /var/run/docker.pid)"
    made = world.host.exec_create(world.settings.name, ["sh", "-c", script])
    world.host.exec_start(made["Id"], detach=True)


def remove_all(world: World) -> None:
    """Remove the engine and the registry with all their volumes.

    Nobody can start the engine again meanwhile.
    """

    async def remove() -> None:
        async with engine_lock(world.settings):
            await to_thread.run_sync(_remove_all, world)

    anyio.run(remove)


def _remove_all(world: World) -> None:
    settings = world.settings
    for container in (settings.name, settings.registry_name):
        world.host.remove_container(container, force=True, v=True)
    for volume in (
        settings.data_volume,
        settings.work_volume,
        settings.registry_volume,
    ):
        world.host.remove_volume(volume)


@pytest.fixture(scope="module")
def mortal(new_world: Callable[[], World]) -> World:
    """The user whose engine dies."""
    return new_world()


def begin(world: World, pipeline: str) -> subprocess.Popen[str]:
    world.write(pipeline, **{"source.txt": "source\n"})
    return world.start("run", "--output", "plain")


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Return the lines up to the one with these words."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in iter(process.stdout.readline, ""):
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


@pytest.mark.parametrize(
    ("kill", "cache"),
    [
        pytest.param(kill_container, "cache kept", id="container"),
        pytest.param(kill_daemon, "cache kept", id="daemon"),
        pytest.param(
            remove_all, "cache cat: can't open 'kept/file'", id="container-and-volumes"
        ),
    ],
)
def test_a_run_goes_on_after_the_death_of_its_engine(
    mortal: World,
    kill: Callable[[World], None],
    cache: str,
    figure: Callable[..., None],
) -> None:
    process = begin(mortal, _PIPELINE)
    read_until(process, "| begun")
    record = mortal.runs.find()
    copy = record.folder / "artifacts" / "build" / "made.txt"
    until(copy.exists, within=60)

    kill(mortal)
    output, errors = process.communicate(timeout=300)

    assert process.returncode == 0, output + errors
    results = mortal.runs.find().results
    assert {name: str(result.status) for name, result in results.items()} == {
        "build": "success",
        "work": "success",
        "after": "success",
    }
    assert [result.attempt for result in results.values()] == [1, 2, 1]
    assert "attempt 1 of 2 failed (runner_system_failure)" in output
    assert ": starting it again" in output
    assert ("the engine has lost its volumes" in output) is (kill is remove_all)
    assert "| begun built source told" in output
    assert f"| {cache}" in output
    assert '"repositories"' in output
    assert "| after built" in output
    assert mortal.labelled() == []
    assert mortal.shell("ls /spotci/r") == ""
    figure(f"death of the engine ({kill.__name__}), with retry: exit code", 0)


def test_jobs_behind_a_failed_one_run_in_the_next_engine(mortal: World) -> None:
    process = begin(
        mortal,
        """
image: busybox:1.36
work: {stage: build, script: [echo begun, sleep 600]}
never: {script: [echo never]}
mending: {when: on_failure, script: [echo mended]}
""",
    )
    read_until(process, "| begun")

    mortal.kill_engine()
    output, errors = process.communicate(timeout=300)

    assert process.returncode == 3
    assert "| mended" in output
    results = mortal.runs.find().results
    assert {name: str(result.status) for name, result in results.items()} == {
        "work": "failed",
        "never": "skipped",
        "mending": "success",
    }
    assert [str(end.failure_reason) for end in results.values()][:1] == [
        "runner_system_failure"
    ]
    assert "error: the engine died while work ran" in errors


def test_an_engine_that_dies_again_and_again_ends_the_run(mortal: World) -> None:
    process = begin(
        mortal,
        """
image: busybox:1.36
work: {retry: {max: 2, when: always}, script: [echo begun, sleep 600]}
always: {stage: deploy, when: always, script: [echo never]}
last: {stage: .post, when: always, script: [echo never]}
""",
    )
    for _ in range(3):
        read_until(process, "| begun")
        mortal.kill_engine()
    output, errors = process.communicate(timeout=300)

    assert process.returncode == 3
    assert "3 times in this run: it is not started again" in errors
    assert "| never" not in output
    record = mortal.runs.find()
    assert record.status == "failed"
    assert {name: str(end.status) for name, end in record.results.items()} == {
        "work": "failed",
        "always": "failed",
        "last": "canceled",
    }
    assert mortal.events()[-1]["event"] == "pipeline_finished"


def test_a_killed_run_leaves_nothing_in_its_second_engine(mortal: World) -> None:
    process = begin(
        mortal,
        """
image: busybox:1.36
work: {retry: {max: 1, when: always}, script: [echo begun, sleep 600]}
""",
    )
    read_until(process, "| begun")
    mortal.kill_engine()
    read_until(process, "| begun")

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    until(lambda: mortal.labelled() == [], within=30)
    until(lambda: mortal.shell("ls /spotci/r") == "", within=30)


def test_runs_at_once_go_on_in_one_engine(mortal: World) -> None:
    mortal.write(_PIPELINE, **{"source.txt": "source\n"})
    processes = [mortal.start("run", "--output", "plain") for _ in range(2)]
    for process in processes:
        read_until(process, "| begun")

    mortal.kill_engine()
    ends = [process.communicate(timeout=300) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], ends
    assert all("| begun built source told" in output for output, _ in ends)
    assert mortal.labelled() == []
    assert mortal.shell("ls /spotci/r") == ""
