from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spotci.dind.clean import Kind, Part, clean, find_objects
from spotci.dind.engine import engine_status, open_engine
from spotci.dind.lease import hold_lease
from spotci.dind.state import note_pulled
from spotci.errors import EngineError
from tests.engine.real import IMAGE, host_objects, quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.api.client import APIClient

    from spotci.dind.clean import Found
    from spotci.dind.settings import EngineSettings

pytestmark = pytest.mark.engine

BYSTANDER = "spotci-bystander"


@pytest.fixture
def bystanders(host: APIClient) -> Iterator[None]:
    """Objects of somebody else, whose names look like ours."""
    labels = {"spotci": "no", "com.example": "1"}
    host.create_network(BYSTANDER, labels=labels)
    host.create_volume(BYSTANDER, labels=labels)
    host.create_container(IMAGE, "sleep 60", name=BYSTANDER, labels=labels)
    yield
    host.remove_container(BYSTANDER)
    host.remove_volume(BYSTANDER)
    host.remove_network(BYSTANDER)


def names(found: tuple[Found, ...]) -> list[tuple[str, str]]:
    return [(item.kind.value, item.name) for item in found]


def everything(settings: EngineSettings) -> list[tuple[str, str]]:
    return [
        ("container", settings.name),
        ("container", settings.registry_name),
        ("volume", settings.data_volume),
        ("volume", settings.work_volume),
        ("volume", settings.registry_volume),
        ("network", settings.network),
        ("folder", str(settings.state_dir)),
        ("folder", str(settings.state_dir / settings.name)),
    ]


@pytest.mark.usefixtures("bystanders")
async def test_everything_of_an_engine_goes(
    fresh: EngineSettings, host: APIClient
) -> None:
    await open_engine(fresh, progress=quiet)

    found = await find_objects(fresh, sizes=True)
    assert names(found) == everything(fresh)
    assert all(item.size is not None for item in found if item.kind != Kind.NETWORK)
    assert names(await find_objects(fresh)) == names(found)  # looking changes nothing

    removed = await clean(fresh, found)

    assert names(removed) == everything(fresh)
    assert host_objects(host, fresh.network) == []
    assert not fresh.state_dir.exists()
    assert (await engine_status(fresh)).state == "absent"


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        pytest.param(Part.CACHE, ["data", "registry"], id="cache"),
        pytest.param(Part.IMAGES, ["work"], id="images"),
    ],
)
async def test_a_part_goes_and_the_rest_stays(
    fresh: EngineSettings, host: APIClient, part: Part, kept: list[str]
) -> None:
    await open_engine(fresh, progress=quiet)
    volumes = {
        "data": fresh.data_volume,
        "work": fresh.work_volume,
        "registry": fresh.registry_volume,
    }

    await clean(fresh, await find_objects(fresh, parts=[part]))

    assert sorted(host_objects(host, fresh.network)) == sorted(
        [("network", fresh.network), *(("volume", volumes[name]) for name in kept)]
    )
    await open_engine(fresh, progress=quiet)


async def test_a_dead_engine_is_no_obstacle(
    fresh: EngineSettings, host: APIClient
) -> None:
    await open_engine(fresh, progress=quiet)
    host.kill(fresh.name)

    await clean(fresh, await find_objects(fresh))

    assert host_objects(host, fresh.network) == []


async def test_nothing_goes_while_a_run_is_on(
    fresh: EngineSettings, host: APIClient
) -> None:
    engine = await open_engine(fresh, progress=quiet)

    async with hold_lease(engine, "running"):
        found = await find_objects(fresh)
        with pytest.raises(EngineError) as caught:
            await clean(fresh, found)
        before = host_objects(host, fresh.network)
        assert str(caught.value) == (
            f"remove {fresh.name}: a run uses it right now\n"
            "hint: wait for the run, or end it"
        )
        assert len(before) == 6

        await clean(fresh, found, force=True)

    assert host_objects(host, fresh.network) == []


async def test_other_engines_stay_unless_all_are_asked_for(
    fresh: EngineSettings,
) -> None:
    await open_engine(fresh, progress=quiet)
    other = replace(fresh, name=f"{fresh.network}-other")

    assert await find_objects(replace(other, state_dir=fresh.state_dir / "x")) == ()
    found = await find_objects(other, every_engine=True)

    assert set(everything(fresh)) - {("folder", str(fresh.state_dir / fresh.name))} <= (
        set(names(found))
    )


async def test_images_that_were_pulled_for_us_are_ours(
    fresh: EngineSettings, host: APIClient
) -> None:
    own, used = "spotci.test/own:1", "spotci.test/used:1"
    for name in (own, used):
        host.tag(IMAGE, name)
        note_pulled(fresh, name)
    made = host.create_container(used, "sleep 60")
    try:
        found = await find_objects(fresh, parts=[Part.IMAGES])
        assert names(found) == [("image", own), ("image", used)]

        await clean(fresh, found)

        assert host.images(name=own) == []
        assert host.images(name=IMAGE) != []
    finally:
        host.remove_container(made["Id"])
        if host.images(name=used):
            host.remove_image(used)
