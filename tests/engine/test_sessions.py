"""Sessions in containers, and jobs that outlive their run, on the real engine."""

from __future__ import annotations

import sys
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from spotci.dind.agent import open_agent
from spotci.dind.backend import open_backend
from spotci.dind.lease import sweep
from spotci.dind.sessions import KeptJobs
from spotci.executor.backend import (
    ContainerId,
    ContainerSpec,
    SessionSpec,
    WorkspaceSpec,
)
from spotci.kept_jobs import KeptJob
from tests.engine.real import IMAGE, eventually, quiet, run_objects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spotci.dind.engine import DindEngine
    from spotci.executor.backend import (
        Backend,
        LayerId,
        Session,
        Sessions,
        Workspace,
    )

pytestmark = pytest.mark.engine

PROJECT = "/builds/group/project"


def command(script: str, terminal: tuple[int, int] | None = None) -> SessionSpec:
    return SessionSpec(
        command=("sh", "-c", script),
        environment={"A": "it's"},
        working_dir=PROJECT,
        terminal=terminal,
    )


async def make_job(
    backend: Backend, name: str, *layers: LayerId, **fields: Any
) -> tuple[ContainerId, Workspace]:
    """Make a job whose script has run, and left a file."""
    workspace = await backend.workspaces.open(
        WorkspaceSpec(name=name, project_dir=PROJECT, snapshot=None, layers=layers)
    )
    spec = ContainerSpec(
        name=name,
        image=IMAGE,
        command=("sh",),
        workspace=workspace,
        stdin=True,
        working_dir=PROJECT,
        **fields,
    )
    container = await backend.engine.create(spec)
    script = b"echo made >file; echo here >/tmp/outside; exit 3"
    async with backend.engine.start(container, stdin=script) as process:
        assert (await process.wait()).code == 3
    return container, workspace


@asynccontextmanager
async def one_job(engine: DindEngine, run: str) -> AsyncIterator[tuple[Sessions, Any]]:
    async with open_backend(engine.settings, run, progress=quiet) as backend:
        container, _ = await make_job(backend, f"spot-ci-{run}-job")
        assert backend.sessions is not None
        yield backend.sessions, container


async def read(session: Session) -> tuple[bytes, bytes, int]:
    parts = {False: b"", True: b""}
    async for is_error, data in session:
        parts[is_error] += data
    return parts[False], parts[True], await session.wait()


async def test_a_session_sees_what_the_script_left(engine: DindEngine) -> None:
    script = "cat file /tmp/outside; echo $A; cat; echo bad >&2; exit 7"
    async with (
        one_job(engine, "look") as (sessions, container),
        sessions.open(container, command(script)) as session,
    ):
        await session.send(b"typed\n")
        await session.send_eof()
        found = await read(session)

    assert found == (b"made\nhere\nit's\ntyped\n", b"bad\n", 7)


async def test_a_container_runs_only_for_its_sessions(engine: DindEngine) -> None:
    async def is_running() -> bool:
        found = await engine.inner.ask(
            "GET",
            f"/containers/{container}/json",
            operation="inspect",
            subject=container,
        )
        return bool(found["State"]["Running"])

    async with one_job(engine, "twice") as (sessions, container):
        async with sessions.open(container, command("echo a; read x")) as first:
            async with sessions.open(container, command("echo b")) as second:
                assert (await read(second))[0] == b"b\n"
            assert await is_running()
            await first.send(b"\n")
            assert (await read(first))[2] == 0
        assert not await is_running()


async def test_a_terminal_changes_its_size_and_takes_keys(engine: DindEngine) -> None:
    script = (
        "trap 'stty size; exit 5' INT; tty; stty size; while :; do read x || :; done"
    )
    output, resized = b"", False
    async with (
        one_job(engine, "tty") as (sessions, container),
        sessions.open(container, command(script, (30, 90))) as session,
    ):
        with anyio.fail_after(60):
            async for _, data in session:
                output += data
                if b"30 90\r\n" in output and not resized:
                    resized = True
                    await session.resize(50, 120)
                    await session.send(b"\x03")
        code = await session.wait()

    assert output.startswith(b"/dev/pts/")
    assert b"50 120" in output
    assert code == 5


#: A process that keeps one job of two, says so, and hangs.
_KEEPER = """
import sys
import anyio
from pathlib import Path
from spotci.dind.backend import open_backend
from spotci.dind.settings import EngineSettings
from tests.engine.real import quiet
from tests.engine.test_sessions import keep_one

async def main(run, name, registry, network, port, state):
    settings = EngineSettings(
        name=name, registry_name=registry, network=network, registry_port=int(port),
        state_dir=Path(state),
    )
    async with open_backend(settings, run, progress=quiet) as backend:
        await keep_one(backend, run)
        print("kept", flush=True)
        await anyio.sleep_forever()

anyio.run(main, *sys.argv[1:])
"""


async def keep_one(backend: Backend, run: str) -> KeptJob:
    """Make a job that is kept, with a service, and one that is not."""
    network = await backend.engine.create_network(f"spot-ci-{run}")
    service = await backend.engine.create(
        ContainerSpec(
            name=f"spot-ci-{run}-job-0",
            image=IMAGE,
            command=("sleep", "600"),
            network=network,
        )
    )
    await backend.engine.start_detached(service)
    with tempfile.TemporaryDirectory() as folder:
        await anyio.Path(folder, "artifact").write_text("of another\n")
        layer = await backend.workspaces.adopt(Path(folder))
    container, workspace = await make_job(
        backend, f"spot-ci-{run}-job", layer, network=network
    )
    await make_job(backend, f"spot-ci-{run}-other")
    kept = KeptJob(
        run=run,
        job="job",
        project="/home/user/project",
        at=float(sum(map(ord, run))),
        image=IMAGE,
        end="exit code 3",
        container=container,
        workspace=workspace.id,
        project_dir=PROJECT,
        environment={"A": "kept"},
        services=(service,),
        network=network,
    )
    assert backend.sessions is not None
    await backend.sessions.keep(kept)
    # So a run ends: nobody waits for artifacts any more.
    await backend.workspaces.drop(layer)
    return kept


def only_kept(engine: DindEngine, run: str) -> bool:
    return sorted(run_objects(engine.client, run)) == [
        f"/spot-ci-{run}-job",
        f"/spot-ci-{run}-job-0",
        f"spot-ci-{run}",
    ]


@asynccontextmanager
async def kept_jobs(engine: DindEngine) -> AsyncIterator[KeptJobs]:
    async with open_agent(engine) as agent:
        yield KeptJobs(engine, agent)


async def remove_all(engine: DindEngine, *runs: str) -> None:
    async with kept_jobs(engine) as kept:
        await kept.remove(runs)
    for run in runs:
        found = partial(run_objects, engine.client, run)
        assert await to_thread.run_sync(found) == []


async def workspaces_of(engine: DindEngine, run: str) -> list[str]:
    async with open_agent(engine) as agent:
        listing = await agent.run('ls -d "/spotci/r/$1"/w* 2>/dev/null || :', run)
        return listing.decode().split()


async def test_a_kept_job_outlives_its_run_and_nothing_else_does(
    engine: DindEngine,
) -> None:
    async with open_backend(engine.settings, "kept", progress=quiet) as backend:
        expected = await keep_one(backend, "kept")

    assert await to_thread.run_sync(only_kept, engine, "kept")
    assert len(await workspaces_of(engine, "kept")) == 1
    async with kept_jobs(engine) as kept:
        assert await kept.of("/home/user/project") == (expected,)
        assert await kept.of("/home/user/other") == ()
        script = "cat artifact file /tmp/outside; ping -c 1 -W 5 spot-ci-kept-job-0 >&2"
        async with kept.sessions.open(
            ContainerId(expected.container), command(script)
        ) as session:
            output, _, code = await read(session)
    assert (output, code) == (b"of another\nmade\nhere\n", 0)
    await remove_all(engine, "kept")
    assert await workspaces_of(engine, "kept") == []


async def test_a_killed_process_leaves_only_what_was_kept(engine: DindEngine) -> None:
    settings = engine.settings
    words = [
        *(sys.executable, "-c", _KEEPER, "crash", settings.name),
        *(settings.registry_name, settings.network, str(settings.registry_port)),
        str(settings.state_dir),
    ]
    async with await anyio.open_process(words, stderr=None) as process:
        assert process.stdout is not None
        with anyio.fail_after(120):
            # The end of the line may come on its own.
            assert (await process.stdout.receive()).strip() == b"kept"
        process.kill()

    await eventually(partial(only_kept, engine, "crash"), within=60)
    with anyio.fail_after(60):
        while len(await workspaces_of(engine, "crash")) != 1:  # noqa: ASYNC110 - its lease does it
            await anyio.sleep(0.2)
    # Neither another run nor the sweep touches it.
    async with open_backend(engine.settings, "next", progress=quiet):
        assert await to_thread.run_sync(only_kept, engine, "crash")
    await remove_all(engine, "crash")


async def test_newer_runs_take_the_place_of_older_ones(engine: DindEngine) -> None:
    runs = ["a1", "a2", "a3", "a4"]
    for run in runs:
        async with open_backend(engine.settings, run, progress=quiet) as backend:
            await keep_one(backend, run)

    async with open_agent(engine) as agent:
        assert await sweep(engine, agent, own="a5") == {"a1"}

    assert await to_thread.run_sync(partial(run_objects, engine.client, "a1")) == []
    assert await to_thread.run_sync(only_kept, engine, "a2")
    await remove_all(engine, *runs[1:])
