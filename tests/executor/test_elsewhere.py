"""``needs:project`` and mirror bridges, with other projects that are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from spotci.errors import EngineError
from spotci.events import FailureReason, JobStatus
from spotci.executor.elsewhere import ElsewhereUnavailableError, mirror_status
from spotci.executor.plan import EarlierJob
from spotci.pipeline import CrossNeed
from spotci.variables import Level
from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path

S = JobStatus
ABSENT = "group/absent is not on this machine"


@dataclass
class FakeElsewhere:
    """Other projects: what their jobs left, and how their pipelines stand."""

    jobs: dict[tuple[str, str, str], EarlierJob] = field(default_factory=dict)
    statuses: list[JobStatus] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def artifacts(self, project: str, ref: str, job: str) -> EarlierJob | None:
        if project == "group/absent":
            raise ElsewhereUnavailableError(ABSENT)
        return self.jobs.get((project, ref, job))

    async def status(self, project: str) -> JobStatus:
        self.asked.append(project)
        if project == "group/absent":
            raise ElsewhereUnavailableError(ABSENT)
        return self.statuses.pop(0)


def kept(folder: Path, **files: str) -> EarlierJob:
    """Keep files of a job of another project, and a variable."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    return EarlierJob(
        artifacts=folder, variables=(variable("VERSION", "1.2", Level.DOTENV),)
    )


async def test_a_job_gets_what_jobs_of_other_projects_left(tmp_path: Path) -> None:
    library = kept(tmp_path / "library", app="1")
    user = job(
        "test",
        script=("use",),
        needs=(),
        variables={"LIBRARY": "group/library", "BRANCH": "main"},
        cross_needs=(
            CrossNeed(project="$LIBRARY", ref="$BRANCH", job="build"),
            CrossNeed(project="group/docs", ref="v1", job="pages", artifacts=False),
        ),
    )
    elsewhere = FakeElsewhere({("group/library", "main", "build"): library})
    world = World(tmp_path / "record", user, elsewhere=elsewhere)

    result = await world.run()

    assert result.status is S.SUCCESS
    assert "Downloading artifacts for build (0)..." in world.log()
    (layer,) = world.backend.workspaces.specs[0].layers
    assert world.backend.workspaces.layers[layer] == {"app": b"1"}
    assert "export VERSION='1.2'" in world.script()


async def test_equal_names_are_told_apart_and_brought_in_once(tmp_path: Path) -> None:
    found = {
        ("group/a", "main", "build"): kept(tmp_path / "a", app="a"),
        ("group/b", "main", "build"): kept(tmp_path / "b", app="b"),
    }
    needs = tuple(CrossNeed(project=p, ref=ref, job=name) for p, ref, name in found)
    world = World(
        tmp_path / "record",
        job("one", needs=(), cross_needs=needs),
        job("two", needs=(), cross_needs=needs),
        elsewhere=FakeElsewhere(found),
    )

    await world.run()

    log = world.log("two")
    assert "Downloading artifacts for build (0)..." in log
    assert "Downloading artifacts for build of group/b (0)..." in log
    assert world.backend.gates.reached.count("adopt") == 2


async def test_bringing_in_is_tried_again(tmp_path: Path) -> None:
    found = {("group/a", "main", "build"): kept(tmp_path / "a", app="a")}
    world = World(
        tmp_path / "record",
        job(
            "one",
            needs=(),
            cross_needs=(CrossNeed(project="group/a", ref="main", job="build"),),
            variables={"ARTIFACT_DOWNLOAD_ATTEMPTS": "2"},
        ),
        elsewhere=FakeElsewhere(found),
    )
    world.backend.gates.faults["adopt"] = [EngineError("busy")]

    assert (await world.run()).status is S.SUCCESS


async def test_a_project_that_is_not_here_is_named(tmp_path: Path) -> None:
    needs = (CrossNeed(project="group/absent", ref="main", job="build"),)
    world = World(
        tmp_path, job("a", needs=(), cross_needs=needs), elsewhere=FakeElsewhere()
    )

    result = await world.run()

    assert result.status is S.SUCCESS
    assert f"WARNING: needs:project: {ABSENT}" in world.log()


async def test_artifacts_that_nobody_left_fail_the_job(tmp_path: Path) -> None:
    needs = (CrossNeed(project="group/library", ref="main", job="build"),)
    world = World(
        tmp_path, job("a", needs=(), cross_needs=needs), elsewhere=FakeElsewhere()
    )

    result = await world.run()

    assert result.failure_reason is FailureReason.MISSING_DEPENDENCY_FAILURE
    assert result.message == (
        "This job depends on other jobs with expired/erased artifacts: "
        "build of group/library (main)"
    )
    assert world.backend.engine.created == []


def mirror(project: str = "group/$NAME") -> CrossNeed:
    """Return the need of a bridge that mirrors a project."""
    return CrossNeed(job=None, pipeline=project)


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        pytest.param([S.SUCCESS], None, id="success"),
        pytest.param([S.RUNNING, S.RUNNING, S.SUCCESS], None, id="running"),
        pytest.param([S.FAILED], FailureReason.UNKNOWN_FAILURE, id="failed"),
        pytest.param([S.CANCELED], None, id="canceled"),
        pytest.param([S.MANUAL], None, id="manual"),
        pytest.param([S.SKIPPED], None, id="skipped"),
    ],
)
async def test_a_bridge_mirrors_the_newest_pipeline_of_a_project(
    statuses: list[JobStatus], reason: FailureReason | None
) -> None:
    elsewhere = FakeElsewhere(statuses=list(statuses))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    bridge = job("b", script=(), cross_needs=(mirror(),), variables={"NAME": "other"})
    end = await mirror_status(bridge, elsewhere, sleep)

    assert (end.status, end.reason) == (statuses[-1], reason)
    assert end.message == f"the pipeline of group/other ended so: {statuses[-1]}"
    assert elsewhere.asked == ["group/other"] * len(statuses)
    assert len(slept) == len(statuses) - 1


@pytest.mark.parametrize(
    ("elsewhere", "message"),
    [
        pytest.param(FakeElsewhere(), ABSENT, id="absent"),
        pytest.param(None, "pipelines of other projects are not here", id="nowhere"),
    ],
)
async def test_a_bridge_that_cannot_mirror_is_skipped(
    elsewhere: FakeElsewhere | None, message: str
) -> None:
    bridge = job("b", script=(), cross_needs=(mirror("group/absent"),))

    end = await mirror_status(bridge, elsewhere)

    assert (end.status, end.message) == (S.SKIPPED, message)
