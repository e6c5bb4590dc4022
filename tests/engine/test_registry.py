from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from anyio import to_thread

from spotci.dind import registry
from spotci.dind.engine import open_engine, stop_engine
from spotci.errors import EngineError
from tests.engine.real import IMAGE, ExecShell, eventually, load_image, quiet

if TYPE_CHECKING:
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


async def test_garbage_of_no_registry_is_an_error(engine: DindEngine) -> None:
    nowhere = replace(engine.settings, registry_name=f"spot-ci-test-{os.getpid()}-none")

    with pytest.raises(EngineError) as caught:
        await registry.collect_garbage(engine.outer, nowhere)

    assert str(caught.value) == (
        f"collect garbage of {nowhere.registry_name}: does not exist\n"
        "hint: spotci registry start"
    )
