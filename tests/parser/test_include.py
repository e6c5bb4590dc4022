from __future__ import annotations

from dataclasses import replace

import pytest

from spotci.parser.load import load
from spotci.parser.problems import Problems
from spotci.variables import Level, Variable
from tests.contexts import FakeReader, context
from tests.parser.configurations import read, source

URL = "https://example.com/ci.yml"


def test_a_remote_file_does_not_read_the_project_of_its_reader() -> None:
    root, errors = read(
        f"include: {URL}\n", {URL: "include: a.yml\nb: 1\n", "a.yml": "a: 1\n"}
    )

    assert root == {"b": 1}
    assert len(errors) == 1
    assert "Local file `a.yml` does not have project!" in errors[0]


def test_a_circle_of_includes_is_named() -> None:
    _, errors = read(
        "include: a.yml\n", {"a.yml": "include: b.yml\n", "b.yml": "include: a.yml\n"}
    )

    assert errors[0].splitlines()[-1] == (
        "hint: a circle of includes: a.yml → b.yml → a.yml"
    )


def test_errors_and_places_do_not_tell_masked_variables() -> None:
    secret = Variable(
        name="TOKEN", value="glpat-canary", level=Level.PROJECT, masked=True
    )
    texts = {"https://x.y/glpat-canary.yml": "a: [\n"}
    chosen = context(reader=FakeReader(texts=texts))
    chosen = replace(chosen, variables=(*chosen.variables, secret))
    problems = Problems()

    load(
        source("include: ['https://x.y/$TOKEN.yml', 'no/$TOKEN.yml']\n"),
        chosen,
        problems,
    )

    told = "\n".join(map(str, problems.errors))
    assert len(problems.errors) == 2
    assert "glpat-canary" not in told
    assert "https://x.y/[MASKED].yml:" in told


def test_a_header_includes_three_kinds_of_files() -> None:
    header = "spec: {{include: [{}]}}\n---\na: $[[ inputs.x ]]\n"
    shared = {"i.yml": "inputs: {x: {default: 1, type: number}}\n"}

    good = read(header.format("{local: i.yml}"), shared)
    _, wrong = read(header.format("{template: i.gitlab-ci.yml}"), shared)

    assert good == ({"a": 1}, [])
    assert "header:spec:include must use one of: `local`, `project`" in wrong[0]


HEADER = "spec: {{include: [{}]}}\n---\na: $[[ inputs.x ]]\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(
            {"i.yml": "inputs: {x: }\njob: {}\nb: 1\n"},
            "i.yml:2:1: error: Header include file `i.yml` contains unknown keys:"
            " [:job, :b]",
            id="more than inputs",
        ),
        pytest.param(
            {"i.yml": "job: {}\n"},
            ".gitlab-ci.yml:1:26: error: Header include file `i.yml` does not have"
            " inputs",
            id="no inputs",
        ),
        pytest.param(
            {"i.yml": "inputs: {x: }\n", "j.yml": "inputs: {y: , x: }\n"},
            "j.yml:1:15: error: Duplicate input keys found: x. Input keys must be"
            " unique across all included files and inline specifications.",
            id="in two files",
        ),
    ],
)
def test_wrong_files_of_a_header(files: dict[str, str], message: str) -> None:
    names = ", ".join(f"{{local: {name}}}" for name in files)

    _, errors = read(HEADER.format(names), files)

    assert errors[0].splitlines()[0] == message
