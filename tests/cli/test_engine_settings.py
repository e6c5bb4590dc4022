from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spotci.cli.concurrency import default_concurrency
from spotci.cli.engine_settings import (
    engine_settings,
    parse_size,
    parse_volume,
    read_certificates,
)
from spotci.cli.loading import open_here
from spotci.dind.settings import ExtraVolume
from spotci.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("512m", 512 * 1024**2),
        ("8g", 8 * 1024**3),
        ("8 GiB", 8 * 1024**3),
        ("1.5G", 3 * 512 * 1024**2),
        ("1TB", 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1g", "8x", "g"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match=r"engine.memory must be a size"):
        parse_size(text)


def test_the_settings_of_a_project_make_the_engine(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    project({".spotci.toml": '[engine]\nmemory = "4g"\n[registry]\nport = 5001\n'})
    monkeypatch.setenv("SPOTCI_ENGINE_NAME", "spot-ci-test")
    monkeypatch.setenv("SPOTCI_ENGINE_TRANSPORT", "tls")
    monkeypatch.setenv("SPOTCI_ENGINE_PROXY", "http://proxy:3128")
    monkeypatch.setenv("SPOTCI_ENGINE_NO_PROXY", "localhost")

    settings = engine_settings(open_here())

    assert (settings.name, settings.transport) == ("spot-ci-test", "tls")
    assert (settings.memory, settings.registry_port) == (4 * 1024**3, 5001)
    assert settings.proxies == {
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "NO_PROXY": "localhost,127.0.0.1,::1",
    }
    assert replace(settings, memory=None).memory is None


def test_what_reaches_the_daemon_and_the_jobs(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    project({"ca.pem": f"# Ours\n{CERTIFICATE}{CERTIFICATE}"})
    monkeypatch.setenv("SPOTCI_ENGINE_CA_CERTIFICATES", "ca.pem")
    monkeypatch.setenv("SPOTCI_ENGINE_INSECURE_REGISTRIES", "a:5000, 10.0.0.0/8")
    monkeypatch.setenv("SPOTCI_ENGINE_MIRRORS", "https://mirror.example")
    monkeypatch.setenv("SPOTCI_ENGINE_VOLUMES", "/srv/data:/data:ro,models:/models")

    settings = engine_settings(open_here())

    assert settings.ca_certificates == (CERTIFICATE, CERTIFICATE)
    assert settings.insecure_registries == ("a:5000", "10.0.0.0/8")
    assert settings.mirrors == ("https://mirror.example",)
    assert settings.volumes == (
        ExtraVolume(source="/srv/data", target="/data", read_only=True),
        ExtraVolume(source="models", target="/models"),
    )


def test_the_own_docker_has_a_helper_and_a_registry_of_other_names(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    project({"file": ""})
    monkeypatch.setenv("SPOTCI_ENGINE_KIND", "host")

    settings = engine_settings(open_here())

    assert (settings.kind, settings.name) == ("host", "spot-ci-dind")
    assert settings.container == "spot-ci-dind-host"
    assert settings.registry_name == "spot-ci-registry-host"
    assert settings.work_volume == "spot-ci-dind-host-work"


@pytest.mark.parametrize(
    "text", ["/data", "data:models", "/a:/b:rx", ":/b", "/a:/b:ro:ro", "../a:/b"]
)
def test_what_is_no_volume(text: str) -> None:
    with pytest.raises(UsageError, match=r"engine.volumes must be such as"):
        parse_volume(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"\x30\x82\xff", "can't decode byte"),
        (b"-----BEGIN PRIVATE KEY-----\n", "has no certificate in PEM"),
    ],
    ids=["no file", "DER", "a key"],
)
def test_what_is_no_certificate(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UsageError, match=message):
        read_certificates([str(path)])


@pytest.mark.parametrize(
    ("cpus", "memory", "expected"),
    [
        pytest.param(1, 64 * 1024**3, 2, id="one processor"),
        pytest.param(0.5, None, 2, id="never one alone"),
        pytest.param(None, 1024**3, 2, id="little memory"),
    ],
)
def test_limits_of_the_engine_bound_the_jobs(
    cpus: float | None, memory: int | None, expected: int
) -> None:
    assert default_concurrency(cpus, memory) == expected


def test_the_machine_bounds_them_too() -> None:
    assert 2 <= default_concurrency() <= 32
    assert default_concurrency(1000, 2**60) == default_concurrency()
