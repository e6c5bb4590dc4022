from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.errors import ContainerError
from spotci.executor.backend import ContainerId, SessionSpec
from spotci.executor.shell_sessions import ShellKeptJobs, ShellSessions
from spotci.kept_jobs import KeptJob, surplus_runs

if TYPE_CHECKING:
    from pathlib import Path

HERE = ContainerId("here")


def spec(
    folder: Path, script: str, terminal: tuple[int, int] | None = None
) -> SessionSpec:
    return SessionSpec(
        command=("sh", "-c", script),
        environment={"A": "1"},
        working_dir=str(folder),
        terminal=terminal,
    )


async def test_output_and_errors_are_told_apart(tmp_path: Path) -> None:
    script = "read x; echo $A $x; echo bad >&2; exit 3"

    async with ShellSessions().open(HERE, spec(tmp_path, script)) as session:
        await session.send(b"typed\n")
        await session.send_eof()
        pieces = [piece async for piece in session]
        code = await session.wait()

    assert sorted(pieces) == [(False, b"1 typed\n"), (True, b"bad\n")]
    assert code == 3


async def test_much_output_arrives_whole(tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2"
    sizes = {False: 0, True: 0}

    async with ShellSessions().open(HERE, spec(tmp_path, script)) as session:
        async for is_error, data in session:
            sizes[is_error] += len(data)

    assert sizes == {False: 3_000_000, True: 1_000_000}


async def test_a_terminal_has_a_size_that_changes(tmp_path: Path) -> None:
    script = "stty size; read x; stty size; tty; exit 4"
    output = b""

    with anyio.fail_after(30):
        async with ShellSessions().open(
            HERE, spec(tmp_path, script, (30, 90))
        ) as session:
            async for is_error, data in session:
                assert not is_error
                output += data
                if output == b"30 90\r\n":
                    await session.resize(50, 120)
                    await session.send(b"\n")
            code = await session.wait()

    assert b"30 90\r\n\r\n50 120\r\n/dev/" in output
    assert code == 4


async def test_keys_of_a_terminal_are_signals(tmp_path: Path) -> None:
    script = (
        "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 1; done"
    )
    output = b""

    with anyio.fail_after(30):
        async with ShellSessions().open(
            HERE, spec(tmp_path, script, (24, 80))
        ) as session:
            async for _, data in session:
                output += data
                if output == b"ready\r\n":
                    await session.send(b"\x03")
            code = await session.wait()

    assert b"interrupted" in output
    assert code == 5


async def test_leaving_a_session_ends_what_runs_in_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = "exec 9>lock; flock 9; echo ready; sleep 600 & wait"

    with anyio.fail_after(30):
        async with ShellSessions().open(HERE, spec(tmp_path, script)) as session:
            async for _, data in session:
                assert data == b"ready\n"
                break
        # Nobody but them had the lock.
        await anyio.run_process(["flock", str(lock), "true"])


async def test_a_folder_that_has_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContainerError):
        async with ShellSessions().open(HERE, spec(tmp_path / "gone", "true")):
            pass


def kept_job(folder: Path, run: str, at: float = 0, project: str = "/p") -> KeptJob:
    workspace = folder / run / "jobs" / "1"
    place = workspace / "builds"
    place.mkdir(parents=True, exist_ok=True)
    return KeptJob(
        run=run,
        job="build",
        project=project,
        at=at,
        image="busybox",
        end="exit code 1",
        container=ContainerId(f"spot-ci-{run}-build"),
        workspace=str(workspace),
        project_dir=str(place),
        environment={"SECRET": "s3cret"},
    )


async def test_records_are_for_the_user_alone(tmp_path: Path) -> None:
    sessions = ShellSessions(tmp_path / "kept")

    await sessions.keep(kept_job(tmp_path, "one"))

    (record,) = (tmp_path / "kept").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700


async def test_newer_runs_take_the_place_of_older_ones(tmp_path: Path) -> None:
    sessions = ShellSessions(tmp_path / "kept")
    for number in range(5):
        await sessions.keep(kept_job(tmp_path, f"run{number}", at=number))
    kept = ShellKeptJobs(tmp_path / "kept")

    await kept.make_room()

    assert [job.run for job in await kept.of("/p")] == ["run4", "run3", "run2"]
    assert not (tmp_path / "run1").exists()
    assert await kept.of("/other") == ()


async def test_a_record_that_is_not_ours_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    await ShellSessions(folder).keep(kept_job(tmp_path, "one"))
    (folder / "torn.json").write_text('{"run": ')
    (folder / "other.json").write_text('{"run": "x", "new": 1}')

    assert [job.run for job in await ShellKeptJobs(folder).of("/p")] == ["one"]


def test_a_kept_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = replace(
        kept_job(tmp_path, "one"),
        before_script=("a", "b"),
        services=(ContainerId("s"),),
    )

    assert KeptJob.decode(job.encode()) == job


def test_runs_are_counted_for_each_project(tmp_path: Path) -> None:
    jobs = [
        kept_job(tmp_path, f"{project}{number}", project=project)
        for project in ("a", "b")
        for number in range(4)
    ]

    assert surplus_runs(jobs) == {"a3", "b3"}
