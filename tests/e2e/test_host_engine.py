"""Jobs in the developer's own Docker, beside containers that are not ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import docker
import pytest

from tests.e2e.conftest import committed
from tests.e2e.project import Project, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from docker.api.client import APIClient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

IMAGE = "busybox:1.36"
PIPELINE = dedent("""\
    stages: [build, use, wait]
    default: {image: busybox:1.36}

    make:
      stage: build
      variables: {SECRET_FILE: {value: $CI_COMMIT_SHA}}
      script:
        - mkdir dist
        - echo "made of $(cat message)" >dist/out
        - echo written >message
      artifacts: {paths: [dist/]}
      cache: {key: a, paths: [cached/]}

    docker:
      stage: build
      image: docker:28
      services: [docker:28-dind]
      script:
        - docker run --rm -v "$CI_PROJECT_DIR:/x" busybox:1.36 cat /x/message
        - docker build -q -t "$CI_REGISTRY_IMAGE:host" .
        - docker push -q "$CI_REGISTRY_IMAGE:host"
        - docker rmi -f "$CI_REGISTRY_IMAGE:host"

    use:
      stage: use
      services:
        - name: busybox:1.36
          alias: web
          command: [sh, -c, "echo served >index.html; exec httpd -f -p 8080"]
          variables: {HEALTHCHECK_TCP_PORT: "8080"}
      script:
        - cat dist/out message
        - wget -qO- http://web:8080/
        - "! test -e /var/run/docker.sock"

    pulled:
      stage: use
      image: $CI_REGISTRY_IMAGE:host
      script: cat /message

    sleep:
      stage: wait
      when: manual
      script: [echo asleep, sleep 600]
    """)


@pytest.fixture(scope="module")
def host() -> Iterator[APIClient]:
    client = docker.from_env().api
    yield client
    client.close()


@pytest.fixture
def bystander(host: APIClient) -> Iterator[Callable[[], bool]]:
    """Somebody else's container, network and volume; says whether they are there."""
    name = f"bystander-{os.getpid()}"
    network = host.create_network(name)["Id"]
    config = host.create_host_config(binds=[f"{name}:/data"])
    made = host.create_container(IMAGE, "sleep 600", name=name, host_config=config)
    host.start(made["Id"])

    def lives() -> bool:
        return (
            bool(host.inspect_container(name)["State"]["Running"])
            and bool(host.networks(names=[name]))
            and bool(host.inspect_volume(name))
        )

    yield lives
    host.remove_container(made["Id"], force=True)
    host.remove_network(network)
    host.remove_volume(name)


@pytest.fixture
def shop(tmp_path: Path, environ: dict[str, str]) -> Iterator[Project]:
    root = tmp_path / "shop"
    root.mkdir()
    (root / ".gitlab-ci.yml").write_text(PIPELINE)
    (root / "Dockerfile").write_text("FROM busybox:1.36\nCOPY message /message\n")
    (root / "message").write_text("from the source\n")
    own = {
        "SPOTCI_ENGINE_KIND": "host",
        "SPOTCI_ENGINE_NAME": f"{environ['SPOTCI_ENGINE_NAME']}-host",
        "SPOTCI_REGISTRY_PORT": str(free_port()),
    }
    project = committed(Project(root, environ | own))
    yield project
    # The lease of a run that was killed looks once more some seconds later.
    project.spotci("clean", "--force")


def ours(host: APIClient, project: Project) -> list[dict[str, Any]]:
    """Return what there is of the project's engine: containers, networks, volumes."""
    label = f"spotci.engine={project.environ['SPOTCI_ENGINE_NAME']}"
    filters = {"label": label}
    return [
        *host.containers(all=True, filters=filters),
        *host.networks(filters=filters),
        *(host.volumes(filters=filters)["Volumes"] or ()),
    ]


def runs(host: APIClient, project: Project) -> list[str]:
    """Return the names of what runs have made there."""
    return [
        str(item.get("Names") or item["Name"])
        for item in ours(host, project)
        if "spotci.run" in (item["Labels"] or {})
    ]


def test_a_pipeline_in_the_own_docker(
    shop: Project, host: APIClient, bystander: Callable[[], bool]
) -> None:
    run = shop.run()

    assert run.statuses == {
        **dict.fromkeys(("make", "docker", "use", "pulled"), "success"),
        "sleep": "manual",
    }
    assert "made of from the source" in run.log("use")
    assert "served" in run.log("use")
    assert "from the source" in run.log("docker")
    assert "from the source" in run.log("pulled")
    (head,) = [
        event["text"]
        for event in run.events
        if event["event"] == "notice" and event["text"].startswith("isolation")
    ]
    assert head == (
        "isolation: T1, docker commands your own Docker (--engine host), with all your"
        " containers: as good as root on this machine"
    )
    assert runs(host, shop) == []
    assert bystander()
    assert (shop.root / "message").read_text() == "from the source\n"

    shop.spotci("clean")
    assert ours(host, shop) == []
    assert bystander()


def test_a_killed_run_leaves_nothing_but_what_is_not_ours(
    shop: Project, host: APIClient, bystander: Callable[[], bool]
) -> None:
    command = [sys.executable, "-m", "spotci", "run", "--no-needs", "sleep"]
    with subprocess.Popen(
        command, cwd=shop.root, env=shop.environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any("| asleep" in line for line in process.stdout)
        assert runs(host, shop) != []
        process.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 60
    while runs(host, shop) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert runs(host, shop) == []
    assert bystander()


def test_a_run_goes_on_after_the_death_of_its_helper(
    shop: Project, host: APIClient, bystander: Callable[[], bool]
) -> None:
    (shop.root / ".gitlab-ci.yml").write_text(
        dedent("""\
        default: {image: busybox:1.36}
        make:
          script: [echo made >out]
          artifacts: {paths: [out]}
        use:
          stage: deploy
          retry: {max: 1, when: runner_system_failure}
          script: [echo begun, sleep 4, cat out]
          artifacts: {paths: [out]}
        """)
    )
    command = [sys.executable, "-m", "spotci", "run", "--output", "plain"]
    with subprocess.Popen(
        command, cwd=shop.root, env=shop.environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any("| begun" in line for line in process.stdout)
        host.kill(f"{shop.environ['SPOTCI_ENGINE_NAME']}-host")
        output = process.stdout.read()

    assert process.returncode == 0, output
    assert "the engine runs again" in output
    assert "use  | made" in output
    assert runs(host, shop) == []
    assert bystander()
