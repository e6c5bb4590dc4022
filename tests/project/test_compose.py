from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.project.compose import ComposeService, services_at

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "port",
    [
        '"5000:5000"',
        '"127.0.0.1:5000:80"',
        '"[::1]:5000:80"',
        '"5000:80/tcp"',
        "{target: 80, published: 5000}",
        '{target: 80, published: "5000", host_ip: 127.0.0.1}',
    ],
)
def test_services_that_publish_a_port(tmp_path: Path, port: str) -> None:
    text = (
        f"services:\n  registry:\n    profiles: [ci]\n    ports: [{port}]\n  db: {{}}\n"
    )
    (tmp_path / "docker-compose.yml").write_text(text)

    found = services_at(tmp_path, 5000)

    service = ComposeService(
        file="docker-compose.yml", name="registry", profiles=("ci",)
    )
    assert found == (service,)
    assert services_at(tmp_path, 5001) == ()


@pytest.mark.parametrize(
    "port",
    [
        '"5000"',
        "5000",
        '"80:5000"',
        '"${PORT}:5000"',
        "{target: 5000}",
        '"4990-5010:1"',
    ],
)
def test_ports_that_are_others_or_unknown(tmp_path: Path, port: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services: {{a: {{ports: [{port}]}}}}\n")

    assert services_at(tmp_path, 5000) == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "services: 1", "services: {a: 1}", "a: [", "services: {a: {}}"]
)
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.yaml").write_text(text)

    assert services_at(tmp_path, 5000) == ()


def test_without_a_file_there_are_no_services(tmp_path: Path) -> None:
    assert services_at(tmp_path, 5000) == ()
