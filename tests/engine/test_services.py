from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.executor.backend import ContainerSpec
from tests.engine.real import load_image

if TYPE_CHECKING:
    from spotci.dind.containers import DockerEngine
    from spotci.dind.engine import DindEngine

pytestmark = pytest.mark.engine

CLIENT = "docker:28"


@pytest.fixture(scope="module", autouse=True)
async def _image(engine: DindEngine) -> None:
    await load_image(engine, CLIENT)


async def run_with_docker(
    engine: DockerEngine, script: str, *, network: bool = False
) -> tuple[int, str]:
    own = await engine.create_network("spot-ci-net") if network else None
    access = await engine.docker_access(own, aliases=("docker", "dind"))
    assert access is not None
    spec = ContainerSpec(
        name="spot-ci-docker",
        image=CLIENT,
        command=("sh",),
        environment={"DOCKER_TLS_CERTDIR": "/certs", **access.environment},
        mounts=access.mounts,
        extra_hosts=access.extra_hosts,
        network=own,
        stdin=True,
    )
    container = await engine.create(spec)
    async with engine.start(container, stdin=script.encode()) as process:
        output = b"".join([chunk async for chunk in process.output])
        ended = await process.wait()
    await engine.remove(container)
    if own is not None:
        await engine.remove_network(own)
    return ended.code, output.decode()


@pytest.mark.parametrize("network", [False, True], ids=["default", "own network"])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("", id="as set"),
        pytest.param("unset DOCKER_HOST;", id="socket"),
        pytest.param(
            "export DOCKER_HOST=tcp://docker:2376 DOCKER_TLS_VERIFY=1"
            " DOCKER_CERT_PATH=/certs/client;",
            id="tls",
        ),
        pytest.param(
            "export DOCKER_HOST=tcp://dind:2376 DOCKER_TLS_VERIFY=1"
            " DOCKER_CERT_PATH=$DOCKER_TLS_CERTDIR/client;",
            id="tls of another alias",
        ),
    ],
)
async def test_a_job_commands_the_engine(
    docker_engine: DockerEngine, engine: DindEngine, script: str, *, network: bool
) -> None:
    code, output = await run_with_docker(
        docker_engine, script + "docker info --format '{{.Name}}'", network=network
    )

    assert (code, output.strip()) == (0, engine.settings.name)


async def test_nobody_commands_the_engine_without_a_certificate(
    docker_engine: DockerEngine,
) -> None:
    script = """
    for port in 2375 2376; do
      docker -H tcp://docker:$port --tls=false version && exit 1
    done
    docker -H tcp://docker:2376 --tls version && exit 1
    exit 0
    """

    code, output = await run_with_docker(docker_engine, script)

    assert code == 0, output


@pytest.mark.parametrize("network", [False, True], ids=["default", "own network"])
async def test_images_are_pushed_and_pulled_and_the_registry_is_asked(
    docker_engine: DockerEngine, engine: DindEngine, *, network: bool
) -> None:
    port = engine.settings.registry_port
    script = f"""
    set -e
    echo secret | docker login -u ci --password-stdin localhost:{port} >/dev/null 2>&1
    docker tag busybox:1.36 localhost:{port}/group/app:v1
    docker push -q localhost:{port}/group/app:v1 >/dev/null
    docker rmi localhost:{port}/group/app:v1 >/dev/null
    docker run --rm localhost:{port}/group/app:v1 echo pulled 2>/dev/null
    docker rmi localhost:{port}/group/app:v1 >/dev/null
    # No curl in this image: the shell of Debian speaks TCP itself.
    exec 3<>/dev/tcp/127.0.0.1/{port}
    printf 'GET /v2/_catalog HTTP/1.0\\r\\n\\r\\n' >&3
    cat <&3 | tail -n 1
    """

    code, output = await run_with_docker(
        docker_engine, f"exec bash <<'END'\n{script}\nEND\n", network=network
    )

    pulled, catalogue, *_ = output.split("\n")
    assert (code, pulled) == (0, "pulled")
    # Other tests push to the same registry.
    assert '"group/app"' in catalogue
