from __future__ import annotations

import pytest

from spotci.cli.debugger import parse_breakpoints
from spotci.errors import UsageError
from tests.builders import job

JOBS = (
    job("build", before_script=("a",), script=("b", "c"), after_script=("d",)),
    job("test:unit", script=("a", "b")),
    job("matrix: [x]", base_name="matrix"),
    job("matrix: [y]", base_name="matrix"),
)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["build"], {"build": {"1"}}, id="first line"),
        pytest.param(["build:3"], {"build": {"3"}}, id="script after before_script"),
        pytest.param(["build:03"], {"build": {"3"}}, id="zero before"),
        pytest.param(["build:2", "build:after"], {"build": {"2", "after"}}, id="two"),
        pytest.param(["test:unit"], {"test:unit": {"1"}}, id="colon in the name"),
        pytest.param(["test:unit:2"], {"test:unit": {"2"}}, id="colon and line"),
        pytest.param(
            ["matrix"], {"matrix: [x]": {"1"}, "matrix: [y]": {"1"}}, id="base name"
        ),
        pytest.param(["matrix: [y]:1"], {"matrix: [y]": {"1"}}, id="matrix"),
        pytest.param([], {}, id="none"),
    ],
)
def test_breakpoints(texts: list[str], expected: dict[str, set[str]]) -> None:
    assert parse_breakpoints(texts, JOBS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("bild:2", 'no job "bild"', id="unknown job"),
        pytest.param("nothing", 'no job "nothing"', id="unknown job without line"),
        pytest.param("build:0", '--break build:0: "0" is no line of a job', id="zero"),
        pytest.param("build:x", '--break build:x: "x" is no line of a job', id="word"),
        pytest.param(
            "build:4",
            'the job "build" has no line 4: before_script and script have 3',
            id="beyond",
        ),
        pytest.param(
            "test:unit:after", 'the job "test:unit" has no after_script', id="no after"
        ),
    ],
)
def test_what_no_job_has_is_an_error(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_breakpoints([text], JOBS)

    assert error.value.message == message


def test_a_mistyped_job_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as error:
        parse_breakpoints(["bild:2"], JOBS)

    assert error.value.hint == 'did you mean "build"?'
