from __future__ import annotations

import time
import uuid
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from spotci.dind.images import open_images
from spotci.errors import ImagePullError
from tests.engine.real import IMAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from docker.api.client import APIClient

    from spotci.dind.engine import DindEngine
    from spotci.dind.images import DockerImages

pytestmark = pytest.mark.engine


@pytest.fixture
async def images(engine: DindEngine) -> AsyncIterator[DockerImages]:
    async with open_images(engine, {"DOCKER_CONFIG": "/nowhere"}) as images:
        yield images


@pytest.fixture
def name() -> str:
    """The name of an image that no other test uses."""
    return f"spot-ci-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def built(host: APIClient, engine: DindEngine, name: str) -> Iterator[str]:
    """An image that only the host engine has."""
    _derive(host, name, "first")
    yield f"{name}:1"
    for client in (host, engine.client):
        if client.images(name):
            client.remove_image(f"{name}:1", force=True)


async def test_an_image_of_the_engine(images: DockerImages, engine: DindEngine) -> None:
    info = await images.ensure(IMAGE)

    assert info.id == _identity(engine.client, IMAGE)
    assert info.name == IMAGE


async def test_an_image_of_the_host_is_taken_once(
    images: DockerImages, engine: DindEngine, host: APIClient, built: str
) -> None:
    told: list[tuple[str, int, int | None]] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(
                partial(images.ensure, built, progress=lambda *args: told.append(args))
            )

    assert _identity(engine.client, built) == _identity(host, built)
    assert {text for text, _, _ in told} == {
        f"taking {built} from this machine's Docker"
    }


async def test_a_newer_image_of_the_host_is_taken_by_the_next_run(
    images: DockerImages, engine: DindEngine, host: APIClient, built: str
) -> None:
    first = await images.ensure(built)
    await to_thread.run_sync(_derive, host, built.partition(":")[0], "second")

    assert await images.ensure(built) == first
    async with open_images(engine, {}) as later:
        second = await later.ensure(built)
    assert second.id == _identity(host, built) != first.id


async def test_an_image_that_is_there_costs_milliseconds(images: DockerImages) -> None:
    await images.ensure(IMAGE)
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        await images.ensure(IMAGE)
        times.append(time.perf_counter() - begin)

    assert sorted(times)[10] < 0.02  # 2 ms where nothing else runs


async def test_an_image_that_nobody_has(images: DockerImages, name: str) -> None:
    with pytest.raises(ImagePullError) as caught:
        await images.ensure(f"localhost:1/{name}:1")

    assert str(caught.value).startswith(f"pull image localhost:1/{name}:1: ")
    assert "connection refused" in caught.value.message


@pytest.mark.parametrize("bad", ["Not A Name", "a//b", "-x", "a:b:c", ""])
async def test_what_is_no_name(images: DockerImages, bad: str) -> None:
    with pytest.raises(ImagePullError):
        await images.ensure(bad)


async def test_never(images: DockerImages, name: str) -> None:
    with pytest.raises(ImagePullError, match="it is not on this machine"):
        await images.ensure(name, policy=("never",))


async def test_what_one_job_pushes_is_what_the_next_runs(
    images: DockerImages, engine: DindEngine, name: str
) -> None:
    inner = engine.client
    target = f"localhost:{engine.settings.registry_port}/{name}"
    ids = []
    try:
        for version in ("first", "second"):
            _derive(inner, target, version)
            ids.append(_identity(inner, f"{target}:1"))
            await to_thread.run_sync(_push, inner, target)
            inner.remove_image(f"{target}:1", force=True)

            info = await images.ensure(f"{target}:1")

            assert info.id == ids[-1]
            assert info.digest is not None
            assert info.digest.startswith(f"{target}@sha256:")
        assert ids[0] != ids[1]
    finally:
        for identity in ids:
            inner.remove_image(identity, force=True)


async def test_an_image_of_the_registry_that_was_never_pushed(
    images: DockerImages, engine: DindEngine, name: str
) -> None:
    target = f"localhost:{engine.settings.registry_port}/{name}"

    with pytest.raises(ImagePullError, match=r"manifest unknown|not found"):
        await images.ensure(f"{target}:1")


async def test_a_transfer_can_be_canceled(
    images: DockerImages, engine: DindEngine, built: str
) -> None:
    with anyio.move_on_after(0.01):
        await images.ensure(built)

    assert (await images.ensure(built)).name == built
    assert engine.client.images(built)


def _identity(client: APIClient, name: str) -> str:
    return str(client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]


def _derive(client: APIClient, name: str, version: str) -> None:
    """Make an image with a label of its own from one that is there."""
    made = client.create_container(IMAGE, labels={"spotci.test": "image"})
    try:
        client.commit(made["Id"], name, tag="1", changes=f"LABEL version={version}")
    finally:
        client.remove_container(made["Id"])


def _push(client: APIClient, name: str) -> None:
    for line in client.push(name, tag="1", stream=True, decode=True, auth_config={}):
        assert "error" not in line, line
