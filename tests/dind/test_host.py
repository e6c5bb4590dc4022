from __future__ import annotations

from types import MappingProxyType

import pytest

from spotci.cli.engine_settings import parse_volume
from spotci.dind.host import helper_config, moved
from spotci.dind.job_defaults import with_defaults
from spotci.dind.registry import registry_config
from spotci.dind.settings import EngineSettings
from spotci.executor.backend import ContainerSpec, Mount, Workspace, WorkspaceSpec

SETTINGS = EngineSettings(kind="host")
PATHS = MappingProxyType(
    {
        "/run/spot-ci/docker.sock": "/var/run/docker.sock",
        "/spotci-private": "/volumes/private",
        "/spotci": "/volumes/files",
    }
)


def test_the_helper_has_no_privileges() -> None:
    config = helper_config("/var/run/docker.sock", SETTINGS)

    host = config["HostConfig"]
    assert not {"Privileged", "CapAdd", "Devices", "PidMode"} & set(host)
    assert {mount["Target"]: mount["Source"] for mount in host["Mounts"]} == {
        "/spotci": "spot-ci-dind-host-work",
        "/spotci-private": "spot-ci-dind-host-private",
        "/run/spot-ci/docker.sock": "/var/run/docker.sock",
    }
    assert config["Labels"]["spotci.engine"] == "spot-ci-dind"


def test_another_socket_is_another_helper() -> None:
    one, other = (
        helper_config(path, SETTINGS)["Labels"]["spotci.config"]
        for path in ("/a", "/b")
    )

    assert one != other


def test_the_registry_listens_at_the_loopback_of_the_host_alone() -> None:
    environment = registry_config(SETTINGS, "helper")["Env"]

    assert "REGISTRY_HTTP_ADDR=127.0.0.1:5000" in environment


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("/spotci/r/run/w1/m", "/volumes/files/r/run/w1/m"),
        ("/spotci-private/run/1", "/volumes/private/run/1"),
        ("/run/spot-ci/docker.sock", "/var/run/docker.sock"),
        ("/spotcix", "/spotcix"),
        ("models", "models"),
    ],
)
def test_mounts_are_where_the_daemon_finds_them(inside: str, outside: str) -> None:
    mount = Mount(source=inside, target="/x", read_only=True)
    place = WorkspaceSpec(name="job", project_dir="/builds", snapshot=None)
    workspace = Workspace(id="w1", spec=place, mounts=(mount,))
    spec = ContainerSpec(name="job", image="i", workspace=workspace, mounts=(mount,))

    made = moved(spec, PATHS)

    expected = (Mount(source=outside, target="/x", read_only=True),)
    assert made.mounts == expected
    assert made.workspace is not None
    assert made.workspace.mounts == expected


def test_volumes_of_the_settings_are_taken_from_the_host() -> None:
    settings = EngineSettings(kind="host", volumes=(parse_volume("/srv:/data:ro"),))

    made = with_defaults(ContainerSpec(name="job", image="i"), settings)

    assert made.mounts == (Mount(source="/srv", target="/data", read_only=True),)
