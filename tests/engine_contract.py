"""What every backend.Engine promises: one suite, run against the fake and Docker.

A subclass gives ``engine`` and ``image``; the scripts below are all that its jobs
run, so that a fake can know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.errors import ContainerError, EngineError
from spotci.executor.backend import ContainerId, ContainerSpec, Exit

if TYPE_CHECKING:
    from spotci.executor.backend import Engine, Process

__all__ = ["FAILS", "HANGS", "SAYS", "SERVES", "EngineContract"]

SAYS = "echo one; echo two"
FAILS = "echo failing; exit 3"
HANGS = "echo hanging; sleep 600"
#: The command of a service that prints ``up`` and listens on port 80.
SERVES = ("sh", "-c", "echo starting; echo up; exec httpd -f -p 80 -h /")


class EngineContract:
    """The suite. Names of containers are unique in an engine, as in Docker."""

    @pytest.fixture
    def engine(self) -> Engine:
        raise AssertionError("a subclass gives the engine")

    @pytest.fixture
    def image(self) -> str:
        return "busybox:1.36"

    async def test_output_and_exit_code_come(self, engine: Engine, image: str) -> None:
        container = await engine.create(job(image))

        assert await run(engine, container, FAILS) == (Exit(code=3), b"failing\n")
        assert not await engine.running(container)
        await engine.remove(container)

    async def test_an_engine_that_runs_has_not_died(self, engine: Engine) -> None:
        assert not await engine.has_died()

    async def test_a_container_can_be_started_again(
        self, engine: Engine, image: str
    ) -> None:
        container = await engine.create(job(image))

        first = await run(engine, container, FAILS)
        second = await run(engine, container, SAYS)

        assert first == (Exit(code=3), b"failing\n")
        assert second == (Exit(code=0), b"one\ntwo\n")
        await engine.remove(container)

    async def test_wait_may_be_called_again(self, engine: Engine, image: str) -> None:
        container = await engine.create(job(image))

        async with engine.start(container, stdin=SAYS.encode()) as process:
            await read(process)
            assert await process.wait() == await process.wait() == Exit(code=0)

        await engine.remove(container)

    async def test_a_script_is_stopped(self, engine: Engine, image: str) -> None:
        container = await engine.create(job(image))

        async with engine.start(container, stdin=HANGS.encode()) as process:
            assert await process.output.receive() == b"hanging\n"
            assert await engine.running(container)
            with anyio.fail_after(10):
                await engine.stop(container, grace=10)
                assert await read(process) == b""
                ended = await process.wait()

        assert ended.code in (137, 143)
        assert not ended.oom_killed
        assert not await engine.running(container)
        await engine.remove(container)

    async def test_removing_ends_what_runs(self, engine: Engine, image: str) -> None:
        container = await engine.create(job(image))

        async with engine.start(container, stdin=HANGS.encode()) as process:
            assert await process.output.receive() == b"hanging\n"
            with anyio.fail_after(10):
                await engine.remove(container)
                await read(process)

        assert not await engine.running(container)

    async def test_waiting_can_be_cancelled(self, engine: Engine, image: str) -> None:
        container = await engine.create(job(image))

        async with engine.start(container, stdin=HANGS.encode()) as process:
            await process.output.receive()
            with anyio.move_on_after(0.05) as scope:
                await process.wait()

        assert scope.cancelled_caught
        await engine.remove(container)

    async def test_what_ends_things_is_idempotent(
        self, engine: Engine, image: str
    ) -> None:
        container = await engine.create(job(image))
        network = await engine.create_network("spot-ci-contract")
        for _ in range(2):
            await engine.stop(container, grace=0)
        for _ in range(2):
            await engine.remove(container)
            await engine.remove_network(network)

        await engine.stop(container, grace=0)
        await engine.stop(ContainerId("never-was"), grace=0)
        await engine.remove(ContainerId("never-was"))
        assert not await engine.running(container)

    async def test_a_name_is_taken_until_it_is_removed(
        self, engine: Engine, image: str
    ) -> None:
        first = await engine.create(job(image))

        with pytest.raises(ContainerError) as caught:
            await engine.create(job(image))
        await engine.remove(first)
        second = await engine.create(job(image))

        assert caught.value.status == 409
        await engine.remove(second)

    async def test_what_is_gone_cannot_be_used(
        self, engine: Engine, image: str
    ) -> None:
        container = await engine.create(job(image))
        await engine.remove(container)

        with pytest.raises(EngineError):
            async with engine.start(container, stdin=b""):
                pass
        with pytest.raises(EngineError):
            await engine.start_detached(container)
        with pytest.raises(EngineError):
            await engine.logs(container, tail=1)

    async def test_a_service_serves_beside_its_job(
        self, engine: Engine, image: str
    ) -> None:
        network = await engine.create_network("spot-ci-contract")
        service = await engine.create(
            ContainerSpec(
                name="spot-ci-contract-service",
                image=image,
                command=SERVES,
                network=network,
                aliases=("web",),
            )
        )

        assert not await engine.running(service)
        await engine.start_detached(service)
        assert await engine.running(service)
        with anyio.fail_after(10):
            while not await engine.probe(service, 80):  # noqa: ASYNC110 - a container
                await anyio.sleep(0.05)
        assert await engine.logs(service, tail=1) == b"up\n"
        assert await engine.logs(service, tail=5) == b"starting\nup\n"

        await engine.remove(service)
        await engine.remove_network(network)

    async def test_the_engine_describes_itself(self, engine: Engine) -> None:
        assert engine.description.startswith("docker ")


def job(image: str) -> ContainerSpec:
    return ContainerSpec(
        name="spot-ci-contract", image=image, command=("sh",), stdin=True
    )


async def read(process: Process) -> bytes:
    return b"".join([chunk async for chunk in process.output])


async def run(
    engine: Engine, container: ContainerId, script: str
) -> tuple[Exit, bytes]:
    async with engine.start(container, stdin=script.encode()) as process:
        output = await read(process)
        return await process.wait(), output
