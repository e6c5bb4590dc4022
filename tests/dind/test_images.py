from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.dind.images import open_images
from spotci.errors import ImagePullError
from tests.image_daemons import FakeDaemon, make_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from spotci.dind.images import DockerImages

D1 = "sha256:" + "1" * 64
D2 = "sha256:" + "2" * 64
LOCAL = "localhost:5000/app:1"
BY_DIGEST = "localhost:5000/app@"


@dataclass
class World:
    """An engine and the developer's own daemon, with one registry for both."""

    inner: FakeDaemon = field(default_factory=FakeDaemon)
    host: FakeDaemon = field(default_factory=FakeDaemon)
    environ: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def images(self) -> AsyncIterator[DockerImages]:
        async with open_images(make_engine(self.inner, self.host), self.environ) as it:
            yield it

    async def ensure(self, name: str, *policy: str, platform: str | None = None) -> str:
        async with self.images() as images:
            return (await images.ensure(name, policy=policy, platform=platform)).id


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(environ={"DOCKER_CONFIG": str(tmp_path)})


@dataclass
class Told:
    """Takes progress."""

    all: list[tuple[str, int, int | None]] = field(default_factory=list)

    def __call__(self, text: str, done: int, total: int | None) -> None:
        self.all.append((text, done, total))


@pytest.mark.parametrize(
    ("policy", "inner", "host", "registry", "expected"),
    [
        pytest.param((), True, False, False, "inner", id="in the engine"),
        pytest.param((), False, True, False, "host", id="on the host"),
        pytest.param((), False, False, True, f"id-{D1}", id="in the registry"),
        pytest.param((), True, True, True, "inner", id="the engine's own is newer"),
        pytest.param((), False, True, True, "host", id="host before registry"),
        pytest.param(
            ("always",), True, True, True, f"id-{D1}", id="always: the registry's"
        ),
        pytest.param(("never",), True, False, True, "inner", id="never: the engine's"),
        pytest.param(("never",), False, True, True, "host", id="never: the host's"),
        pytest.param(
            ("always", "if-not-present"),
            *(True, False, False, "inner"),
            id="the second policy",
        ),
        pytest.param(
            ("never", "always"), False, False, True, f"id-{D1}", id="never, then always"
        ),
    ],
)
async def test_policies(
    world: World,
    policy: tuple[str, ...],
    *,
    inner: bool,
    host: bool,
    registry: bool,
    expected: str,
) -> None:
    if inner:
        world.inner.add("app:1", "inner", tagged="2026-02-01T00:00:00Z")
    if host:
        world.host.add("app:1", "host", tagged="2026-01-01T00:00:00Z")
    if registry:
        world.inner.registry.images["app:1"] = D1

    assert await world.ensure("app:1", *policy) == expected


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        pytest.param((), "pull image app:1: manifest unknown", id="default"),
        pytest.param(("always",), "pull image app:1: manifest unknown", id="always"),
        pytest.param(
            ("never",), "pull image app:1: it is not on this machine", id="never"
        ),
        pytest.param(
            ("always", "never"),
            "pull image app:1: always: manifest unknown; never: it is not on this"
            " machine",
            id="each of several",
        ),
        pytest.param(
            ("sometimes",),
            'pull image app:1: unsupported pull policy "sometimes"',
            id="unknown",
        ),
    ],
)
async def test_an_image_that_cannot_be_had(
    world: World, policy: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ImagePullError) as caught:
        await world.ensure("app:1", *policy)

    assert str(caught.value) == message


async def test_a_name_without_tag_is_one_image_not_all_of_the_name(
    world: World,
) -> None:
    world.host.add("app:latest", "host")

    await world.ensure("app")

    assert "save app:latest" in world.host.calls


async def test_a_later_image_of_the_host_takes_the_place_of_the_engines(
    world: World,
) -> None:
    world.inner.add("app:1", "old", tagged="2026-01-01T12:00:00+02:00")
    world.host.add("app:1", "new", tagged="2026-01-01T11:00:00.123456789Z")

    assert await world.ensure("app:1") == "new"


async def test_one_run_sees_one_state_of_the_hosts_images(world: World) -> None:
    world.host.add("app:1", "first")
    async with world.images() as images:
        first = await images.ensure("app:1")
        world.host.add("app:1", "second", tagged="2027-01-01T00:00:00Z")

        second = await images.ensure("app:1")

    assert (first.id, second.id) == ("first", "first")
    assert await world.ensure("app:1") == "second"


async def test_what_a_job_builds_in_the_engine_is_seen_at_once(world: World) -> None:
    world.host.add("app:1", "host")
    async with world.images() as images:
        await images.ensure("app:1")
        world.inner.add("app:1", "built")

        assert (await images.ensure("app:1")).id == "built"


async def test_an_image_that_is_there_costs_one_question(world: World) -> None:
    world.inner.add("app:1", "inner")
    async with world.images() as images:
        await images.ensure("app:1")
        world.inner.calls.clear()
        world.host.calls.clear()

        await images.ensure("app:1")

    assert world.inner.calls == ["inspect app:1"]
    assert world.host.calls == []


async def test_an_image_that_is_there_under_another_name_is_not_copied(
    world: World,
) -> None:
    world.inner.add("other:1", "same")
    world.host.add("app:1", "same")

    assert await world.ensure("app:1") == "same"
    assert "tag same app:1" in world.inner.calls
    assert "save app:1" not in world.host.calls


async def test_a_digest_is_taken_from_the_host_once_though_it_loses_its_name(
    world: World,
) -> None:
    world.host.add(f"app@{D1}", "host")
    async with world.images() as images:
        first = await images.ensure(f"app@{D1}")
        second = await images.ensure(f"app@{D1}")

    assert (first.id, second.id) == ("host", "host")
    assert world.host.count(f"save app@{D1}") == 1


async def test_calls_for_one_image_share_its_transfer(world: World) -> None:
    world.host.add("app:1", "host")
    world.host.flowing.clear()
    told = [Told() for _ in range(5)]
    async with world.images() as images, anyio.create_task_group() as tasks:
        for listener in told:
            tasks.start_soon(partial(images.ensure, "app:1", progress=listener))
        await _until(lambda: all(listener.all for listener in told[:1]))
        world.host.flowing.set()

    assert world.host.count("save app:1") == 1
    text = "taking app:1 from this machine's Docker"
    assert all(listener.all[-1][0] == text for listener in told)
    assert told[0].all[0] == (text, 0, 300)


async def test_a_transfer_goes_on_for_those_who_still_wait(world: World) -> None:
    world.inner.registry.images["app:1"] = D1
    world.inner.registry.open.clear()
    ids: list[str] = []

    async def other() -> None:
        ids.append((await images.ensure("app:1")).id)

    async with world.images() as images, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as first:
            async with anyio.create_task_group() as inner:
                inner.start_soon(images.ensure, "app:1")
                await _until(lambda: world.inner.count("pull app:1"))
                tasks.start_soon(other)
                await anyio.wait_all_tasks_blocked()
                first.cancel()
        world.inner.registry.open.set()

    assert ids == [f"id-{D1}"]
    assert world.inner.count("pull app:1") == 1


async def test_a_transfer_that_nobody_waits_for_ends(world: World) -> None:
    world.host.add("app:1", "host")
    world.host.flowing.clear()
    async with world.images() as images:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(images.ensure, "app:1")
                await _until(lambda: world.host.count("save app:1"))
                scope.cancel()
        world.host.flowing.set()
        await anyio.sleep(0.05)

        assert world.inner.count("load app:1") == 0
        assert (await images.ensure("app:1")).id == "host"


async def test_everybody_gets_the_error_of_a_shared_transfer(world: World) -> None:
    world.inner.registry.open.clear()
    failures: list[ImagePullError] = []

    async def ask() -> None:
        try:
            await images.ensure("app:1")
        except ImagePullError as failure:
            failures.append(failure)

    async with world.images() as images, anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await _until(lambda: world.inner.count("pull app:1"))
        await anyio.sleep(0.02)
        world.inner.registry.open.set()

    assert [failure.message for failure in failures] == ["manifest unknown"] * 2
    assert failures[0] is not failures[1]
    assert world.inner.count("pull app:1") == 1


async def test_a_pull_tells_its_progress(world: World) -> None:
    world.inner.registry.images["app:1"] = D1
    told = Told()
    async with world.images() as images:
        await images.ensure("app:1", progress=told)

    assert told.all == [
        ("pulling app:1", 0, None),
        ("pulling app:1", 10, 40),
        ("pulling app:1", 40, 40),
    ]


async def test_an_image_of_another_platform_is_not_the_one(world: World) -> None:
    world.inner.add("app:1", "inner")
    world.host.add("app:1", "host")
    world.inner.registry.images["app:1"] = D1
    world.inner.registry.platform = "arm64"

    assert await world.ensure("app:1", platform="linux/arm64") == f"id-{D1}"
    assert "pull app:1 linux/arm64" in world.inner.calls


async def test_a_registry_without_the_platform(world: World) -> None:
    world.inner.registry.images["app:1"] = D1

    with pytest.raises(ImagePullError) as caught:
        await world.ensure("app:1", platform="linux/arm64")

    assert caught.value.message == (
        "the registry's image is not for the platform linux/arm64"
    )


async def test_what_one_job_pushes_is_what_the_next_runs(world: World) -> None:
    registry = world.inner.registry.images
    registry[LOCAL] = D1
    async with world.images() as images:
        first = await images.ensure(LOCAL)
        registry[LOCAL] = D2

        second = await images.ensure(LOCAL)

    assert (first.id, second.id) == (f"id-{D1}", f"id-{D2}")


async def test_the_registrys_image_is_pulled_once_for_each_digest(
    world: World,
) -> None:
    world.inner.registry.images[LOCAL] = D1
    async with world.images() as images:
        await images.ensure(LOCAL)
        await images.ensure(LOCAL)

    assert world.inner.count(f"pull {BY_DIGEST}{D1}") == 1


async def test_no_tag_moves_under_a_job_that_is_about_to_push_it(
    world: World,
) -> None:
    world.inner.registry.images[LOCAL] = D1
    world.inner.add(LOCAL, "built")

    assert await world.ensure(LOCAL) == f"id-{D1}"
    assert world.inner.images[LOCAL]["Id"] == "built"


@pytest.mark.parametrize("policy", [(), ("if-not-present",), ("never",)])
async def test_an_image_that_was_built_and_not_pushed(
    world: World, policy: tuple[str, ...]
) -> None:
    world.inner.add(LOCAL, "built")

    assert await world.ensure(LOCAL, *policy) == "built"


@pytest.mark.parametrize("policy", [(), ("always",), ("never",)])
async def test_the_hosts_localhost_is_another_machine(
    world: World, policy: tuple[str, ...]
) -> None:
    world.host.add(LOCAL, "host")

    with pytest.raises(ImagePullError):
        await world.ensure(LOCAL, *policy)

    assert world.host.calls == []


async def test_another_registry_of_the_hosts_localhost(world: World) -> None:
    world.host.add("localhost:5001/app:1", "host")

    assert await world.ensure("localhost:5001/app:1") == "host"


async def test_credentials_of_the_user_are_sent_to_their_registry_alone(
    world: World, tmp_path: Path
) -> None:
    auth = base64.b64encode(b"me:secret").decode()
    config = {"auths": {"registry.example.com": {"auth": auth}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    world.inner.registry.images |= {"registry.example.com/app:1": D1, "app:1": D1}

    await world.ensure("registry.example.com/app:1")
    await world.ensure("app:1")

    assert world.inner.pulled_with == [
        {
            "username": "me",
            "password": "secret",
            "serveraddress": "registry.example.com",
        },
        {},
    ]


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        pytest.param(
            {},
            "if it is a private image: docker login registry.example.com",
            id="not logged in",
        ),
        pytest.param(
            {"credsStore": "desktop"},
            "credentials for registry.example.com are kept by a program that spotci"
            " does not run: docker pull registry.example.com/app:1 gets the image, and"
            " spotci takes it from there",
            id="a helper",
        ),
    ],
)
async def test_a_refusal_says_what_to_do(
    world: World, tmp_path: Path, config: dict[str, str], hint: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    world.inner.registry.refusal = "pull access denied"

    with pytest.raises(ImagePullError) as caught:
        await world.ensure("registry.example.com/app:1")

    assert caught.value.hint == hint


async def _until(condition: object) -> None:
    assert callable(condition)
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - another thread makes it true
            await anyio.sleep(0.005)
