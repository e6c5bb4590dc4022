from __future__ import annotations

import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from spotci.dind.containers import DockerEngine
from spotci.dind.labels import run_labels
from spotci.dind.lease import hold_lease, live_runs, remove_runs, sweep
from spotci.executor.backend import ContainerSpec
from tests.engine.real import IMAGE, eventually, run_objects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process

    from spotci.dind.engine import DindEngine
    from tests.engine.real import ExecShell

pytestmark = pytest.mark.engine

#: A process that holds the lease of a run, starts a container, and hangs.
_HOLDER = """
import sys
from pathlib import Path

import anyio

from spotci.dind.containers import DockerEngine
from spotci.dind.engine import open_engine
from spotci.dind.lease import hold_lease
from spotci.dind.settings import EngineSettings
from spotci.executor.backend import ContainerSpec


async def main(run, image, name, registry, network, port, state):
    settings = EngineSettings(
        name=name, registry_name=registry, network=network, registry_port=int(port),
        state_dir=Path(state),
    )
    engine = await open_engine(settings, progress=lambda *_: None)
    async with hold_lease(engine, run):
        containers = DockerEngine(engine, run, shell=None)
        net = await containers.create_network(run)
        job = await containers.create(
            ContainerSpec(
                name=run, image=image, command=("sh",), stdin=True, network=net
            )
        )
        async with containers.start(job, stdin=b"sleep 600") as process:
            print("started", flush=True)
            await process.wait()


anyio.run(main, *sys.argv[1:])
"""


@asynccontextmanager
async def holder(engine: DindEngine, run: str) -> AsyncIterator[Process]:
    command = holder_command(engine, run)
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdout is not None
        try:
            with anyio.fail_after(20):
                await process.stdout.receive()
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def holder_command(engine: DindEngine, run: str) -> list[str]:
    settings = engine.settings
    return [
        *(sys.executable, "-c", _HOLDER, run, IMAGE, settings.name),
        *(settings.registry_name, settings.network, str(settings.registry_port)),
        str(settings.state_dir),
    ]


async def left(engine: DindEngine, run: str) -> list[str]:
    return await to_thread.run_sync(partial(run_objects, engine.client, run))


def nothing_left(engine: DindEngine, run: str) -> bool:
    return run_objects(engine.client, run) == []


async def test_a_killed_process_leaves_nothing(
    engine: DindEngine, shell: ExecShell
) -> None:
    place = "/spotci/r/killed/w1/m"
    async with holder(engine, "killed") as process:
        assert len(await left(engine, "killed")) == 2
        await shell.run(f"mkdir -p {place} && mount -t tmpfs spot-ci {place}")

        process.kill()

        await eventually(partial(nothing_left, engine, "killed"), within=5)
        with anyio.fail_after(5):
            while await shell.run("ls /spotci/r; grep /spotci/r /proc/mounts || :"):  # noqa: ASYNC110 - its lease does it
                await anyio.sleep(0.1)


async def test_the_run_of_another_process_stays(
    engine: DindEngine, shell: ExecShell, run_id: str
) -> None:
    async with holder(engine, "other") as process:
        assert await live_runs(shell) >= {run_id, "other"}

        assert await sweep(engine, shell, own=run_id) == frozenset()

        assert len(await left(engine, "other")) == 2
        process.kill()
        await eventually(partial(nothing_left, engine, "other"), within=5)


async def test_an_orderly_end_removes_what_is_left(engine: DindEngine) -> None:
    async with hold_lease(engine, "orderly"):
        containers = DockerEngine(engine, "orderly", None)  # type: ignore[arg-type]
        network = await containers.create_network("orderly")
        spec = ContainerSpec(
            name="orderly", image=IMAGE, command=("sleep", "600"), network=network
        )
        await containers.start_detached(await containers.create(spec))

    assert await left(engine, "orderly") == []


async def test_the_end_of_a_lease_is_not_put_off(engine: DindEngine) -> None:
    started = anyio.current_time()
    async with hold_lease(engine, "short"):
        pass

    assert anyio.current_time() - started < 2


async def test_the_next_start_sweeps_what_a_dead_run_left(
    engine: DindEngine, shell: ExecShell, run_id: str
) -> None:
    labels = run_labels("dead")
    config = {"Image": IMAGE, "Cmd": ["sleep", "600"], "Labels": labels}
    client: Any = engine.client
    client.create_container_from_config(config, "dead")
    client.create_network("dead", labels=labels)
    client.create_volume("dead", labels=labels)
    client.create_container_from_config({"Image": IMAGE}, "started-by-a-job")
    await shell.run("mkdir -p /spotci/r/dead/w1 /spotci/r/folder-alone")
    with anyio.fail_after(10):  # leases of the tests before look again some seconds
        while await live_runs(shell) != {run_id}:  # noqa: ASYNC110 - their shells do it
            await anyio.sleep(0.1)

    assert await sweep(engine, shell, own=run_id) == {"dead", "folder-alone"}

    assert await left(engine, "dead") == []
    assert client.containers(all=True) == []
    assert await shell.run("ls /spotci/r") == b""


async def test_objects_of_a_run_go_though_they_are_many(engine: DindEngine) -> None:
    client, labels = engine.client, run_labels("many")
    for number in range(20):
        client.create_volume(f"many-{number}", labels=labels)

    await remove_runs(engine, {"many"})

    assert await left(engine, "many") == []


@pytest.mark.parametrize("delay", [0.35, 0.5, 0.6, 0.7, 0.8, 1.0])
async def test_a_process_that_is_killed_at_any_time_leaves_nothing(
    engine: DindEngine, shell: ExecShell, delay: float
) -> None:
    run = f"early-{delay}"
    async with await anyio.open_process(holder_command(engine, run)) as process:
        await anyio.sleep(delay)
        process.kill()
        await process.wait()

    await eventually(partial(nothing_left, engine, run), within=5)
    with anyio.fail_after(10):
        while run in await live_runs(shell):  # noqa: ASYNC110 - its shell does it
            await anyio.sleep(0.1)
    assert await left(engine, run) == []
