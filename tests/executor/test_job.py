from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spotci.errors import ContainerError, EngineError
from spotci.events import (
    ArtifactsSaved,
    FailureReason,
    JobStatus,
    Notice,
    Progress,
    SectionFinished,
    SectionStarted,
)
from spotci.executor.backend import DockerAccess
from spotci.executor.job import JobRunner
from spotci.executor.plan import EarlierJob
from spotci.pipeline import (
    Artifacts,
    Cache,
    CacheKey,
    Environment,
    Image,
    JobName,
    Release,
    SaveWhen,
    Service,
    Trigger,
)
from spotci.variables import Level, Variable
from tests.builders import job, variable
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(None, "artifacts", id="none"),
        pytest.param("$CI_JOB_NAME-$REF", "build-main", id="variables"),
        pytest.param("app/$REF", "main", id="of a path the last part"),
        pytest.param("$UNSET", "artifacts", id="nothing left"),
        pytest.param("../..", "artifacts", id="no name"),
    ],
)
async def test_the_archive_has_the_name_that_the_job_gives(
    tmp_path: Path, name: str | None, expected: str
) -> None:
    build = job(
        "build",
        script=("make",),
        artifacts=Artifacts(paths=("app",), name=name),
        variables={"REF": "main", "CI_JOB_NAME": "build"},
    )
    world = World(tmp_path, build)
    world.backend.program("make", files={"app": b"1"})

    await world.run()

    assert [event.name for event in world.events.of(ArtifactsSaved)] == [expected]


async def test_a_secret_in_the_name_of_an_archive_is_masked(tmp_path: Path) -> None:
    build = job("build", artifacts=Artifacts(paths=("app",), name="app-$TOKEN"))
    token = variable("TOKEN", "s3cr3t-t0ken", Level.PROJECT, masked=True)
    world = World(tmp_path, build, variables=(token,))
    world.backend.program("true", files={"app": b"1"})

    await world.run()

    (saved,) = world.events.of(ArtifactsSaved)
    assert saved.name == "app-[MASKED]"


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


async def test_inputs_of_the_job_are_put_into_its_texts(tmp_path: Path) -> None:
    text = "deploy ${{ job.inputs.target }}"
    world = World(
        tmp_path,
        job(
            "deploy",
            script=(text,),
            image=Image(name="python:${{ job.inputs.version }}"),
            inputs={"target": "staging", "version": "3.12"},
        ),
    )
    world.backend.program("deploy staging", output=[b"done\n"])

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert "Using Docker executor with image python:3.12 ..." in world.log()
    assert "  done" in world.log()


async def test_an_input_that_is_not_there_fails_the_job(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("${{ job.inputs.no }}",), inputs={"yes": "1"})
    )

    result = await world.run()

    assert result.status is JobStatus.FAILED
    assert result.failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE
    assert result.message == (
        "failed to interpolate job inputs: `job.inputs.no`: there is no 'no'"
    )
    assert world.backend.engine.calls == []


async def test_out_of_memory_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.program("make", oom=True)

    result = await world.run()

    assert result.exit_code == 137
    assert result.message == "the container was killed, out of memory"


async def test_a_full_disk_is_said_of_a_job_that_failed(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.program("make", code=1)
    world.backend.workspaces.full = "the disk of workspaces"

    result = await world.run()

    assert result.failure_reason is FailureReason.SCRIPT_FAILURE
    assert result.message == "the disk of workspaces has no room left"
    assert world.log()[-1] == (
        "ERROR: Job failed: exit code 1: the disk of workspaces has no room left"
    )


async def test_a_full_disk_is_not_said_of_a_job_that_passed(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.workspaces.full = "the disk of workspaces"

    assert (await world.run()).message is None


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


@pytest.mark.parametrize("stage", ["open", "create", "start"])
async def test_a_fault_of_the_engine_is_a_system_failure(
    tmp_path: Path, stage: str
) -> None:
    world = World(tmp_path, job("build", after_script=("bye",)))
    world.backend.gates.faults[stage] = [ContainerError("it broke")]

    result = await world.run()

    assert result.failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE
    assert world.log()[-1] == "ERROR: Job failed (system failure): it broke"


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


async def test_job_timeout_stops_the_container(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            timeout=timedelta(seconds=0.05),
        ),
    )
    world.backend.program("make", hangs=True, last_words=b"terminated\n")

    result = await world.run()

    assert result.failure_reason is FailureReason.JOB_EXECUTION_TIMEOUT
    assert world.log()[-2:] == [
        "  terminated",
        "ERROR: Job failed: execution took longer than 0.05s seconds",
    ]
    assert len(world.backend.engine.created[0].scripts) == 1


async def test_script_timeout_leaves_time_for_after_script(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            variables={"RUNNER_SCRIPT_TIMEOUT": "0.05s"},
            artifacts=Artifacts(paths=("a",), when=SaveWhen.ON_FAILURE),
        ),
    )
    world.backend.program("make", hangs=True, files={"a": b"1"})
    world.backend.program("bye", output=[b"after\n"])

    result = await world.run()

    assert result.failure_reason is FailureReason.JOB_EXECUTION_TIMEOUT
    log = world.log()
    assert any(line.startswith("WARNING: step_script could not run") for line in log)
    assert "  after" in log
    assert "a: found 1 matching artifact files and directories" in log
    assert log[-1] == "ERROR: Job failed: script timeout"


async def test_after_script_timeout(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            variables={"RUNNER_AFTER_SCRIPT_TIMEOUT": "0.05s"},
        ),
    )
    world.backend.program("bye", hangs=True)

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert any(
        line.startswith("WARNING: after_script could not run") for line in world.log()
    )


async def test_cancellation_runs_after_script_and_cleans_up(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",), after_script=("bye",)))
    world.backend.program("make", output=[b"go\n"], hangs=True, last_words=b"term\n")
    world.backend.program("bye", output=[b"after\n"])

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, next(iter(world.plan.pipeline.jobs.values())), 1)
        while "  go" not in world.log():
            await checkpoint()
        tasks.cancel_scope.cancel()

    assert world.log()[-6:] == [
        "  go",
        "  term",
        "== Running after_script",
        "Running after script...",
        "  after",
        "ERROR: Job failed: canceled",
    ]
    assert "export CI_JOB_STATUS='canceled'" in world.script(0, 1)
    assert world.backend.left() == []


async def test_hurry_skips_the_after_script_of_canceled_jobs(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",), after_script=("bye",)))
    world.backend.program("make", hangs=True)
    world.backend.program("bye", output=[b"after\n"], hangs=True)

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, next(iter(world.plan.pipeline.jobs.values())), 1)
        while not world.backend.engine.created or not (
            world.backend.engine.created[0].running
        ):
            await checkpoint()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            while "  after" not in world.log():
                await checkpoint()
            runner.hurry()

    assert world.backend.left() == []


STAGES = [
    "ensure",
    "create_network",
    "cached",
    "open",
    "create",
    "write_private",
    "start_detached",
    "probe 5432",
    "start",
    "listing",
    "collect",
    "store_cache",
    "read",
]


@pytest.mark.parametrize("stage", STAGES)
async def test_cancellation_at_any_stage_leaves_nothing(
    tmp_path: Path, stage: str
) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            services=(Service(name="postgres:16"),),
            cache=(Cache(paths=("a",)),),
            artifacts=Artifacts(paths=("a",), reports={"dotenv": ("e",)}),
            variables={},
        ),
        variables=(variable("FILE", "x", file=True),),
    )
    world.backend.images.ports["postgres:16"] = (5432,)
    world.backend.program("make", files={"a": b"", "e": b"A=1"})
    gate = world.backend.gates.closed[stage] = anyio.Event()

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, next(iter(world.plan.pipeline.jobs.values())), 1)
        while stage not in world.backend.gates.reached:
            await checkpoint()
        tasks.cancel_scope.cancel()
        gate.set()

    assert world.backend.left() == []
    sections = [event.section for event in world.events.of(SectionStarted)]
    ended = [event.section for event in world.events.of(SectionFinished)]
    assert sorted(sections) == sorted(ended)


async def test_removal_goes_on_behind_the_result(tmp_path: Path) -> None:
    world = World(tmp_path, job("build"))
    gate = world.backend.gates.closed["remove"] = anyio.Event()

    async with world.runner() as runner:
        result = await runner.run(next(iter(world.plan.pipeline.jobs.values())), 1)
        left = world.backend.left()
        gate.set()

    assert result.status is JobStatus.SUCCESS
    assert left
    assert world.backend.left() == []


async def test_failed_jobs_are_kept_if_asked(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)), keep=True)
    world.backend.program("make", code=1)

    async with world.runner() as runner:
        await runner.run(next(iter(world.plan.pipeline.jobs.values())), 1)

    assert "spot-ci-test-build" in world.backend.left()
    kept = "The container spot-ci-test-build is kept: spotci shell build"
    assert kept in world.log()


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


async def test_short_secrets_are_told(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("build"), variables=(variable("T", "abc", masked=True),)
    )

    await world.run()

    assert world.log()[1] == (
        "WARNING: 1 masked variables have fewer than 4 characters and are not masked"
    )


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


async def test_dotenv_that_is_refused_fails_the_job(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("a", script=("make",), artifacts=Artifacts(reports={"dotenv": ("e",)})),
    )
    world.backend.program("make", files={"e": b"# comment"})

    result = await world.run()

    assert (result.status, result.exit_code) == (JobStatus.FAILED, 1)
    assert result.message == "the dotenv report is refused: Invalid Format"
    assert (
        'ERROR: Uploading artifacts as "dotenv" to coordinator... '
        "400 Bad Request (Invalid Format)"
    ) in world.log()


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


async def test_coverage_and_tests(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "a",
            script=("make",),
            coverage=r"TOTAL.*\s+(\d+%)$",
            artifacts=Artifacts(
                when=SaveWhen.ON_SUCCESS,
                paths=("x",),
                reports={"junit": ("*.xml",)},
            ),
        ),
    )
    world.backend.program(
        "make",
        code=1,
        output=[b"TOTAL 1 2 87%\n"],
        files={
            "a.xml": b"<testcase><failure/></testcase>",
            "b.xml": b"no xml",
            "x": b"",
        },
    )

    result = await world.run()

    assert result.coverage == 87.0
    assert result.tests is not None
    assert (result.tests.total, result.tests.failed) == (1, 1)
    # Reports are uploaded whatever artifacts:when says; the archive is not.
    assert not (tmp_path / "artifacts").exists()
    assert any(line.startswith("WARNING: b.xml: JUnit XML") for line in world.log())


@pytest.mark.parametrize(
    ("when", "code", "saved"),
    [
        (SaveWhen.ON_SUCCESS, 0, True),
        (SaveWhen.ON_SUCCESS, 1, False),
        (SaveWhen.ON_FAILURE, 0, False),
        (SaveWhen.ON_FAILURE, 1, True),
        (SaveWhen.ALWAYS, 0, True),
        (SaveWhen.ALWAYS, 1, True),
    ],
)
async def test_when_of_artifacts_and_caches(
    tmp_path: Path, when: SaveWhen, code: int, *, saved: bool
) -> None:
    world = World(
        tmp_path,
        job(
            "a",
            script=("make",),
            artifacts=Artifacts(paths=("x",), when=when),
            cache=(Cache(paths=("x",), when=when),),
        ),
    )
    world.backend.program("make", code=code, files={"x": b""})

    await world.run()

    assert (tmp_path / "artifacts/a/x").exists() is saved
    assert bool(world.backend.workspaces.caches) is saved


async def test_nothing_to_upload_is_no_failure(tmp_path: Path) -> None:
    world = World(tmp_path, job("a", artifacts=Artifacts(paths=("x",))))

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert "ERROR: No files to upload" in world.log()


async def test_artifacts_of_an_earlier_run(tmp_path: Path) -> None:
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "built").write_bytes(b"1")
    name = JobName("build")
    world = World(
        tmp_path / "record",
        job("test", needs=["build"]),
        earlier={
            name: EarlierJob(
                artifacts=folder,
                variables=(Variable(name="OLD", value="1", level=Level.DOTENV),),
            )
        },
    )

    await world.run()

    assert len(world.backend.workspaces.specs[0].layers) == 1
    assert "export OLD='1'" in world.script()


async def test_lost_artifacts_fail_who_depends_on_them(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("test", needs=["build"]),
        earlier={JobName("build"): EarlierJob(lost=True)},
    )

    result = await world.run()

    assert result.failure_reason is FailureReason.MISSING_DEPENDENCY_FAILURE
    assert result.message == (
        "This job depends on other jobs with expired/erased artifacts: build"
    )
    assert world.backend.engine.created == []


async def test_a_second_attempt_replaces_the_first(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), artifacts=Artifacts(paths=("x",)))
    )
    world.backend.program("make", files={"x": b""})

    async with world.runner() as runner:
        only = next(iter(world.plan.pipeline.jobs.values()))
        first = await runner.run(only, 1)
        second = await runner.run(only, 2)

    assert (first.attempt, second.attempt) == (1, 2)
    names = [container.spec.name for container in world.backend.engine.created]
    assert names == ["spot-ci-test-a", "spot-ci-test-a-2"]
    assert "export CI_JOB_ID='2'" in world.script(1)


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
    ("fields", "message"),
    [
        (
            {"trigger": Trigger(project="group/other")},
            "spotci does not start downstream pipelines: run that pipeline itself",
        ),
        (
            {"run": ({"name": "a", "script": "x"},), "script": ()},
            "spotci does not execute `run`: write `script` instead",
        ),
    ],
)
async def test_what_cannot_be_run_is_skipped_and_said(
    tmp_path: Path, fields: Mapping[str, Any], message: str
) -> None:
    world = World(tmp_path, job("a", **fields))

    result = await world.run()

    assert (result.status, result.message) == (JobStatus.SKIPPED, message)
    assert world.backend.engine.created == []


async def test_the_limit_of_the_log_is_told_once(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), after_script=("bye",)), output_limit=10
    )
    world.backend.program("make", output=[b"0123456789abc\n"])
    world.backend.program("bye", output=[b"after\n"])

    await world.run()

    shown = [line for line in world.log() if line.startswith("  ")]
    assert shown == [
        "  0123456789",
        "  Job's log exceeded limit of 10 bytes.",
        "  Job execution will continue but no more output will be collected.",
    ]


async def test_jobs_run_inside_of_the_runners_context(tmp_path: Path) -> None:
    world = World(tmp_path, job("a"))
    runner = JobRunner(world.plan, world.backend.port, world.events, None)

    with pytest.raises(RuntimeError, match="inside of its context"):
        await runner.run(next(iter(world.plan.pipeline.jobs.values())))


async def test_release_is_recorded(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "release",
            variables={"V": "1.2"},
            release=Release(
                tag_name="v$V",
                description="Version $V",
                fields={"milestones": ["m$V"], "assets": {"links": [{"n": 1}]}},
            ),
        ),
    )

    result = await world.run()

    assert result.release == "v1.2"
    recorded = json.loads((tmp_path / "releases/release.json").read_text())
    assert recorded == {
        "tag_name": "v1.2",
        "description": "Version 1.2",
        "milestones": ["m1.2"],
        "assets": {"links": [{"n": 1}]},
    }


async def test_pages_publish_their_folder(tmp_path: Path) -> None:
    world = World(tmp_path, job("docs", script=("make",), pages=True))
    world.backend.program("make", files={"public/index.html": b"<html>"})

    await world.run()

    assert (tmp_path / "artifacts/docs/public/index.html").exists()


async def test_artifacts_go_to_the_source_tree_if_asked(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("a", script=("make",), artifacts=Artifacts(paths=("out",))),
        artifacts_to_source=True,
    )
    world.backend.program("make", files={"out/x": b"1"})

    await world.run()

    assert (tmp_path / "out/x").read_bytes() == b"1"


async def test_an_export_that_fails_is_a_notice(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), artifacts=Artifacts(paths=("x",)))
    )
    world.backend.program("make", files={"x": b"1"})
    world.backend.gates.faults["export"] = [EngineError("disk full")]

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert [event.text for event in world.events.of(Notice)] == [
        "the artifacts of a are not kept: disk full"
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


async def test_earlier_artifacts_are_brought_in_once_and_again_after_a_fault(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "x").write_bytes(b"1")
    world = World(
        tmp_path / "record",
        job("a", needs=["old"], variables={"ARTIFACT_DOWNLOAD_ATTEMPTS": "2"}),
        job("b", needs=["old"]),
        earlier={JobName("old"): EarlierJob(artifacts=folder)},
    )
    world.backend.gates.faults["adopt"] = [EngineError("busy")]

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        for each in world.plan.pipeline.jobs.values():
            tasks.start_soon(runner.run, each)

    assert world.backend.gates.reached.count("adopt") == 2
    assert [len(spec.layers) for spec in world.backend.workspaces.specs] == [1, 1]
