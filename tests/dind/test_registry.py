from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spotci.dind.boot import engine_config
from spotci.dind.registry import mirror_config, registry_config
from spotci.dind.settings import EngineSettings

HUB = "https://registry-1.docker.io"
SETTINGS = EngineSettings(registry_mirror=HUB, mirrors=("https://mirror.example",))


def volume_of(config: dict[str, Any]) -> str:
    (mount,) = config["HostConfig"]["Mounts"]
    return str(mount["Source"])


def test_the_registry_and_its_mirror_are_apart() -> None:
    registry, mirror = registry_config(SETTINGS, "e"), mirror_config(SETTINGS, "e")

    assert "REGISTRY_HTTP_ADDR=0.0.0.0:5000" in registry["Env"]
    assert not any("PROXY" in line for line in registry["Env"])
    assert volume_of(registry) == "spot-ci-registry"
    assert "REGISTRY_HTTP_ADDR=127.0.0.1:5001" in mirror["Env"]
    assert f"REGISTRY_PROXY_REMOTEURL={HUB}" in mirror["Env"]
    assert volume_of(mirror) == "spot-ci-registry-mirror"
    for config in (registry, mirror):
        assert config["HostConfig"]["NetworkMode"] == "container:e"


def test_the_mirror_asks_through_the_proxy() -> None:
    settings = replace(SETTINGS, proxies={"HTTPS_PROXY": "http://proxy.example:3128"})

    assert (
        "HTTPS_PROXY=http://proxy.example:3128" in mirror_config(settings, "e")["Env"]
    )


def test_the_daemon_asks_the_mirror_before_others() -> None:
    command: Any = engine_config(SETTINGS, registry_port=5000)["Cmd"]

    assert command[3:] == [
        "--registry-mirror=http://127.0.0.1:5001",
        "--registry-mirror=https://mirror.example",
    ]


@pytest.mark.parametrize(("port", "mirror"), [(5000, 5001), (65535, 1)])
def test_the_port_of_the_mirror_is_a_port(port: int, mirror: int) -> None:
    assert EngineSettings(registry_port=port).mirror_port == mirror
