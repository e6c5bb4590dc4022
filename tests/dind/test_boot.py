from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spotci.dind.boot import engine_config, engine_digest, engine_files, socket_dir
from spotci.dind.settings import EngineSettings, ExtraVolume

SETTINGS = EngineSettings(state_dir=Path("/state"), transport="socket")


def config(settings: EngineSettings = SETTINGS, port: int | None = 5000) -> Any:
    return engine_config(settings, registry_port=port)


def test_the_configuration_of_the_engine() -> None:
    made = config()

    program = made.pop("Entrypoint")
    assert program[:2] == ["sh", "-c"]
    assert made == {
        "Image": "docker:28-dind",
        "Hostname": "spot-ci-dind",
        "Cmd": ["/run/spot-ci/docker.sock", "/spotci/certs", str(os.getgid())],
        "Env": ["DOCKER_HOST=unix:///run/spot-ci/docker.sock", "DOCKER_TLS_CERTDIR="],
        "ExposedPorts": {"5000/tcp": {}},
        "StopSignal": "SIGTERM",
        "Labels": {
            "spotci": "1",
            "spotci.engine": "spot-ci-dind",
            "spotci.role": "engine",
            "spotci.user": str(os.getuid()),
            "spotci.config": engine_digest(SETTINGS),
        },
        "HostConfig": {
            "Privileged": True,
            "Init": True,
            "UsernsMode": "host",
            "NetworkMode": "spot-ci",
            "Mounts": [
                _volume("spot-ci-dind-data", "/var/lib/docker", "data"),
                _volume("spot-ci-dind-work", "/spotci", "work"),
                {
                    "Type": "bind",
                    "Source": "/state/spot-ci-dind",
                    "Target": "/run/spot-ci",
                },
            ],
            "PortBindings": {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5000"}]},
            "Memory": 0,
            "NanoCpus": 0,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "10m", "max-file": "1"},
            },
        },
    }


def _volume(name: str, target: str, role: str) -> dict[str, object]:
    labels = {
        "spotci": "1",
        "spotci.engine": "spot-ci-dind",
        "spotci.role": role,
        "spotci.user": str(os.getuid()),
    }
    return {
        "Type": "volume",
        "Source": name,
        "Target": target,
        "VolumeOptions": {"Labels": labels},
    }


def test_the_program_never_listens_without_authentication() -> None:
    program = config()["Entrypoint"][2]

    listening = re.findall(r"--host=\S+", program)
    assert listening == ['--host="unix://$socket"', "--host=tcp://0.0.0.0:2376"]
    assert "--tlsverify" in program


def test_the_program_is_a_posix_shell_program() -> None:
    subprocess.run(["sh", "-n", "-c", config()["Entrypoint"][2]], check=True)


def test_limits_mirrors_and_proxies_reach_the_daemon() -> None:
    settings = replace(
        SETTINGS,
        memory=4 * 1024**3,
        cpus=1.5,
        mirrors=("https://mirror.example",),
        proxies={"HTTPS_PROXY": "http://proxy.example:3128"},
    )

    made = config(settings)

    assert made["HostConfig"]["Memory"] == 4 * 1024**3
    assert made["HostConfig"]["NanoCpus"] == 1_500_000_000
    assert made["Cmd"][3:] == ["--registry-mirror=https://mirror.example"]
    assert "HTTPS_PROXY=http://proxy.example:3128" in made["Env"]


def test_insecure_registries_reach_the_daemon() -> None:
    made = config(replace(SETTINGS, insecure_registries=("registry.example:5000",)))

    assert made["Cmd"][3:] == ["--insecure-registry=registry.example:5000"]


def test_extra_volumes_are_mounted_for_the_jobs() -> None:
    volumes = (
        ExtraVolume(source="/srv/data", target="/data"),
        ExtraVolume(source="models", target="/models"),
    )

    mounts = config(replace(SETTINGS, volumes=volumes))["HostConfig"]["Mounts"]

    assert mounts[2:4] == [
        {"Type": "bind", "Source": "/srv/data", "Target": "/mnt/spot-ci/0"},
        {"Type": "volume", "Source": "models", "Target": "/mnt/spot-ci/1"},
    ]


def test_authorities_are_files_of_the_container() -> None:
    settings = replace(SETTINGS, ca_certificates=("one", "two"))

    assert engine_files(settings) == {
        "/etc/spot-ci/ca/0.crt": b"one",
        "/etc/spot-ci/ca/1.crt": b"two",
    }
    assert engine_files(SETTINGS) == {}


def test_tls_publishes_a_port_and_shares_no_folder() -> None:
    made = config(replace(SETTINGS, transport="tls"))

    assert [mount["Type"] for mount in made["HostConfig"]["Mounts"]] == ["volume"] * 2
    assert made["HostConfig"]["PortBindings"]["2376/tcp"] == [
        {"HostIp": "127.0.0.1", "HostPort": ""}
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "docker:29-dind"},
        {"memory": 1024**3},
        {"cpus": 2},
        {"transport": "tls"},
        {"mirrors": ("https://mirror.example",)},
        {"state_dir": Path("/elsewhere")},
        {"registry_port": 5001},
        {"proxies": {"NO_PROXY": "*"}},
        {"registry_mirror": "https://registry.example"},
        {"insecure_registries": ("registry.example",)},
        {"ca_certificates": ("a certificate",)},
        {"volumes": (ExtraVolume(source="/srv", target="/data"),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_settings_have_another_digest(changes: dict[str, Any]) -> None:
    assert engine_digest(replace(SETTINGS, **changes)) != engine_digest(SETTINGS)


def test_a_replaced_port_has_the_same_digest() -> None:
    taken = config(port=None)

    assert taken["Labels"] == config()["Labels"]
    assert taken["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostPort"] == ""


def test_a_socket_too_deep_lies_among_temporary_files() -> None:
    deep = replace(SETTINGS, state_dir=Path("/" + "deep/" * 30))

    folder = socket_dir(deep)

    assert len(str(folder / "docker.sock")) < 104
    assert folder != socket_dir(replace(deep, name="other"))
