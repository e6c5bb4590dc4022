from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spotci.cli.concurrency import default_concurrency
from spotci.cli.engine_settings import engine_settings, parse_size
from spotci.cli.loading import open_here
from spotci.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine


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
        "NO_PROXY": "localhost",
    }
    assert replace(settings, memory=None).memory is None


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
