from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.cli.selection import Request, select, select_manual
from spotci.errors import UsageError
from spotci.pipeline import Artifacts, Job, JobName, Need, Pipeline, When

if TYPE_CHECKING:
    from spotci.cli.selection import Selection

STAGES = (".pre", "build", "test", "deploy", ".post")


def job(
    name: str,
    stage: str = "build",
    *,
    base: str | None = None,
    needs: list[str] | None = None,
    dependencies: list[str] | None = None,
    artifacts: bool = False,
    when: When = When.ON_SUCCESS,
) -> Job:
    return Job(
        name=JobName(name),
        base_name=base or name,
        stage=stage,
        needs=None if needs is None else tuple(Need(job=JobName(n)) for n in needs),
        dependencies=None
        if dependencies is None
        else tuple(map(JobName, dependencies)),
        artifacts=Artifacts(paths=("x",)) if artifacts else None,
        when=when,
    )


def jobs_of(*jobs: Job) -> MappingProxyType[JobName, Job]:
    return MappingProxyType({job.name: job for job in jobs})


PIPELINE = Pipeline(
    source="push",
    ref="main",
    stages=STAGES,
    jobs=jobs_of(
        job("compile", artifacts=True),
        job("docs"),
        job("assets", when=When.MANUAL, artifacts=True),
        job("unit: [a]", "test", base="unit"),
        job("unit: [b]", "test", base="unit", needs=["docs"]),
        job("lint", "test", needs=[]),
        job("report", "test", dependencies=["docs"], artifacts=True),
        job("release", "deploy", needs=["assets", "unit: [b]"], when=When.MANUAL),
        job("publish", "deploy"),
    ),
)
EXCLUDED = jobs_of(
    job("nightly", needs=["compile", "gone"], when=When.NEVER),
    job("slow: [a]", "test", base="slow", needs=["nightly"]),
    job("slow: [b]", "test", base="slow"),
)


def selected(
    *names: str,
    stages: list[str] | None = None,
    needs: bool = True,
    only_needs: bool = False,
) -> Selection:
    request = Request(
        names=names, stages=tuple(stages or ()), needs=needs, only_needs=only_needs
    )
    return select(PIPELINE, EXCLUDED, request)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["docs"], ["docs"], id="exact name"),
        pytest.param(["unit: [b]"], ["docs", "unit: [b]"], id="exact name of a matrix"),
        pytest.param(
            ["unit"],
            ["compile", "docs", "unit: [a]", "unit: [b]"],
            id="base name; a stage job pulls artifacts of earlier stages",
        ),
        pytest.param(["[dl]*"], ["docs", "lint"], id="pattern"),
        pytest.param(["report"], ["docs", "report"], id="dependencies"),
        pytest.param(
            ["release"],
            ["docs", "assets", "unit: [b]", "release"],
            id="needs of needs, manual ones too",
        ),
        pytest.param(
            ["publish"],
            ["compile", "docs", "report", "publish"],
            id="no manual job for a stage job; dependencies of what it pulls",
        ),
        pytest.param(["lint", "docs"], ["docs", "lint"], id="order of the pipeline"),
        pytest.param(
            ["nightly"], ["compile", "nightly"], id="excluded, a need is gone"
        ),
        pytest.param(
            ["slow"],
            ["compile", "nightly", "slow: [a]", "slow: [b]"],
            id="excluded base name, in order of stages",
        ),
    ],
)
def test_names_and_what_they_need(names: list[str], expected: list[str]) -> None:
    assert list(selected(*names).pipeline.jobs) == expected


def test_nothing_asked_is_the_pipeline_itself() -> None:
    selection = selected()

    assert selection.pipeline is PIPELINE
    assert (selection.named, selection.notes) == (frozenset(), ())


def test_a_stage_selects_its_jobs_but_plays_no_manual_one() -> None:
    selection = selected(stages=["deploy"])

    assert "release" in selection.pipeline.jobs
    assert "release" not in selection.named


def test_no_needs_runs_a_job_alone() -> None:
    selection = selected("unit: [b]", "release", needs=False)

    assert list(selection.pipeline.jobs) == ["unit: [b]", "release"]
    jobs = list(selection.pipeline.jobs.values())
    assert (jobs[0].needs, jobs[0].dependencies) == (None, ("docs",))
    assert jobs[1].needs == (Need(job=JobName("unit: [b]")),)


def test_what_runs_though_it_is_manual_or_excluded_is_said() -> None:
    selection = selected("release", "slow: [a]")

    assert selection.named >= {"release", "assets", "slow: [a]", "nightly"}
    assert selection.notes == (
        'the manual job "assets" is played as it is needed',
        '"nightly" runs as it is needed, though its rules exclude it',
        '"slow: [a]" runs as you named it, though its rules exclude it',
    )
    assert selection.pipeline.jobs[JobName("nightly")].when is When.ON_SUCCESS


@pytest.mark.parametrize(
    ("names", "stages", "message"),
    [
        pytest.param(
            ["unti"], [], 'no job "unti"\ndid you mean "unit"?', id="mistyped"
        ),
        pytest.param(
            ["nihgtly"], [], 'no job "nihgtly"\ndid you mean "nightly"?', id="excluded"
        ),
        pytest.param(
            ["zzz"],
            [],
            'no job "zzz"\nthere are: compile, docs, assets, unit: [a], unit, '
            "unit: [b], lint, report, release, publish, nightly, slow: [a], slow, "
            "slow: [b]",
            id="nothing like it",
        ),
        pytest.param(
            ["night*"],
            [],
            'no job of this pipeline matches "night*"\n'
            'its rules exclude "nightly": name a job to run it all the same',
            id="pattern of excluded jobs",
        ),
        pytest.param([], ["tset"], 'no stage "tset"\ndid you mean "test"?', id="stage"),
        pytest.param(
            [],
            [".post"],
            'no job of this pipeline is in the stage ".post"',
            id="empty stage",
        ),
    ],
)
def test_what_is_not_there(names: list[str], stages: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        selected(*names, stages=stages)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["all"], {"all"}, id="all"),
        pytest.param(["release"], {"release"}, id="name"),
        pytest.param(["*e*s*"], {"release", "assets"}, id="pattern plays manual only"),
        pytest.param([], set(), id="none"),
    ],
)
def test_manual_jobs_to_play(names: list[str], expected: set[str]) -> None:
    assert select_manual(PIPELINE, names) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "lint", 'the job "lint" is not manual: it runs by itself', id="not manual"
        ),
        pytest.param(
            "relaese", 'no manual job "relaese"\ndid you mean "release"?', id="mistyped"
        ),
    ],
)
def test_manual_jobs_that_are_none(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        select_manual(PIPELINE, [name])

    assert str(caught.value) == message


@given(st.sets(st.sampled_from([*PIPELINE.jobs, *EXCLUDED])), st.booleans())
def test_a_selection_is_closed(names: set[str], needs: bool) -> None:
    selection = selected(*names, needs=needs).pipeline

    assert names <= set(selection.jobs)
    for item in selection.jobs.values():
        assert set(selection.waits_for(item)) <= set(selection.jobs)
        if needs:
            assert set(item.dependencies or ()) <= set(selection.jobs)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["release"], ["docs", "assets", "unit: [b]"], id="needs of needs"),
        pytest.param(["publish"], ["compile", "docs", "report"], id="a stage job"),
        pytest.param(["unit: [b]", "docs"], ["docs"], id="one that another needs"),
        pytest.param(["nightly"], ["compile"], id="excluded"),
    ],
)
def test_the_needs_alone(names: list[str], expected: list[str]) -> None:
    selection = selected(*names, only_needs=True)

    assert list(selection.pipeline.jobs) == expected


def test_a_job_without_needs_leaves_nothing_to_run() -> None:
    with pytest.raises(UsageError, match="the jobs that you named need no others"):
        selected("lint", only_needs=True)
