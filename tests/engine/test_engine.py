from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spotci.dind.engine import engine_status, open_engine, stop_engine
from spotci.dind.lease import hold_lease
from spotci.dind.transport import answers
from spotci.errors import EngineError, EngineUnavailableError
from tests.engine.real import IMAGE, eventually, load_image, quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker.api.client import APIClient

    from spotci.dind.engine import DindEngine
    from spotci.dind.settings import EngineSettings
    from tests.engine.real import ExecShell

pytestmark = pytest.mark.engine


class Heard:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, _done: int, _total: int | None) -> None:
        self.texts.append(text)


def has_image(engine: DindEngine) -> bool:
    client: Any = engine.client
    return bool(client.images(name=IMAGE))


def container_of(client: APIClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.inspect_container(name)
    return found


async def test_an_engine_starts_once_and_stays_warm(fresh: EngineSettings) -> None:
    heard = Heard()
    started = anyio.current_time()
    first = await open_engine(fresh, progress=heard)
    cold = anyio.current_time() - started

    started = anyio.current_time()
    second = await open_engine(fresh, progress=heard)
    warm = anyio.current_time() - started

    assert first.container == second.container
    assert heard.texts == [f"starting {fresh.name}"]
    # The budgets are 4 s and 0.1 s; a busy machine gets some more.
    assert cold < 10
    assert warm < 0.5


async def test_what_the_engine_is_made_of(engine: DindEngine, host: APIClient) -> None:
    found = container_of(host, engine.settings.name)

    assert found["HostConfig"]["Privileged"]
    assert found["HostConfig"]["Init"]
    assert list(found["NetworkSettings"]["Networks"]) == [engine.settings.network]
    assert {
        (mount["Type"], mount["Destination"], mount.get("Name"))
        for mount in found["Mounts"]
    } == {
        ("volume", "/var/lib/docker", engine.settings.data_volume),
        ("volume", "/spotci", engine.settings.work_volume),
        ("bind", "/run/spot-ci", None),
    }
    ports = found["NetworkSettings"]["Ports"]
    published = {port: bound for port, bound in ports.items() if bound}
    port = str(engine.settings.registry_port)
    assert published == {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}


async def test_only_this_user_reaches_the_socket(engine: DindEngine) -> None:
    assert engine.inner.address.socket is not None
    folder = os.stat(os.path.dirname(engine.inner.address.socket))  # noqa: PTH116, PTH120 - not to follow
    assert folder.st_mode & 0o777 == 0o700
    assert folder.st_uid == os.getuid()


async def test_the_status_tells_each_state(fresh: EngineSettings) -> None:
    assert (await engine_status(fresh)).state == "absent"

    await open_engine(fresh, progress=quiet)
    running = await engine_status(fresh)
    assert running.state == "running"
    assert running.storage_driver == "overlay2"
    assert running.registry_running
    assert running.registry_port == fresh.registry_port

    assert await stop_engine(fresh)
    assert (await engine_status(fresh)).state == "stopped"
    assert not await stop_engine(fresh)


async def test_a_stopped_engine_starts_again_with_its_images(
    fresh: EngineSettings,
) -> None:
    first = await open_engine(fresh, progress=quiet)
    await load_image(first, IMAGE)
    await stop_engine(fresh)

    second = await open_engine(fresh, progress=quiet)

    assert second.container == first.container
    assert has_image(second)
    assert (await engine_status(fresh)).registry_running


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(lambda host, name: host.kill(name), id="killed"),
        pytest.param(lambda host, name: host.restart(name), id="restarted by others"),
        pytest.param(
            lambda host, name: host.remove_container(name, force=True), id="removed"
        ),
    ],
)
async def test_a_dead_engine_comes_back(
    fresh: EngineSettings, host: APIClient, kill: Callable[[APIClient, str], None]
) -> None:
    first = await open_engine(fresh, progress=quiet)
    await load_image(first, IMAGE)
    kill(host, fresh.name)

    second = await open_engine(fresh, progress=quiet)

    assert has_image(second)
    assert (await engine_status(fresh)).registry_running


async def test_an_engine_whose_network_is_gone_is_made_anew(
    fresh: EngineSettings, host: APIClient
) -> None:
    first = await open_engine(fresh, progress=quiet)
    await load_image(first, IMAGE)
    await stop_engine(fresh)
    host.remove_container(fresh.registry_name, force=True)
    host.remove_network(fresh.network)

    second = await open_engine(fresh, progress=quiet)

    assert second.container != first.container
    assert has_image(second)


async def test_a_lost_socket_is_made_again(fresh: EngineSettings) -> None:
    first = await open_engine(fresh, progress=quiet)
    assert first.inner.address.socket is not None
    os.unlink(first.inner.address.socket)  # noqa: PTH108 - a socket is no file
    heard = Heard()

    second = await open_engine(fresh, progress=heard)

    assert second.container == first.container
    assert f"{fresh.name} does not answer: restarting it" in heard.texts
    assert await answers(second.inner.address)


async def test_other_settings_make_another_container(fresh: EngineSettings) -> None:
    first = await open_engine(fresh, progress=quiet)
    await load_image(first, IMAGE)
    heard = Heard()
    changed = replace(fresh, memory=2 * 1024**3)

    second = await open_engine(changed, progress=heard)

    assert second.container != first.container
    assert heard.texts[0] == f"settings changed: making {fresh.name} anew"
    assert has_image(second)


async def test_an_engine_in_use_is_not_made_anew(fresh: EngineSettings) -> None:
    first = await open_engine(fresh, progress=quiet)
    heard = Heard()

    async with hold_lease(first, "using"):
        second = await open_engine(replace(fresh, cpus=1), progress=heard)

    assert second.container == first.container
    assert heard.texts == [
        f"{fresh.name} was made from other settings and is in use: it is used as it is"
    ]


async def test_a_taken_port_is_replaced_and_told(fresh: EngineSettings) -> None:
    heard = Heard()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", fresh.registry_port))
        listener.listen()
        engine = await open_engine(fresh, progress=heard)

    assert engine.registry_port not in (None, fresh.registry_port)
    assert heard.texts == [
        f"starting {fresh.name}",
        (
            f"port {fresh.registry_port} of this machine is taken: the registry is at"
            f" localhost:{engine.registry_port} here, and at"
            f" localhost:{fresh.registry_port} in jobs"
        ),
    ]
    again = await open_engine(fresh, progress=heard)
    assert again.container == engine.container


@pytest.mark.parametrize(
    ("compose", "holder"),
    [
        pytest.param({}, "the container {name}", id="a container"),
        pytest.param(
            {
                "com.docker.compose.project": "spot-platform",
                "com.docker.compose.project.config_files": "/spot/compose.yml,/x.yml",
                "com.docker.compose.service": "registry",
            },
            'the service "registry" of /spot/compose.yml',
            id="a service of compose",
        ),
    ],
)
async def test_who_holds_the_port_is_named_and_left_alone(
    fresh: EngineSettings, host: APIClient, compose: dict[str, str], holder: str
) -> None:
    heard, name = Heard(), f"{fresh.network}-holder"
    port = fresh.registry_port
    made = host.create_container(
        *(IMAGE, "sleep 60"),
        name=name,
        labels=compose,
        ports=[5000],
        host_config=host.create_host_config(port_bindings={5000: ("127.0.0.1", port)}),
    )
    try:
        host.start(made["Id"])
        engine = await open_engine(fresh, progress=heard)
        assert container_of(host, name)["State"]["Running"]
    finally:
        host.remove_container(made["Id"], force=True)

    assert heard.texts[1:] == [
        (
            f"port {port} of this machine is taken by {holder.format(name=name)},"
            f" which is left alone: the registry is at localhost:{engine.registry_port}"
            f" here, and at localhost:{port} in jobs"
        )
    ]


_OPEN = """
import sys
from pathlib import Path

import anyio

from spotci.dind.engine import open_engine
from spotci.dind.settings import EngineSettings

async def main(name, registry, network, port, state):
    settings = EngineSettings(
        name=name, registry_name=registry, network=network, registry_port=int(port),
        state_dir=Path(state),
    )
    engine = await open_engine(settings, progress=lambda *_: None)
    print(engine.container)

anyio.run(main, *sys.argv[1:])
"""


async def test_many_processes_start_one_engine(fresh: EngineSettings) -> None:
    said: list[bytes] = []
    command = [
        *(sys.executable, "-c", _OPEN, fresh.name, fresh.registry_name),
        *(fresh.network, str(fresh.registry_port), str(fresh.state_dir)),
    ]

    async def one() -> None:
        said.append((await anyio.run_process(command)).stdout)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one)

    assert len(said) == 5
    assert len(set(said)) == 1


async def test_a_container_of_somebody_else_is_left_alone(
    fresh: EngineSettings, host: APIClient
) -> None:
    host.create_container(IMAGE, "sleep 60", name=fresh.name)
    try:
        with pytest.raises(EngineError) as caught:
            await open_engine(fresh, progress=quiet)
        assert str(caught.value) == (
            f'use engine: the container "{fresh.name}" is not made by spotci\n'
            "hint: choose another name for the engine in the settings"
        )
        assert container_of(host, fresh.name)["State"]["Status"] == "created"
    finally:
        host.remove_container(fresh.name)


async def test_an_engine_that_cannot_start_tells_its_last_words(
    fresh: EngineSettings,
) -> None:
    broken = replace(fresh, mirrors=("not a mirror",))

    with pytest.raises(EngineUnavailableError) as caught:
        await open_engine(broken, progress=quiet)

    text = str(caught.value)
    assert f"{fresh.name} ended with exit code 1; its last words:\n" in text
    assert "invalid mirror" in text
    assert f"hint: see: docker logs {fresh.name}" in text


async def test_an_engine_that_says_nothing_is_given_up(fresh: EngineSettings) -> None:
    silent = replace(fresh, start_timeout=0.2)

    with pytest.raises(EngineUnavailableError, match=r"does not answer after 0\.2 s"):
        await open_engine(silent, progress=quiet)


async def test_without_docker_the_way_on_is_told(fresh: EngineSettings) -> None:
    nowhere = replace(fresh, docker_host="unix:///nonexistent/docker.sock")

    with pytest.raises(EngineUnavailableError) as caught:
        await open_engine(nowhere, progress=quiet)

    assert str(caught.value) == (
        "no Docker daemon answers at unix:///nonexistent/docker.sock: no answer:"
        " [Errno 2] No such file or directory\n"
        "hint: is Docker installed and started? another daemon is chosen by"
        " DOCKER_HOST; without Docker, --engine shell runs jobs in a shell of this"
        " machine"
    )


async def test_the_engine_serves_over_tls(fresh: EngineSettings) -> None:
    settings = replace(fresh, transport="tls")

    engine = await open_engine(settings, progress=quiet)
    again = await open_engine(settings, progress=quiet)

    assert engine.inner.address.url.startswith("tcp://127.0.0.1:")
    assert again.container == engine.container
    assert again.client.info()["Name"] == settings.name
    anonymous = replace(engine.inner.address, certificates=None)
    assert not await answers(anonymous)


@pytest.mark.parametrize("port", ["registry", "2375", "2376"])
async def test_a_container_beside_the_engine_reaches_nothing(
    engine: DindEngine, host: APIClient, port: str
) -> None:
    settings = engine.settings
    port = str(settings.registry_port) if port == "registry" else port
    config = host.create_host_config(network_mode=settings.network)
    command = ["wget", "-T", "2", "-O", "-", f"http://{settings.name}:{port}"]
    made = host.create_container(IMAGE, command, host_config=config)
    try:
        host.start(made["Id"])
        assert host.wait(made["Id"])["StatusCode"] != 0
        assert b"Connection refused" in host.logs(made["Id"])
    finally:
        host.remove_container(made["Id"], force=True)


async def test_containers_resolve_names_as_the_host_does(
    engine: DindEngine, shell: ExecShell
) -> None:
    # The engine's own name is known to the resolver of its network on the host alone.
    script = f"docker run --rm {IMAGE} nslookup {engine.settings.name}"

    answer = await shell.run(script)

    assert f"Name:\t{engine.settings.name}".encode() in answer


async def test_the_registry_answers_on_the_host(engine: DindEngine) -> None:
    port = engine.registry_port

    def ask() -> bool:
        with socket.create_connection(("127.0.0.1", port or 0), timeout=5) as stream:
            stream.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            return stream.recv(64).split(b" ")[1:2] == [b"200"]

    await eventually(ask)
