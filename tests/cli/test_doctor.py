from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from spotci.cli.doctor_engine import describe_facts
from spotci.dind.engine import EngineStatus
from spotci.dind.examine import Facts
from spotci.dind.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

SETTINGS = EngineSettings(transport="socket")
RUNNING = EngineStatus(
    name="spot-ci-dind",
    state="running",
    version="28.2.2",
    storage_driver="overlay2",
    registry_running=True,
    registry_port=5000,
)
ABSENT = EngineStatus(name="spot-ci-dind", state="absent")
FACTS = Facts(
    address="unix:///var/run/docker.sock",
    version="26.1.5",
    storage_driver="overlay2",
    memory=8 * 1024**3,
    cpus=2,
    rootless=False,
    engine=RUNNING,
    has_image=True,
)

STARTS = "starts with the next run"


def described(facts: Facts, **settings: Any) -> dict[str, tuple[str, str, str]]:
    found = describe_facts(facts, replace(SETTINGS, **settings))
    return {each.what: (each.level, each.text, each.remedy) for each in found}


def test_a_machine_where_all_is_well() -> None:
    assert described(FACTS) == {
        "docker": (
            "ok",
            "26.1.5 at unix:///var/run/docker.sock, overlay2, 2 processors, 8.0 GiB",
            "",
        ),
        "engine": (
            "ok",
            "spot-ci-dind is running: Docker 28.2.2, overlay2, by socket",
            "",
        ),
        "registry": ("ok", "at localhost:5000, here and in jobs", ""),
    }


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"storage_driver": "vfs"}, "vfs copies whole images: put Docker's data root"),
        ({"memory": 1024**3}, "give Docker 2 GiB or more"),
        ({"rootless": True}, "a daemon without root can refuse"),
    ],
    ids=["vfs", "memory", "rootless"],
)
def test_what_is_poor_about_the_host(changes: dict[str, Any], remedy: str) -> None:
    level, _, said = described(replace(FACTS, **changes))["docker"]

    assert level == "warning"
    assert said.startswith(remedy)


@pytest.mark.parametrize(
    ("changes", "level", "text", "remedy"),
    [
        (
            {"engine": ABSENT},
            "ok",
            f"spot-ci-dind is absent, and {STARTS}",
            "",
        ),
        (
            {"engine": ABSENT, "has_image": False},
            "ok",
            f"spot-ci-dind is absent, and {STARTS}, which pulls docker:28-dind",
            "",
        ),
        (
            {"engine": replace(RUNNING, state="silent")},
            "warning",
            "spot-ci-dind is silent: its daemon does not answer",
            "the next run restarts it; see: docker logs spot-ci-dind",
        ),
        (
            {"current": False},
            "warning",
            "spot-ci-dind is running, made from other settings",
            "the next run makes it anew, unless another run uses it",
        ),
        (
            {"foreign": True},
            "error",
            "the container spot-ci-dind is not yours",
            "choose another name: engine.name, or SPOTCI_ENGINE_NAME",
        ),
    ],
    ids=["absent", "no image", "silent", "other settings", "foreign"],
)
def test_the_engine(
    changes: dict[str, Any], level: str, text: str, remedy: str
) -> None:
    assert described(replace(FACTS, **changes))["engine"] == (level, text, remedy)


TAKEN = (
    "port 5000 of this machine is taken by the container office; registry.port in"
    " .spotci.toml chooses another for all"
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"engine": ABSENT},
            ("ok", "starts with the engine, at localhost:5000", ""),
        ),
        (
            {"current": False},
            ("ok", "starts with the engine, at localhost:5000", ""),
        ),
        (
            {"engine": ABSENT, "holder": "the container office"},
            ("warning", "starts with the engine, at localhost:5000", TAKEN),
        ),
        (
            {"engine": replace(RUNNING, registry_running=False)},
            ("warning", "does not run", "spotci registry start"),
        ),
        (
            {
                "engine": replace(RUNNING, registry_port=32768),
                "holder": "the container office",
            },
            (
                "warning",
                "at localhost:32768 here, at localhost:5000 in jobs",
                TAKEN,
            ),
        ),
        (
            {"engine": replace(RUNNING, registry_port=32768)},
            (
                "warning",
                "at localhost:32768 here, at localhost:5000 in jobs",
                "port 5000 of this machine was taken; spotci clean, if it is free now",
            ),
        ),
    ],
    ids=[
        "absent",
        "to be made anew",
        "taken",
        "stopped",
        "elsewhere",
        "elsewhere for nothing",
    ],
)
def test_the_registry(changes: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert described(replace(FACTS, **changes))["registry"] == expected


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"mirror_running": True}, "ok", "keeps what is pulled from https://hub"),
        ({"engine": ABSENT}, "ok", "of https://hub starts with the engine"),
        ({}, "warning", "of https://hub does not run"),
    ],
    ids=["runs", "absent", "stopped"],
)
def test_the_mirror(changes: dict[str, Any], level: str, text: str) -> None:
    facts = replace(FACTS, **changes)

    assert described(facts, registry_mirror="https://hub")["mirror"][:2] == (
        level,
        text,
    )


def test_without_docker_the_way_on_is_told(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    spotci = project({".gitlab-ci.yml": "a: {script: x}"})
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")

    outcome = spotci("doctor")

    assert outcome.code == 3
    assert (
        "✗ docker       no Docker daemon answers at unix:///nonexistent" in outcome.out
    )
    assert "--engine shell" in outcome.out


def test_a_daemon_on_another_machine_without_tls_is_refused(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    spotci = project({".gitlab-ci.yml": "a: {script: x}"})
    monkeypatch.setenv("DOCKER_HOST", "tcp://build.example.com:2375")

    outcome = spotci("doctor")

    assert outcome.code == 3
    assert (
        "✗ docker       the Docker daemon at tcp://build.example.com:2375 is on another"
        " machine, without TLS"
    ) in " ".join(outcome.out.splitlines())


def test_settings_that_are_wrong_are_told(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    spotci = project({".gitlab-ci.yml": "a: {script: x}"})
    monkeypatch.setenv("SPOTCI_ENGINE_CA_CERTIFICATES", "/nonexistent.pem")

    outcome = spotci("doctor")

    assert outcome.code == 3
    assert "engine.ca_certificates: /nonexistent.pem" in outcome.out
