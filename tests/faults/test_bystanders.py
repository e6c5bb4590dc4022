"""What is not ours: bystanders on the host, other users, the network; C2, C3, N1."""

from __future__ import annotations

import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import NotFound

from tests.faults.world import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker.api.client import APIClient

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_IMAGE = "busybox:1.36"


@pytest.fixture
def bystander(host: APIClient) -> Iterator[str]:
    """Somebody's container, volume, network and image, with names that look like ours.

    Returns the name that they share. The labels are nearly ours.
    """
    name = f"spot-ci-bystander-{os.getpid()}"
    labels = {"spotci": "0", "spotci.engine.other": "spot-ci-dind"}
    host.create_network(name, labels=labels)
    host.create_volume(name, labels=labels)
    host.tag(_IMAGE, name)
    config = host.create_host_config(binds=[f"{name}:/data"], network_mode=name)
    host.create_container(
        name,
        ["sh", "-c", "echo mine >/data/file; exec sleep 3600"],
        name=name,
        labels=labels,
        host_config=config,
    )
    host.start(name)
    yield name
    host.remove_container(name, force=True)
    host.remove_volume(name)
    host.remove_network(name)
    host.remove_image(name)


def state_of(host: APIClient, name: str) -> list[object]:
    """Return what tells whether a bystander was touched."""
    container = host.inspect_container(name)
    network, volume = host.inspect_network(name), host.inspect_volume(name)
    return [
        *(container["Id"], container["State"]["StartedAt"], container["State"]["Pid"]),
        container["RestartCount"],
        *(network["Id"], sorted(network["Containers"])),
        *(volume["CreatedAt"], volume["Mountpoint"]),
        host.inspect_image(name)["Id"],  # type: ignore[no-untyped-call]
    ]


def others(host: APIClient, world: World) -> set[str]:
    """Return the ids of all containers and networks of the host but this engine's."""
    own = set(world.host_objects())
    found = [
        *((item["Id"], item["Names"][0]) for item in host.containers(all=True)),
        *((item["Id"], item["Name"]) for item in host.networks()),
    ]
    return {identity for identity, name in found if name not in own}


def test_bystanders_survive_a_run_a_kill_and_clean(
    new_world: Callable[[], World], bystander: str, figure: Callable[..., None]
) -> None:
    world = new_world()
    world.write(f'image: {_IMAGE}\na: {{script: ["echo begun", "sleep 300"]}}\n')
    before = state_of(world.host, bystander)

    process = world.start("run", "--output", "plain")
    assert process.stdout is not None
    assert any("begun" in line for line in iter(process.stdout.readline, ""))
    process.kill()
    process.communicate()
    until(lambda: world.containers() == [], within=30)
    for command in (("down",), ("up",), ("clean", "--cache"), ("clean",)):
        world.project.spotci(*command)

    assert state_of(world.host, bystander) == before
    assert world.host_objects() == []
    assert world.host.inspect_image(_IMAGE)["Id"]  # type: ignore[no-untyped-call]
    figure("bystanders touched by run, kill -9, down, clean", 0)


_SHARED = """
image: busybox:1.36
write:
  cache: {key: k, paths: [who]}
  script: [test ! -f who || grep -x NAME who, echo NAME >who, sleep 1, cat who]
  artifacts: {paths: [who]}
read: {needs: [write], script: [grep -x NAME who]}
"""


@pytest.mark.long
def test_two_users_do_not_meet(
    new_world: Callable[[], World], figure: Callable[..., None]
) -> None:
    worlds = [new_world(), new_world()]
    for number, world in enumerate(worlds):
        world.write(_SHARED.replace("NAME", f"user-{number}"))

    with ThreadPoolExecutor() as pool:
        for _ in range(2):
            list(pool.map(lambda world: world.project.spotci("run"), worlds))

    names = [set(world.host_objects()) for world in worlds]
    assert names[0] & names[1] == set()
    worlds[0].project.spotci("clean")
    assert set(worlds[1].host_objects()) == names[1]
    worlds[1].project.spotci("run")
    figure("objects that two users share", 0)


@pytest.mark.long
def test_runs_of_one_project_at_once_do_not_meet(world: World) -> None:
    world.write(_SHARED.replace("NAME", "one"))

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: world.project.spotci("run"), range(3)))

    found = world.runs.list()[:3]
    assert [run.status for run in found] == ["success"] * 3
    assert world.labelled() == []


def listeners(pid: int) -> set[tuple[str, int]]:
    """Return the addresses and ports that a network namespace listens on."""
    found = set()
    for name in ("tcp", "tcp6"):
        lines = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == "0A":
                address, port = local.split(":")
                found.add((address, int(port, 16)))
    return found


_LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}0{6}1|0{24}01000000|0{20}FFFF[0-9A-F]*7F")


def outward_addresses() -> set[str]:
    """Return the addresses of this machine that others reach it by."""
    found = {item[4][0] for item in socket.getaddrinfo(socket.gethostname(), None)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found.add(probe.getsockname()[0])
        except OSError:
            pass  # no route: the machine is in no network
    return {str(address) for address in found if not str(address).startswith("127.")}


def test_nothing_listens_for_the_network(
    new_world: Callable[[], World], figure: Callable[..., None]
) -> None:
    world = new_world()
    before = listeners(os.getpid())
    world.write(f'image: {_IMAGE}\na: {{script: ["true"]}}\n')

    world.project.spotci("run")
    world.project.spotci("registry", "start")

    ours = {world.settings.registry_port}
    new = {(address, port) for address, port in listeners(os.getpid()) - before}
    published = {(address, port) for address, port in new if port in ours}
    assert published
    assert [item for item in published if not _LOOPBACK.fullmatch(item[0])] == []
    reached = []
    for address in outward_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(2)
            if probe.connect_ex((address, world.settings.registry_port)) == 0:
                reached.append(address)
    assert reached == []
    figure("listeners outside of the loopback", 0)


def test_the_engines_container_publishes_to_the_loopback_alone(world: World) -> None:
    world.project.spotci("up")
    state = world.host.inspect_container(world.settings.name)

    bindings = state["NetworkSettings"]["Ports"]
    addresses = {
        binding["HostIp"] for found in bindings.values() for binding in found or ()
    }
    assert addresses == {"127.0.0.1"}
    with pytest.raises(NotFound):
        world.host.inspect_network(f"{world.settings.network}-other")
