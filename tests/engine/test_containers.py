from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spotci.errors import ContainerError, EngineError
from spotci.executor.backend import ContainerSpec, Exit, Limits
from tests.engine.real import IMAGE

if TYPE_CHECKING:
    from spotci.dind.containers import DockerEngine
    from spotci.executor.backend import ContainerId, Process

pytestmark = pytest.mark.engine

MIB = 1024 * 1024


def job_spec(name: str, **changes: Any) -> ContainerSpec:
    fields: dict[str, Any] = {"image": IMAGE, "command": ("sh",), "stdin": True}
    return ContainerSpec(name=name, **(fields | changes))


async def read(process: Process) -> bytes:
    return b"".join([chunk async for chunk in process.output])


async def run(
    engine: DockerEngine, container: ContainerId, script: str
) -> tuple[Exit, bytes]:
    async with engine.start(container, stdin=script.encode()) as process:
        output = await read(process)
        return await process.wait(), output


async def test_a_script_runs_and_its_output_comes(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    ended, output = await run(
        docker_engine, container, "echo one; echo two >&2; exit 3"
    )

    assert ended == Exit(code=3)
    assert sorted(output.split()) == [b"one", b"two"]
    await docker_engine.remove(container)


async def test_a_container_starts_again_with_its_files(
    docker_engine: DockerEngine,
) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    await run(docker_engine, container, "echo kept >/file")
    ended, output = await run(docker_engine, container, "cat /file")

    assert ended == Exit(code=0)
    assert output == b"kept\n"
    await docker_engine.remove(container)


async def test_much_output_comes_whole_and_fast(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))
    size = 0

    started = time.perf_counter()
    script = b"dd if=/dev/zero bs=1M count=200 2>/dev/null"
    async with docker_engine.start(container, stdin=script) as process:
        async for chunk in process.output:
            size += len(chunk)
        ended = await process.wait()
    seconds = time.perf_counter() - started

    assert ended == Exit(code=0)
    assert size == 200 * MIB
    assert size / MIB / seconds > 25
    await docker_engine.remove(container)


async def test_a_long_script_comes_whole(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a", command=("wc", "-c")))

    ended, output = await run(docker_engine, container, "x" * 3 * MIB)

    assert (ended, output) == (Exit(code=0), str(3 * MIB).encode() + b"\n")
    await docker_engine.remove(container)


async def test_a_process_need_not_read_its_script(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a", command=("false",)))

    ended, output = await run(docker_engine, container, "x" * 3 * MIB)

    assert (ended, output) == (Exit(code=1), b"")
    await docker_engine.remove(container)


async def test_wait_needs_no_reader_where_little_is_printed(
    docker_engine: DockerEngine,
) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    async with docker_engine.start(container, stdin=b"echo x; exit 4") as process:
        ended = await process.wait()

    assert ended == Exit(code=4)
    await docker_engine.remove(container)


async def test_leaving_the_block_does_not_stop(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    async with docker_engine.start(container, stdin=b"sleep 60"):
        pass

    assert await docker_engine.running(container)
    await docker_engine.remove(container)


async def test_an_error_in_the_block_comes_out_as_it_is(
    docker_engine: DockerEngine,
) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    with pytest.raises(LookupError, match="mine"):
        async with docker_engine.start(container, stdin=b"sleep 60"):
            raise LookupError("mine")

    await docker_engine.remove(container)


async def test_stop_ends_a_script_within_its_grace(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    async with docker_engine.start(container, stdin=b"sleep 60") as process:
        with anyio.fail_after(5):
            await docker_engine.stop(container, grace=10)
            ended = await process.wait()

    assert ended.code in (137, 143)
    await docker_engine.stop(container, grace=0)
    await docker_engine.remove(container)
    await docker_engine.stop(container, grace=0)
    await docker_engine.remove(container)


async def test_memory_over_its_limit_is_told(docker_engine: DockerEngine) -> None:
    limits = Limits(memory=32 * MIB)
    container = await docker_engine.create(job_spec("spot-ci-a", limits=limits))
    script = "x=a; while :; do x=$x$x; done"

    with anyio.fail_after(60):
        ended, _ = await run(docker_engine, container, script)

    assert ended.oom_killed
    await docker_engine.remove(container)


async def test_processes_over_their_limit_are_refused(
    docker_engine: DockerEngine,
) -> None:
    limits = Limits(pids=20)
    container = await docker_engine.create(job_spec("spot-ci-a", limits=limits))
    script = "for i in $(seq 40); do sleep 20 & done; kill $(jobs -p); exit 0"

    with anyio.fail_after(60):
        ended, output = await run(docker_engine, container, script)

    assert ended.code != 0
    assert b"fork" in output
    await docker_engine.remove(container)


async def test_a_job_is_not_privileged(docker_engine: DockerEngine) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))

    _, output = await run(docker_engine, container, "grep CapEff /proc/self/status")

    assert output.split() == [b"CapEff:", b"00000000a80425fb"]
    await docker_engine.remove(container)


async def test_services_are_reached_by_their_aliases(
    docker_engine: DockerEngine,
) -> None:
    network = await docker_engine.create_network("spot-ci-net")
    serve = "mkdir www; echo hi >www/index.html; exec httpd -f -h www"
    service = await docker_engine.create(
        ContainerSpec(
            name="spot-ci-service",
            image=IMAGE,
            command=("sh", "-c", f"echo up; {serve}"),
            network=network,
            aliases=("web", "www"),
        )
    )
    job = await docker_engine.create(job_spec("spot-ci-a", network=network))

    assert not await docker_engine.probe(service, 80)
    await docker_engine.start_detached(service)
    with anyio.fail_after(10):
        while not await docker_engine.probe(service, 80):  # noqa: ASYNC110 - a container does it
            await anyio.sleep(0.05)
    assert not await docker_engine.probe(service, 81)
    assert await docker_engine.running(service)
    ended, output = await run(
        docker_engine, job, "wget -qO- http://web; wget -qO- http://www"
    )

    assert (ended.code, output) == (0, b"hi\nhi\n")
    assert b"up\n" in await docker_engine.logs(service, tail=10)
    await docker_engine.remove(service)
    assert not await docker_engine.running(service)
    await docker_engine.remove_network(network)  # the job is still attached
    await docker_engine.remove_network(network)
    await docker_engine.remove(job)


async def test_a_missing_program_is_what_its_init_says(
    docker_engine: DockerEngine,
) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a", command=("bush",)))

    ended, output = await run(docker_engine, container, "")

    assert ended == Exit(code=127)
    assert b"exec bush failed: No such file or directory" in output
    await docker_engine.remove(container)


async def test_a_missing_program_of_a_service_is_an_error(
    docker_engine: DockerEngine,
) -> None:
    spec = job_spec("spot-ci-a", command=("bush",), stdin=False)
    container = await docker_engine.create(spec)

    with pytest.raises(ContainerError, match='"bush": executable file not found'):
        await docker_engine.start_detached(container)

    await docker_engine.remove(container)


async def test_a_missing_image_is_a_container_error(
    docker_engine: DockerEngine,
) -> None:
    with pytest.raises(ContainerError) as caught:
        await docker_engine.create(job_spec("spot-ci-a", image="spotci.test/none:1"))

    assert str(caught.value) == (
        "create container spot-ci-a: No such image: spotci.test/none:1"
    )


async def test_a_container_that_is_gone_cannot_start(
    docker_engine: DockerEngine,
) -> None:
    container = await docker_engine.create(job_spec("spot-ci-a"))
    await docker_engine.remove(container)

    with pytest.raises(EngineError, match="No such container"):
        async with docker_engine.start(container):
            pass


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.05])
async def test_a_cancelled_creation_has_a_result_or_made_nothing(
    docker_engine: DockerEngine, delay: float
) -> None:
    network = container = None

    with anyio.move_on_after(delay):
        network = await docker_engine.create_network("spot-ci-net")
    with anyio.move_on_after(delay):
        container = await docker_engine.create(job_spec("spot-ci-a"))

    if network is not None:
        await docker_engine.remove_network(network)
    if container is not None:
        await docker_engine.remove(container)
