from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spotci.executor.job_variables import (
    Attempt,
    JobVariables,
    expand_url,
    job_variables,
)
from spotci.executor.timeouts import Timeouts, go_duration, plan_timeouts
from spotci.variables import Level
from tests.builders import job, plan, variable

if TYPE_CHECKING:
    from spotci.variables import Variable

DIR = "/builds/local/project"
ATTEMPT = Attempt(
    id=7,
    builds_dir="/builds",
    project_dir=DIR,
    started_at=0.0,
    timeout=3600.0,
    slot=2,
)


def variables(
    *own: Variable, runner: tuple[Variable, ...] = (), dotenv: tuple[Variable, ...] = ()
) -> JobVariables:
    return job_variables(
        replace(plan(), variables=runner),
        replace(job("a"), variables=own),
        ATTEMPT,
        dotenv,
    )


def test_predefined() -> None:
    values = variables().values

    assert values == {
        "CI_JOB_ID": "7",
        "CI_JOB_URL": "/-/jobs/7",
        "CI_JOB_STARTED_AT": "1970-01-01T00:00:00Z",
        "CI_JOB_TIMEOUT": "3600",
        "CI_JOB_STATUS": "running",
        "CI_PROJECT_DIR": DIR,
        "CI_BUILDS_DIR": "/builds",
        "CI_CONCURRENT_ID": "2",
        "CI_CONCURRENT_PROJECT_ID": "2",
        "CI_SERVER": "yes",
    }


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(
            [variable("A", "1"), variable("B", "$A-${A}")], "1-1", id="refers"
        ),
        pytest.param([variable("B", "$C"), variable("C", "c")], "c", id="any order"),
        pytest.param([variable("B", "$NONE.")], ".", id="undefined is empty"),
        pytest.param([variable("B", "$$HOME")], "$HOME", id="escaped"),
        pytest.param(
            [variable("B", "$A", expand=False), variable("A", "1")], "$A", id="raw"
        ),
        pytest.param(
            [variable("B", "<$R>"), variable("R", "$A", expand=False)],
            "<$A>",
            id="raw text is inserted and not expanded",
        ),
        pytest.param(
            [variable("B", "at $F"), variable("F", "content", file=True)],
            f"at {DIR}.tmp/F",
            id="path of a file variable",
        ),
        pytest.param([variable("B", "$CI_PROJECT_DIR/x")], f"{DIR}/x", id="runner's"),
        pytest.param(
            [variable("B", "low"), variable("B", "high", Level.PIPELINE)],
            "high",
            id="precedence",
        ),
        pytest.param(
            [variable("B", "base", Level.ROOT), variable("B", "${B}:x", Level.DOTENV)],
            "base:x",
            id="own name of a lower level",
        ),
    ],
)
def test_expansion(own: list[Variable], expected: str) -> None:
    assert variables(*own).values["B"] == expected


def test_dotenv_stands_between_the_yaml_and_the_project() -> None:
    dotenv = (variable("A", "dotenv", Level.DOTENV), variable("B", "d", Level.DOTENV))

    found = variables(
        variable("A", "yaml"), variable("B", "project", Level.PROJECT), dotenv=dotenv
    )

    assert (found.values["A"], found.values["B"]) == ("dotenv", "project")


def test_files_hold_contents() -> None:
    found = variables(variable("F", "a $X\n$$ $Y", file=True), variable("X", "1"))

    # The server expands what it knows; the runner leaves contents alone.
    assert found.files == {"F": b"a 1\n$$ $Y"}
    assert found.values["F"] == f"{DIR}.tmp/F"
    assert "F" not in found.public


def test_public_are_those_that_a_container_may_show() -> None:
    found = variables(
        variable("YAML", "1"),
        variable("SETTING", "2", Level.PROJECT),
        variable("GIVEN", "3", Level.PIPELINE),
        variable("TOKEN", "secret", Level.PROJECT, masked=True),
        variable("URL", "https://$TOKEN@host"),
        runner=(variable("CI_REGISTRY_PASSWORD", "pw", Level.PREDEFINED, masked=True),),
    )

    assert found.public["YAML"] == "1"
    assert found.public["CI_PROJECT_DIR"] == DIR
    assert not {"SETTING", "GIVEN", "TOKEN", "URL", "CI_REGISTRY_PASSWORD"} & set(
        found.public
    )
    assert set(found.secrets) == {"secret", "pw"}


def test_overridden() -> None:
    found = variables(variable("A", "1"), variable("F", "x", file=True))

    changed = found.overridden({"A": "2", "F": "plain"})

    assert (changed.values["A"], changed.values["F"]) == ("2", "plain")
    assert changed.files == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("1", True), ("FALSE", False), ("0", False), ("maybe", True)],
)
def test_flags(text: str, *, expected: bool) -> None:
    found = variables(variable("A", text))

    assert found.flag("A", default=True) is expected
    assert found.flag("NONE", default=False) is False


def test_numbers() -> None:
    found = variables(variable("A", "3"), variable("B", "x"))

    assert [found.number(name, default=1) for name in ("A", "B", "C")] == [3, 1, 1]


def test_url_of_the_environment() -> None:
    url = expand_url(
        "https://$HOST/$UNKNOWN",
        plan(),
        job("a", variables={"HOST": "yaml"}),
        ATTEMPT,
        (variable("HOST", "dotenv", Level.DOTENV),),
    )

    assert url == "https://dotenv/"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (3600, 3600, 300)),
        ({"RUNNER_SCRIPT_TIMEOUT": "10m"}, (3600, 600, 300)),
        ({"RUNNER_SCRIPT_TIMEOUT": "-10m"}, (3600, 3000, 300)),
        ({"RUNNER_SCRIPT_TIMEOUT": "2h"}, (3600, 3600, 300)),
        ({"RUNNER_SCRIPT_TIMEOUT": "soon"}, (3600, 3600, 300)),
        ({"RUNNER_AFTER_SCRIPT_TIMEOUT": "1h30m"}, (3600, 3600, 3600)),
    ],
)
def test_timeouts(values: dict[str, str], expected: tuple[float, ...]) -> None:
    found = JobVariables(values=values, files={}, public={}, secrets=())

    job_limit, script, after_script = expected
    assert plan_timeouts(3600, found) == Timeouts(
        job=job_limit, script=script, after_script=after_script
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3600, "1h0m0s"),
        (63, "1m3s"),
        (5, "5s"),
        (0.5, "0.5s"),
        (90061, "25h1m1s"),
    ],
)
def test_go_durations(seconds: float, expected: str) -> None:
    assert go_duration(seconds) == expected


@pytest.mark.parametrize(
    ("before", "after", "builds_dir"),
    [
        (DIR, "/builds/3/local/project", "/builds/3"),
        ("/builds/go/src", "/tmp/x/builds/go/src", "/tmp/x/builds"),
    ],
)
def test_builds_dir_of_a_moved_project(
    before: str, after: str, builds_dir: str
) -> None:
    moved = replace(ATTEMPT, project_dir=before).moved(after)

    assert (moved.project_dir, moved.builds_dir) == (after, builds_dir)
