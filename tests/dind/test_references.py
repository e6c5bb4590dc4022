from __future__ import annotations

import pytest

from spotci.dind.references import Reference

_DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "full", "registry"),
    [
        pytest.param("redis", "redis:latest", "docker.io", id="bare"),
        pytest.param("redis:7", "redis:7", "docker.io", id="tag"),
        pytest.param("me/app:1", "me/app:1", "docker.io", id="namespace"),
        pytest.param("docker.io/library/redis:7", None, "docker.io", id="hub"),
        pytest.param("index.docker.io/me/app:1", None, "docker.io", id="hub's index"),
        pytest.param("ghcr.io/a/b/c:1", None, "ghcr.io", id="registry"),
        pytest.param("localhost/app:1", None, "localhost", id="localhost"),
        pytest.param("host:5000/app", "host:5000/app:latest", "host:5000", id="port"),
        pytest.param(f"redis@{_DIGEST}", None, "docker.io", id="digest"),
        pytest.param(
            f"redis:7@{_DIGEST}",
            f"redis@{_DIGEST}",
            "docker.io",
            id="a digest beats a tag",
        ),
        pytest.param(_DIGEST, _DIGEST, "docker.io", id="id"),
    ],
)
def test_names_in_full(name: str, full: str | None, registry: str) -> None:
    reference = Reference.parse(name)

    assert reference.name == (full or name)
    assert reference.registry == registry


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("localhost:5000/app", True, id="localhost"),
        pytest.param("127.0.0.1:5000/a/b:1", True, id="address"),
        pytest.param("[::1]:5000/app", True, id="IPv6"),
        pytest.param("localhost:5001/app", False, id="another port"),
        pytest.param("localhost/app", False, id="no port"),
        pytest.param("example.com:5000/app", False, id="another host"),
        pytest.param("app", False, id="Docker Hub"),
    ],
)
def test_our_registry(name: str, *, expected: bool) -> None:
    assert Reference.parse(name).is_on_loopback(5000) is expected
