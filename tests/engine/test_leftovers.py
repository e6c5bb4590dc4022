from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.executor.backend import ContainerSpec
from tests.engine.real import IMAGE, load_image

if TYPE_CHECKING:
    from spotci.dind.containers import DockerEngine
    from spotci.dind.engine import DindEngine
    from spotci.executor.backend import ContainerId

pytestmark = pytest.mark.engine

CLIENT = "docker:28"
START = f"""
set -e
docker network create left
docker run -d --name left --network left -v left:/data -v /anonymous {IMAGE} sleep 600
"""


@pytest.fixture(scope="module", autouse=True)
async def _image(engine: DindEngine) -> None:
    await load_image(engine, CLIENT)


async def run(jobs: DockerEngine, name: str, script: str) -> ContainerId:
    access = await jobs.docker_access(None, aliases=())
    assert access is not None
    spec = ContainerSpec(
        name=name,
        image=CLIENT,
        command=("sh",),
        environment=access.environment,
        mounts=access.mounts,
        stdin=True,
    )
    container = await jobs.create(spec)
    async with jobs.start(container, stdin=script.encode()) as process:
        output = b"".join([chunk async for chunk in process.output])
        assert (await process.wait()).code == 0, output
    return container


def left(engine: DindEngine) -> list[str]:
    """Return the names of what jobs have made."""
    client = engine.client
    names = [item["Names"][0].lstrip("/") for item in client.containers(all=True)]
    names += [item["Name"] for item in client.networks()]
    names += [item["Name"] for item in client.volumes()["Volumes"] or ()]
    return [name for name in names if name not in ("bridge", "host", "none")]


async def test_what_a_job_started_ends_with_it(
    docker_engine: DockerEngine, engine: DindEngine
) -> None:
    for _ in range(2):
        # A second job finds the names free, as with a daemon of its own.
        container = await run(docker_engine, "spot-ci-first", START)
        assert len(left(engine)) == 5  # the job, and what it started

        await docker_engine.remove(container)

        assert left(engine) == []


async def test_what_a_job_started_stays_while_another_commands_the_engine(
    docker_engine: DockerEngine, engine: DindEngine
) -> None:
    first = await run(docker_engine, "spot-ci-first", START)
    second = await run(docker_engine, "spot-ci-second", "docker inspect left")

    await docker_engine.remove(first)
    assert "left" in left(engine)

    await docker_engine.remove(second)
    assert left(engine) == []


async def test_a_job_without_docker_removes_nothing_of_others(
    docker_engine: DockerEngine, engine: DindEngine
) -> None:
    first = await run(docker_engine, "spot-ci-first", START)
    plain = await docker_engine.create(ContainerSpec(name="spot-ci-p", image=IMAGE))

    await docker_engine.remove(plain)
    assert "left" in left(engine)

    await docker_engine.remove(first)
