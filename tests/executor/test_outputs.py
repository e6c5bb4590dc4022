"""What a job leaves: archives, reports, coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.events import ArtifactsSaved, JobStatus
from spotci.pipeline import Artifacts, Cache, SaveWhen
from spotci.variables import Level
from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_pages_publish_their_folder(tmp_path: Path) -> None:
    world = World(tmp_path, job("docs", script=("make",), pages=True))
    world.backend.program("make", files={"public/index.html": b"<html>"})

    await world.run()

    assert (tmp_path / "artifacts/docs/public/index.html").exists()
