"""The phases of one attempt, in the runner's order and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.errors import ContainerError
from spotci.events import (
    ArtifactsSaved,
    FailureReason,
    JobStatus,
    SectionFinished,
    SectionStarted,
)
from spotci.pipeline import Artifacts, Cache, CacheKey, Environment, Image, Service
from tests.builders import job
from tests.executor_world import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


async def test_a_plain_job_costs_one_container(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.program("make", output=[b"one\ntw", b"o\n"])

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert result.exit_code == 0
    assert world.log() == [
        "Running with spotci 0.1.0 on docker 28.2 in memory",
        '== Preparing the "docker" executor',
        "Using Docker executor with image ruby:3.1 ...",
        "Using docker image sha256:ruby:3.1 for ruby:3.1 ...",
        "== Preparing environment",
        "Running on spot-ci-test-build via docker 28.2 in memory...",
        "== Getting source from Git repository",
        "There is no Git repository: using the files as they are.",
        '== Executing "step_script" stage of the job script',
        "  one",
        "  two",
        "== Cleaning up project directory and file based variables",
        "Job succeeded",
    ]
    assert world.backend.engine.calls == ["create", "start", "remove"]
    assert world.backend.gates.reached.count("listing") == 0
    assert world.backend.gates.reached.count("write_private") == 0


async def test_all_phases_in_the_runners_words(tmp_path: Path) -> None:
    producer = job(
        "build",
        stage="build",
        script=("make",),
        after_script=("echo bye",),
        image=Image(name="python:$VERSION"),
        services=(Service(name="postgres:16", aliases=("db",)),),
        variables={"VERSION": "3.12"},
        cache=(Cache(key=CacheKey(text="pip-$VERSION"), paths=(".pip/",)),),
        artifacts=Artifacts(
            paths=("dist/", "none"),
            exclude=("dist/*.log",),
            reports={"junit": ("junit.xml",), "dotenv": ("build.env",)},
        ),
    )
    consumer = job("deploy", stage="deploy", script=("use",))
    world = World(tmp_path, producer, consumer)
    world.backend.images.remote.add("python:3.12")
    world.backend.images.ports["postgres:16"] = (5432,)
    world.backend.program(
        "make",
        output=[b"built\n"],
        files={
            "dist/app": b"app",
            "dist/app.log": b"log",
            ".pip/a": b"a",
            "junit.xml": b"<testsuite><testcase/><testcase><error/></testcase>"
            b"</testsuite>",
            "build.env": b"BUILT=yes",
        },
    )

    await world.run()

    assert world.log("build") == [
        "Running with spotci 0.1.0 on docker 28.2 in memory",
        '== Preparing the "docker" executor',
        "Using Docker executor with image python:3.12 ...",
        "Starting service postgres:16...",
        "Pulling docker image python:3.12 ...",
        "Waiting for services to be up and running (timeout 30 seconds)...",
        "Using docker image sha256:python:3.12 for python:3.12 ...",
        "== Preparing environment",
        "Running on spot-ci-test-build via docker 28.2 in memory...",
        "== Getting source from Git repository",
        "There is no Git repository: using the files as they are.",
        "== Restoring cache",
        "Checking cache for pip-3.12-protected...",
        (
            "No URL provided, cache will not be downloaded from shared cache server. "
            "Instead a local version of cache will be extracted."
        ),
        "WARNING: Cache file does not exist",
        "Failed to extract cache",
        '== Executing "step_script" stage of the job script',
        "  built",
        "== Running after_script",
        "Running after script...",
        "== Saving cache for successful job",
        "Creating cache pip-3.12-protected...",
        ".pip/: found 2 matching artifact files and directories",
        (
            "No URL provided, cache will not be uploaded to shared cache server. "
            "Cache will be stored only locally."
        ),
        "Created cache",
        "== Uploading artifacts for successful job",
        "Uploading artifacts...",
        "dist/: found 2 matching artifact files and directories",
        (
            "WARNING: none: no matching files. Ensure that the artifact path is "
            "relative to the working directory (/builds/local/project)"
        ),
        "dist/*.log: excluded 1 files",
        'Uploading artifacts as "archive" to coordinator... 201 Created',
        "Uploading artifacts...",
        "junit.xml: found 1 matching artifact files and directories",
        'Uploading artifacts as "junit" to coordinator... 201 Created',
        "Uploading artifacts...",
        "build.env: found 1 matching artifact files and directories",
        'Uploading artifacts as "dotenv" to coordinator... 201 Created',
        "== Cleaning up project directory and file based variables",
        "Job succeeded",
    ]
    assert world.log("deploy")[6:] == [
        "== Getting source from Git repository",
        "There is no Git repository: using the files as they are.",
        "== Downloading artifacts",
        "Downloading artifacts for build (1)...",
        (
            "Downloading artifacts from coordinator... ok        "
            "id=1 responseStatus=200 OK"
        ),
        '== Executing "step_script" stage of the job script',
        "== Cleaning up project directory and file based variables",
        "Job succeeded",
    ]
    assert "export BUILT='yes'" in world.script(2)
    assert (tmp_path / "artifacts/build/dist/app").read_bytes() == b"app"
    assert not (tmp_path / "artifacts/build/dist/app.log").exists()
    assert (tmp_path / "reports/build/junit.xml").exists()
    saved = world.events.of(ArtifactsSaved)
    assert [(event.job, event.path, event.files) for event in saved] == [
        ("build", "artifacts/build", 1)
    ]
    assert world.backend.workspaces.listed == [
        (".pip", "build.env", "dist", "junit.xml", "none")
    ]
    assert list(world.backend.workspaces.caches) == ["local/project:pip-3.12-protected"]


async def test_sections_are_paired(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.program(
        "make", output=[b"section_start:1:mine\r\x1b[0KMine\ninside\n"]
    )

    await world.run()

    started = [event.section for event in world.events.of(SectionStarted)]
    ended = [event.section for event in world.events.of(SectionFinished)]
    assert sorted(started) == sorted(ended)
    assert started == [
        "prepare_executor",
        "prepare_script",
        "get_sources",
        "step_script",
        "mine",
        "cleanup_file_variables",
    ]


async def test_a_failure_has_its_exit_code(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",), after_script=("bye",)))
    world.backend.program("make", code=3, output=[b"one\n", b"two\n"])
    world.backend.program("bye", output=[b"bye\n"])

    result = await world.run()

    assert (result.status, result.exit_code) == (JobStatus.FAILED, 3)
    assert result.failure_reason is FailureReason.SCRIPT_FAILURE
    assert result.last_lines == ("one", "two")
    assert world.log()[-1] == "ERROR: Job failed: exit code 3"
    assert "export CI_JOB_STATUS='running'" in world.script(0, 0)
    assert "export CI_JOB_STATUS='failed'" in world.script(0, 1)


@pytest.mark.parametrize(
    ("ignore", "status"), [("true", JobStatus.SUCCESS), ("false", JobStatus.FAILED)]
)
async def test_a_failing_after_script(
    tmp_path: Path, ignore: str, status: JobStatus
) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            variables={"AFTER_SCRIPT_IGNORE_ERRORS": ignore},
        ),
    )
    world.backend.program("bye", code=2)

    result = await world.run()

    assert result.status is status
    warned = (
        "WARNING: after_script failed, but job will continue unaffected: exit code 2"
    )
    assert (warned in world.log()) is (status is JobStatus.SUCCESS)


@pytest.mark.parametrize(
    ("stage", "variable_name"),
    [("open", "GET_SOURCES_ATTEMPTS"), ("start", "EXECUTOR_JOB_SECTION_ATTEMPTS")],
)
async def test_attempts(tmp_path: Path, stage: str, variable_name: str) -> None:
    world = World(tmp_path, job("build", variables={variable_name: "2"}))
    world.backend.gates.faults[stage] = [ContainerError("it broke")]

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert any(line.startswith("WARNING: Retrying ") for line in world.log())


@pytest.mark.parametrize(
    ("variables", "line", "has_files"),
    [
        ({"GIT_STRATEGY": "none"}, "Skipping Git repository setup", False),
        (
            {"GIT_STRATEGY": "empty"},
            "Skipping Git repository setup and creating an empty build directory",
            False,
        ),
        (
            {"GIT_STRATEGY": "clone"},
            "There is no Git repository: using the files as they are.",
            True,
        ),
    ],
)
async def test_git_strategy(
    tmp_path: Path, variables: Mapping[str, str], line: str, *, has_files: bool
) -> None:
    world = World(tmp_path, job("build", variables=variables))

    await world.run()

    assert line in world.log()
    assert (world.backend.workspaces.specs[0].snapshot is not None) is has_files


async def test_pre_get_sources_script(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("build", script=("make",), pre_get_sources_script=("hook",)),
    )
    world.backend.program("hook", output=[b"hooked\n"], code=4)

    result = await world.run()

    assert result.exit_code == 4
    assert len(world.backend.engine.created[0].scripts) == 1
    assert "  hooked" in world.log()


async def test_environment_url_after_dotenv(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "a",
            script=("make",),
            variables={"SCHEME": "https"},
            artifacts=Artifacts(reports={"dotenv": ("e",)}),
            environment=Environment(name="review", url="$SCHEME://$HOST/$NONE"),
        ),
    )
    world.backend.program("make", files={"e": b"HOST=review.example.com"})

    result = await world.run()

    assert result.environment_url == "https://review.example.com/"


@pytest.mark.parametrize("stage", ["open", "create", "start"])
async def test_a_fault_of_the_engine_is_a_system_failure(
    tmp_path: Path, stage: str
) -> None:
    world = World(tmp_path, job("build", after_script=("bye",)))
    world.backend.gates.faults[stage] = [ContainerError("it broke")]

    result = await world.run()

    assert result.failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE
    assert world.log()[-1] == "ERROR: Job failed (system failure): it broke"
