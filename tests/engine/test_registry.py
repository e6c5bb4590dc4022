from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from anyio import to_thread

from spotci.dind import registry
from spotci.dind.engine import open_engine, stop_engine
from spotci.dind.outer import connect_outer
from spotci.errors import EngineError
from tests.engine.real import (
    IMAGE,
    ExecShell,
    eventually,
    free_port,
    load_image,
    quiet,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from docker.api.client import APIClient

    from spotci.dind.engine import DindEngine
    from spotci.dind.settings import EngineSettings

pytestmark = pytest.mark.engine


def ask(engine: DindEngine, path: str, *, method: str = "GET") -> dict[str, Any]:
    # What is asked is this machine's loopback.
    request = Request(
        f"http://localhost:{engine.registry_port}{path}",
        method=method,
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    with urlopen(request, timeout=5) as answer:  # noqa: S310
        body = answer.read()
    found: dict[str, Any] = {} if not body else json.loads(body)
    return found | {"digest": answer.headers["Docker-Content-Digest"]}


def is_up(engine: DindEngine) -> bool:
    try:
        return bool(ask(engine, "/v2/"))
    except OSError:
        return False


async def pushed(settings: EngineSettings) -> DindEngine:
    """Return an engine into whose registry ``app:v1`` was pushed."""
    engine = await open_engine(settings, progress=quiet)
    await load_image(engine, IMAGE)
    await eventually(partial(is_up, engine))
    name = f"localhost:{settings.registry_port}/app:v1"
    shell = ExecShell(engine.host, engine.container)
    await shell.run('docker tag "$1" "$2" && docker push -q "$2"', IMAGE, name)
    return engine


def tags(engine: DindEngine) -> list[str]:
    found: list[str] = ask(engine, "/v2/app/tags/list")["tags"]
    return found


async def test_what_was_pushed_outlives_a_restart(fresh: EngineSettings) -> None:
    engine = await pushed(fresh)
    await stop_engine(fresh)

    again = await open_engine(fresh, progress=quiet)

    await eventually(partial(is_up, again))
    assert await to_thread.run_sync(tags, engine) == ["v1"]


async def test_a_registry_that_died_comes_back_at_the_next_start(
    fresh: EngineSettings, host: APIClient
) -> None:
    await open_engine(fresh, progress=quiet)
    host.remove_container(fresh.registry_name, force=True)

    engine = await open_engine(fresh, progress=quiet)

    await eventually(partial(is_up, engine))


async def test_an_emptied_registry_is_empty(fresh: EngineSettings) -> None:
    engine = await pushed(fresh)

    await registry.empty(engine.outer, fresh)
    await registry.empty(engine.outer, fresh)

    engine = await open_engine(fresh, progress=quiet)
    await eventually(partial(is_up, engine))
    assert ask(engine, "/v2/_catalog")["repositories"] == []


async def test_garbage_is_collected(fresh: EngineSettings) -> None:
    engine = await pushed(fresh)
    measure = 'du -sk "$1" | cut -f1'
    digest = ask(engine, "/v2/app/manifests/v1")["digest"]
    ask(engine, f"/v2/app/manifests/{digest}", method="DELETE")
    inside = ExecShell(engine.host, fresh.registry_name)
    before = int(await inside.run(measure, "/var/lib/registry"))

    await registry.collect_garbage(engine.outer, fresh)

    await eventually(partial(is_up, engine))
    assert int(await inside.run(measure, "/var/lib/registry")) < before / 2


@asynccontextmanager
async def upstream(settings: EngineSettings, host: APIClient) -> AsyncIterator[str]:
    """Run a registry with the image ``office:1`` in the place of Docker Hub."""
    outer = await connect_outer(settings, os.environ)
    await outer.ensure_network(settings)
    port = free_port()
    made = host.create_container(
        "registry:2",
        ports=[5000],
        host_config=host.create_host_config(
            network_mode=settings.network, port_bindings={5000: ("127.0.0.1", port)}
        ),
        networking_config={
            "EndpointsConfig": {settings.network: {"Aliases": ["hub.example"]}}
        },
    )
    name = f"127.0.0.1:{port}/library/office"

    def push() -> bool:
        lines = list(host.push(name, tag="1", stream=True, decode=True))
        return not any("error" in line for line in lines)

    try:
        host.start(made["Id"])
        host.tag(IMAGE, name, "1")
        await eventually(push)
        yield str(made["Id"])
    finally:
        host.remove_image(f"{name}:1")
        host.remove_container(made["Id"], v=True, force=True)


async def test_the_mirror_keeps_what_was_pulled(
    fresh: EngineSettings, host: APIClient
) -> None:
    settings = replace(fresh, registry_mirror="http://hub.example:5000")
    async with upstream(settings, host) as hub:
        engine = await open_engine(settings, progress=quiet)
        shell = ExecShell(engine.host, engine.container)
        pull = "docker pull -q office:1 && docker rmi office:1"
        # The daemon asks Docker Hub itself while the mirror does not listen yet.
        await eventually(lambda: shell.succeeds(pull), within=30)
        host.stop(hub, timeout=0)

        await shell.run(pull)

    await stop_engine(settings)
    assert host.inspect_container(settings.mirror_name)["State"]["Status"] == "exited"


async def test_without_its_upstream_the_engine_starts_all_the_same(
    fresh: EngineSettings,
) -> None:
    settings = replace(fresh, registry_mirror="http://nowhere.example:5000")

    engine = await open_engine(settings, progress=quiet)

    await eventually(partial(is_up, engine))


async def test_garbage_of_no_registry_is_an_error(engine: DindEngine) -> None:
    nowhere = replace(engine.settings, registry_name=f"spot-ci-test-{os.getpid()}-none")

    with pytest.raises(EngineError) as caught:
        await registry.collect_garbage(engine.outer, nowhere)

    assert str(caught.value) == (
        f"collect garbage of {nowhere.registry_name}: does not exist\n"
        "hint: spotci registry start"
    )
