from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.executor.images import host_names, is_docker, is_docker_service
from spotci.executor.job_variables import JobVariables
from spotci.executor.services import resolve_services
from spotci.pipeline import Image, Service
from spotci.variables import Level
from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path

POSTGRES = "postgres:16"


def variables(**values: str) -> JobVariables:
    return JobVariables(values=values, files={}, public=values, secrets=())


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ("postgres", ["postgres"]),
        ("postgres:15", ["postgres"]),
        ("tutum/wordpress:latest", ["tutum__wordpress", "tutum-wordpress"]),
        (
            "registry.example.com:5000/ns/img:1",
            ["registry.example.com__ns__img", "registry.example.com-ns-img"],
        ),
        ("redis@sha256:0123", ["redis"]),
        ("localhost:5000/img", ["localhost__img", "localhost-img"]),
    ],
)
def test_host_names(image: str, names: list[str]) -> None:
    assert list(host_names(image)) == names


@pytest.mark.parametrize(
    ("image", "job_docker", "service_docker"),
    [
        ("docker:28", True, True),
        ("docker:28-dind", True, True),
        ("docker", True, True),
        ("registry/x/docker:28", True, True),
        ("my/dind:1", False, True),
        ("my/builder:28-dind", False, True),
        ("docker/compose:1", False, False),
        ("python:3", False, False),
    ],
)
def test_images_with_docker(
    image: str, *, job_docker: bool, service_docker: bool
) -> None:
    assert is_docker(image) is job_docker
    assert is_docker_service(image) is service_docker


def test_aliases_and_variables() -> None:
    services, warnings = resolve_services(
        (
            Service(
                name="$REGISTRY/db:1",
                aliases=("db, $OTHER", "third"),
                entrypoint=("sh", "-c"),
                command=("run --level=$LEVEL --user=$USER",),
                variables=(
                    variable("USER", "$NAME"),
                    variable("RAW", "$NAME", expand=False),
                ),
            ),
        ),
        variables(REGISTRY="r.io", OTHER="other", LEVEL="3", NAME="me"),
    )

    (service,) = services
    assert warnings == ()
    assert service.image == "r.io/db:1"
    assert service.aliases == ("db", "other", "third", "r.io__db", "r.io-db")
    assert service.label == "db"
    # A shell in the service expands them, with the variables of the service.
    assert service.entrypoint == ("sh", "-c")
    assert service.command == ("run --level=$LEVEL --user=$USER",)
    assert service.environment["USER"] == "me"
    assert service.environment["RAW"] == "$NAME"
    assert service.environment["NAME"] == "me"


def test_the_first_of_two_has_the_name() -> None:
    services, warnings = resolve_services(
        (Service(name="redis:7"), Service(name="redis:6", aliases=("old",))),
        variables(),
    )

    assert [service.aliases for service in services] == [("redis",), ("old",)]
    assert warnings == ("Service redis:6 is already created. Ignoring.",)


def test_a_service_without_a_name_of_its_own_is_not_started() -> None:
    services, warnings = resolve_services(
        (
            Service(name="redis:7", aliases=("db",)),
            Service(name="redis:6", aliases=("db",)),
            Service(name="redis:5", aliases=("db", "other")),
        ),
        variables(),
    )

    assert [service.image for service in services] == ["redis:7", "redis:5"]
    assert warnings == (
        *("Service redis:6 is already created. Ignoring.",) * 2,
        *("Service redis:5 is already created. Ignoring.",) * 2,
    )


async def test_a_service_is_reached_in_a_network_of_the_job(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", services=(Service(name=POSTGRES, aliases=("db",)),))
    )

    await world.run()

    specs = {c.spec.name: c.spec for c in world.backend.engine.created}
    assert specs["spot-ci-test-a-0-db"].aliases == ("db", "postgres")
    assert {spec.network for spec in specs.values()} == {"spot-ci-test-a"}
    assert "start_detached" in world.backend.engine.calls


@pytest.mark.parametrize(
    ("certificates", "port"), [(None, 2376), ("/certs", 2376), ("", 2375)]
)
async def test_a_nested_daemon_is_waited_for_where_it_listens(
    tmp_path: Path, certificates: str | None, port: int
) -> None:
    image = "docker:28-dind"
    own = (
        () if certificates is None else (variable("DOCKER_TLS_CERTDIR", certificates),)
    )
    world = World(
        tmp_path,
        replace(job("a", services=(Service(name=image),)), variables=own),
        nested_dind=True,
    )
    world.backend.images.ports[image] = (2375, 2376)

    await world.run()

    assert f"probe {port}" in world.backend.engine.calls


async def test_services_are_reached_past_the_proxy(tmp_path: Path) -> None:
    services = (Service(name=POSTGRES, aliases=("db",)),)
    world = World(
        tmp_path,
        job("a", services=services),
        variables=(variable("NO_PROXY", "localhost,db", level=Level.PREDEFINED),),
        proxied=True,
    )

    await world.run()

    direct = {c.spec.environment["NO_PROXY"] for c in world.backend.engine.created}
    assert direct == {"localhost,db,postgres"}
    assert "export NO_PROXY='localhost,db,postgres'\n" in world.script()


async def test_a_service_that_refuses_is_waited_for_and_warned_about(
    tmp_path: Path,
) -> None:
    world = World(
        tmp_path, job("a", services=(Service(name=POSTGRES),)), services_timeout=0.05
    )
    world.backend.images.ports[POSTGRES] = (9999, 5432)
    world.backend.engine.deaf.add(f"sha256:{POSTGRES}")
    world.backend.engine.service_logs = b"starting\nstill starting\n"

    result = await world.run()

    assert result.status == "success"
    log = world.log()
    start = log.index(
        f"*** WARNING: Service {POSTGRES} probably didn't start properly."
    )
    assert log[start - 1 : start + 9] == [
        "",
        f"*** WARNING: Service {POSTGRES} probably didn't start properly.",
        "",
        "Health check error:",
        f'service "{POSTGRES}" timeout',
        "",
        "Service container logs:",
        "starting",
        "still starting",
        "",
    ]
    assert "probe 5432" in world.backend.engine.calls
    assert "probe 9999" not in world.backend.engine.calls


async def test_a_service_that_ended_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, job("a", services=(Service(name=POSTGRES),)))
    world.backend.images.ports[POSTGRES] = (5432,)
    world.backend.engine.deaf.add(f"sha256:{POSTGRES}")
    world.backend.engine.dies.add(f"sha256:{POSTGRES}")

    with anyio.fail_after(5):
        await world.run()

    assert f'service "{POSTGRES}" has ended' in world.log()


@pytest.mark.parametrize(
    ("timeout", "ports", "own", "probed"),
    [
        pytest.param(30, (), {}, [], id="no port"),
        pytest.param(-1, (1,), {}, [], id="no waiting"),
        pytest.param(30, (7, 5), {}, ["probe 5"], id="lowest port"),
        pytest.param(
            30, (5,), {"HEALTHCHECK_TCP_PORT": "8"}, ["probe 8"], id="chosen port"
        ),
    ],
)
async def test_which_port_is_probed(
    tmp_path: Path,
    timeout: float,  # noqa: ASYNC109 - a setting of the run
    ports: tuple[int, ...],
    own: dict[str, str],
    probed: list[str],
) -> None:
    service = Service(
        name="s", variables=tuple(variable(name, own[name]) for name in own)
    )
    world = World(tmp_path, job("a", services=(service,)), services_timeout=timeout)
    world.backend.images.ports["s"] = ports

    await world.run()

    calls = [call for call in world.backend.engine.calls if call.startswith("probe")]
    assert calls == probed
    waits = "Waiting for services to be up and running (timeout 30 seconds)..."
    assert (waits in world.log()) is bool(probed)


async def test_logs_of_services_are_shown_when_the_job_fails(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), services=(Service(name=POSTGRES),))
    )
    world.backend.program("make", code=1)
    world.backend.engine.service_logs = b"".join(b"%d\n" % i for i in range(100))

    await world.run()

    shown = [line for line in world.log() if line.startswith("s ")]
    assert len(shown) == 30
    assert shown[-1] == "s [service:postgres] 99"


async def test_debugged_services_are_followed(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "a",
            script=("make",),
            services=(Service(name=POSTGRES),),
            variables={"CI_DEBUG_SERVICES": "true", "SECRET": "x"},
        ),
        variables=(variable("TOKEN", "secret-token", masked=True),),
    )
    world.backend.program(
        POSTGRES, output=[b"ready secret-", b"token\nlast"], hangs=True
    )

    await world.run()

    assert "s [service:postgres] ready [MASKED]" in world.log()
    assert "start_detached" not in world.backend.engine.calls


async def test_image_of_a_service_that_is_missing(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("a", image=Image(name="python:3"), services=(Service(name="no:1"),)),
    )
    world.backend.images.missing["no:1"] = "not found"

    result = await world.run()

    assert result.failure_reason == "image_pull_failure"
    assert world.backend.engine.created == []
