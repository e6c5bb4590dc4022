from __future__ import annotations

import subprocess

from spotci.dind import services
from spotci.executor.backend import ContainerSpec, Mount


def test_a_job_gets_the_engine_under_each_alias() -> None:
    access = services.docker_access(("docker", "dind"))

    assert access.extra_hosts == {"docker": "host-gateway", "dind": "host-gateway"}
    assert access.environment == {
        "DOCKER_HOST": "unix:///var/run/docker.sock",
        "DOCKER_TLS_VERIFY": "",
        "DOCKER_CERT_PATH": "",
    }
    assert access.mounts == (
        Mount(source="/run/spot-ci/docker.sock", target="/var/run/docker.sock"),
        Mount(source="/spotci/certs/client", target="/certs/client", read_only=True),
    )


def test_whoever_has_the_socket_has_the_engine() -> None:
    access = services.docker_access(("docker",))

    assert services.is_given(ContainerSpec(name="a", image="b", mounts=access.mounts))
    assert not services.is_given(ContainerSpec(name="a", image="b"))


class Told:
    """A shell that remembers what it was told."""

    def __init__(self) -> None:
        self.scripts: list[tuple[str, tuple[str, ...]]] = []

    async def run(self, script: str, *args: str, stdin: bytes = b"") -> bytes:
        assert stdin == b""
        self.scripts.append((script, args))
        return b""


async def test_the_registry_is_reached_by_a_posix_script() -> None:
    shell = Told()

    await services.reach_registry(shell, 123, 5000)

    ((script, args),) = shell.scripts
    assert args == ("123", "5000")
    subprocess.run(["sh", "-n", "-c", script], check=True)  # noqa: ASYNC221 - a moment
