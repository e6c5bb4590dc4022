"""What a job has in the engine: image, container, secrets, Docker, registry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spotci.events import FailureReason, JobStatus, Progress
from spotci.executor.backend import DockerAccess
from spotci.pipeline import Image, Service
from spotci.variables import Level
from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_missing_image_fails_that_job_alone(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", image=Image(name="no/such:1")), job("test"))
    world.backend.images.missing["no/such:1"] = "manifest unknown"

    async with world.runner() as runner:
        results = [
            await runner.run(each, 1) for each in world.plan.pipeline.jobs.values()
        ]

    assert results[0].failure_reason is FailureReason.IMAGE_PULL_FAILURE
    assert results[0].message == (
        'failed to pull image "no/such:1" with specified policies [if-not-present]: '
        "manifest unknown"
    )
    assert (
        'WARNING: Failed to pull image with policy "if-not-present": manifest unknown'
    ) in world.log("build")
    assert results[1].status is JobStatus.SUCCESS
    assert world.backend.left() == []


async def test_images_are_pulled_as_they_say_or_as_the_settings_do(
    tmp_path: Path,
) -> None:
    always = Image(name="a:1", pull_policy=("always", "never"))
    world = World(
        tmp_path,
        job("a", image=always, services=(Service(name="s:1"),)),
        pull_policy="never",
    )

    await world.run()

    assert sorted(world.backend.images.asked) == [
        ("a:1", ("always", "never")),
        ("s:1", ("never",)),
    ]


async def test_progress_of_images(tmp_path: Path) -> None:
    world = World(tmp_path, job("a"))
    world.backend.images.remote.add("ruby:3.1")

    await world.run()

    last = world.events.of(Progress)[-1]
    assert (last.subject, last.done, last.total, last.finished) == (
        "ruby:3.1",
        100,
        100,
        True,
    )


async def test_secrets_enter_by_stdin_alone(tmp_path: Path) -> None:
    secret = "hidden-value-1234"
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            variables={"PUBLIC": "seen", "URL": "https://u:$TOKEN@host"},
            services=(Service(name="redis"),),
        ),
        variables=(
            variable("TOKEN", secret, Level.PROJECT, masked=True),
            variable("SETTING", "of the project", Level.PROJECT),
            variable("KEY", f"file {secret}", file=True, masked=True),
        ),
    )
    world.backend.program("make", output=[b"leak hidden-", b"value-1234\n"])

    await world.run()

    for container in world.backend.engine.created:
        assert secret not in repr(container.spec)
        assert container.spec.environment["PUBLIC"] == "seen"
        assert "SETTING" not in container.spec.environment
        assert "KEY" not in container.spec.environment
    script = world.script(
        next(
            index
            for index, container in enumerate(world.backend.engine.created)
            if container.scripts != [None]
        )
    )
    assert f"export TOKEN='{secret}'" in script
    assert "export KEY='/builds/local/project.tmp/KEY'" in script
    assert "  leak [MASKED]" in world.log()
    assert secret not in repr(world.events.all)


async def test_docker_access_replaces_the_service(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "image",
            image=Image(name="docker:28"),
            services=(Service(name="docker:28-dind"),),
            variables={"DOCKER_HOST": "tcp://docker:2375"},
        ),
    )
    world.backend.engine.access = DockerAccess(
        environment={"DOCKER_HOST": "tcp://docker:2376"},
        extra_hosts={"docker": "10.0.0.1"},
    )

    await world.run()

    assert len(world.backend.engine.created) == 1
    spec = world.backend.engine.created[0].spec
    assert spec.network is None
    assert spec.extra_hosts == {"docker": "10.0.0.1"}
    assert spec.environment["DOCKER_HOST"] == "tcp://docker:2376"
    assert "export DOCKER_HOST='tcp://docker:2376'" in world.script()
    assert world.backend.workspaces.specs[0].shared_path
    assert world.backend.engine.calls[0] == "docker_access docker"


async def test_without_access_the_daemon_is_a_service(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "image",
            image=Image(name="docker:28"),
            services=(Service(name="docker:28-dind"),),
        ),
    )

    await world.run()

    specs = {c.spec.name: c.spec for c in world.backend.engine.created}
    service = specs["spot-ci-test-image-0-docker"]
    assert service.privileged
    assert [mount.target for mount in service.mounts] == ["/certs/client"]
    assert [mount.target for mount in specs["spot-ci-test-image"].mounts] == [
        "/certs/client"
    ]


async def test_docker_jobs_have_paths_of_their_own(tmp_path: Path) -> None:
    jobs = [job(name, script=("make",), image=Image(name="docker:28")) for name in "ab"]
    world = World(tmp_path, *jobs)
    world.backend.engine.access = DockerAccess()
    world.backend.program("make", hangs=True)

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        for each in world.plan.pipeline.jobs.values():
            tasks.start_soon(runner.run, each, 1)
        while sum(c.running for c in world.backend.engine.created) < 2:
            await checkpoint()
        tasks.cancel_scope.cancel()

    folders = sorted(spec.project_dir for spec in world.backend.workspaces.specs)
    assert folders == ["/builds/1/local/project", "/builds/local/project"]
    scripts = [world.script(0), world.script(1)]
    for folder in folders:
        assert any(f"cd '{folder}'" in script for script in scripts)
        assert any(f"CI_PROJECT_DIR='{folder}'" in script for script in scripts)
    # The first has the name that Docker Compose takes from the folder.
    names = [re.findall("COMPOSE_PROJECT_NAME='(.*)'", script) for script in scripts]
    assert sorted(names) == [[], ["project1"]]


@pytest.mark.parametrize(
    ("script", "registry", "reaches"),
    [
        ("curl http://$CI_REGISTRY/v2/", "localhost:5000", True),
        ("curl http://localhost:5000/v2/", "localhost:5000", True),
        ("make", "localhost:5000", False),
        ("docker push $CI_REGISTRY_IMAGE", "registry.gitlab.com", False),
    ],
)
async def test_jobs_that_talk_to_the_registry_reach_it(
    tmp_path: Path, script: str, registry: str, *, reaches: bool
) -> None:
    world = World(
        tmp_path, job("a", script=(script,), variables={"CI_REGISTRY": registry})
    )

    await world.run()

    assert world.backend.engine.created[0].spec.registry is reaches


@pytest.mark.parametrize(
    ("docker", "image", "asked"),
    [
        ("auto", "python:3", False),
        ("auto", "docker:28", True),
        ("always", "python:3", True),
        ("never", "docker:28", False),
    ],
)
async def test_which_jobs_get_the_engine(
    tmp_path: Path, docker: str, image: str, *, asked: bool
) -> None:
    world = World(tmp_path, job("a", image=Image(name=image)), docker=docker)
    world.backend.engine.access = DockerAccess()

    await world.run()

    assert ("docker_access docker" in world.backend.engine.calls) is asked


async def test_a_job_that_may_not_use_docker_gets_no_privileged_daemon(
    tmp_path: Path,
) -> None:
    services = (Service(name="docker:28-dind"), Service(name="redis:7"))
    world = World(tmp_path, job("a", services=services), docker="never")

    await world.run()

    created = {c.spec.name: c.spec for c in world.backend.engine.created}
    assert set(created) == {"spot-ci-test-a", "spot-ci-test-a-0-redis"}
    assert not any(spec.privileged for spec in created.values())
    assert (
        "WARNING: Service docker:28-dind is not started: this job may not use Docker"
        " (engine.docker)"
    ) in world.log()
