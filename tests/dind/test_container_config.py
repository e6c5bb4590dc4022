from __future__ import annotations

import os
from typing import Any

import pytest

from spotci.dind.containers import container_config
from spotci.dind.labels import boot_id, run_labels
from spotci.executor.backend import (
    ContainerSpec,
    Limits,
    Mount,
    NetworkId,
    Workspace,
    WorkspaceSpec,
)

LABELS = {
    "spotci": "1",
    "spotci.run": "r1",
    "spotci.pid": str(os.getpid()),
    "spotci.boot": boot_id(),
}


def config(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": "spot-ci-r1-job", "image": "busybox"}
    return container_config(ContainerSpec(**(fields | changes)), "r1")


def test_the_least_container_is_a_service() -> None:
    assert config() == {
        "Image": "busybox",
        "Env": [],
        "Labels": LABELS,
        "OpenStdin": False,
        "StdinOnce": False,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "HostConfig": {
            "Init": False,
            "Privileged": False,
            "NetworkMode": "bridge",
            "Mounts": [],
            "ExtraHosts": [],
            "LogConfig": {
                "Type": "local",
                "Config": {"max-size": "5m", "max-file": "2"},
            },
            "RestartPolicy": {"Name": "no"},
            "PidsLimit": 8192,
            "NanoCpus": 0,
            "Memory": 0,
            "MemorySwap": 0,
        },
    }


def test_a_job_has_an_init_its_input_once_and_no_log() -> None:
    made = config(stdin=True)

    assert made["OpenStdin"]
    assert made["StdinOnce"]
    assert made["AttachStdin"]
    assert made["HostConfig"]["Init"]
    assert made["HostConfig"]["LogConfig"] == {"Type": "none"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"entrypoint": ("",)}, {"Entrypoint": [""]}),
        ({"entrypoint": ()}, {"Entrypoint": []}),
        ({"command": ("sh", "-c", "x")}, {"Cmd": ["sh", "-c", "x"]}),
        ({"user": "1000:1000"}, {"User": "1000:1000"}),
        ({"working_dir": "/builds/a"}, {"WorkingDir": "/builds/a"}),
        ({"environment": {"A": "1", "B": "x=y"}}, {"Env": ["A=1", "B=x=y"]}),
        ({"labels": {"a": "b"}}, {"Labels": {**LABELS, "a": "b"}}),
        ({"labels": {"spotci.run": "stolen"}}, {"Labels": LABELS}),
        (
            {"network": NetworkId("n1"), "aliases": ("db", "postgres")},
            {
                "NetworkingConfig": {
                    "EndpointsConfig": {"n1": {"Aliases": ["db", "postgres"]}}
                }
            },
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_a_spec_asks_for(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    made = config(**changes)

    assert {key: made[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"privileged": True}, {"Privileged": True}),
        ({"network": NetworkId("n1")}, {"NetworkMode": "n1"}),
        ({"extra_hosts": {"docker": "10.0.0.1"}}, {"ExtraHosts": ["docker:10.0.0.1"]}),
        (
            {"limits": Limits(memory=1024, cpus=0.5, pids=None)},
            {
                "Memory": 1024,
                "MemorySwap": 1024,
                "NanoCpus": 500_000_000,
                "PidsLimit": -1,
            },
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_a_spec_asks_of_the_host(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    made = config(**changes)["HostConfig"]

    assert {key: made[key] for key in expected} == expected


def test_the_workspace_comes_first_and_mounts_are_of_two_types() -> None:
    spec = WorkspaceSpec(name="w", project_dir="/builds/a/b", snapshot=None)
    workspace = Workspace(
        id="w", spec=spec, mounts=(Mount(source="volume", target="/builds/a/b"),)
    )
    certificates = Mount(source="/spotci/c", target="/certs", read_only=True)

    made = config(workspace=workspace, mounts=(certificates,))

    assert made["HostConfig"]["Mounts"] == [
        {
            "Type": "volume",
            "Source": "volume",
            "Target": "/builds/a/b",
            "ReadOnly": False,
            "VolumeOptions": {"NoCopy": True},
        },
        {
            "Type": "bind",
            "Source": "/spotci/c",
            "Target": "/certs",
            "ReadOnly": True,
        },
    ]


def test_labels_of_a_run_cannot_be_taken() -> None:
    assert run_labels("r1", {"spotci": "0", "mine": "1"}) == {**LABELS, "mine": "1"}
