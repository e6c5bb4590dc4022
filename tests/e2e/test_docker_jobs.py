"""Jobs that command Docker, in the ways that projects do, in one pipeline."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import committed
from tests.e2e.project import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PIPELINE = dedent("""\
    stages: [build, use, nested]
    default: {image: docker:28}

    .tls:
      services: [docker:28-dind]
      variables:
        DOCKER_HOST: tcp://docker:2376
        DOCKER_TLS_CERTDIR: /certs
        DOCKER_TLS_VERIFY: "1"
        DOCKER_CERT_PATH: $DOCKER_TLS_CERTDIR/client

    tls:
      extends: .tls
      stage: build
      script:
        - echo "$CI_REGISTRY_PASSWORD" |
          docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"
        - docker build -t "$CI_REGISTRY_IMAGE:pushed" .
        - docker push "$CI_REGISTRY_IMAGE:pushed"
        - docker run -d --name left -v left:/data busybox:1.36 sleep 600

    without tls:
      stage: build
      services: [docker:28-dind]
      variables: {DOCKER_HOST: tcp://docker:2375, DOCKER_TLS_CERTDIR: ""}
      parallel: 2
      script:
        - echo "$CI_NODE_INDEX" >mine
        - docker run --rm -v "$CI_PROJECT_DIR:/x" busybox:1.36 cp /x/mine /x/copy
        - test "$(cat copy)" = "$CI_NODE_INDEX"

    compose:
      stage: build
      parallel: 2
      script:
        - docker compose run --rm check
        - docker compose down

    image of the registry:
      stage: use
      image: $CI_REGISTRY_IMAGE:pushed
      script: cat /message

    cached layers:
      stage: use
      script:
        - test -z "$(docker ps -aq -f name=left)$(docker volume ls -q -f name=left)"
        - docker buildx build --progress=plain --load -t again . 2>&1 | grep CACHED

    plain:
      stage: use
      image: python:3.12-slim
      script:
        - "! test -e /var/run/docker.sock"
        - "! test -e /certs"
        - grep 'CapEff.*00000000a80425fb' /proc/self/status
        - python -c "import urllib.request as r; print(r.urlopen('http://$CI_REGISTRY/v2/_catalog').read())"

    nested:
      extends: .tls
      stage: nested
      when: manual
      script:
        - docker info --format '{{.Driver}} {{.Images}}'
        - test ! -e /var/run/docker.sock
    """)
DOCKERFILE = """\
FROM busybox:1.36
RUN echo built >/built
COPY message /message
"""
COMPOSE = """\
services:
  web:
    image: busybox:1.36
    container_name: ${COMPOSE_PROJECT_NAME:-only}-web
    command: [sh, -c, "echo served >index.html; exec httpd -f -p 8080"]
    healthcheck: {test: [CMD, wget, -qO-, "http://127.0.0.1:8080/"], interval: 1s}
  check:
    image: busybox:1.36
    command: [wget, -qO-, "http://web:8080/"]
    depends_on: {web: {condition: service_healthy}}
"""


@pytest.fixture
def shop(tmp_path: Path, environ: dict[str, str]) -> Project:
    root = tmp_path / "shop"
    root.mkdir()
    (root / ".gitlab-ci.yml").write_text(PIPELINE)
    (root / "Dockerfile").write_text(DOCKERFILE)
    (root / "compose.yaml").write_text(COMPOSE)
    (root / "message").write_text("hello from the registry\n")
    return committed(Project(root, environ))


def test_docker_in_jobs(shop: Project) -> None:
    run = shop.run()

    assert run.statuses == {
        **dict.fromkeys(
            (
                *("tls", "without tls 1/2", "without tls 2/2"),
                *("compose 1/2", "compose 2/2"),
                *("image of the registry", "cached layers", "plain"),
            ),
            "success",
        ),
        "nested": "manual",
    }
    assert "served" in run.log("compose 1/2")
    assert "served" in run.log("compose 2/2")
    assert "hello from the registry" in run.log("image of the registry")
    assert "spot/spot-platform" in run.log("plain")
    (head,) = [
        event["text"]
        for event in run.events
        if event["event"] == "notice" and event["text"].startswith("isolation")
    ]
    assert head.startswith("isolation: T1, tls, without tls 1/2, without tls 2/2 and")

    shop.spotci("registry", "gc")
    assert "spot/spot-platform  pushed" in shop.spotci("registry", "list")
    shop.spotci("registry", "stop")
    assert "does not run" in shop.spotci("registry", "status")
    shop.spotci("registry", "start")
    assert "is empty" in shop.spotci("registry", "clean", "--all")
    assert shop.spotci("registry", "list") == "nothing was pushed yet\n"


def test_a_daemon_of_its_own(shop: Project) -> None:
    run = shop.run("--no-needs", "--dind-service", "nested", "nested")

    assert run.statuses == {"nested": "success"}
    assert "overlay2 0" in run.log("nested")
    assert "probably didn't start properly" not in run.log("nested")
