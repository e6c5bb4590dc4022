"""``spotci diff``: commits and contexts against each other."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

    Make = Callable[..., CommandLine]

PIPELINE = dedent("""\
    include: more.yml
    build:
      stage: build
      image: python:3.11
      script: [one, two]
    test:
      script: [run]
      parallel: {matrix: [{PY: [a, b]}]}
    deploy:
      stage: deploy
      script: [ship]
      rules:
        - if: $CI_COMMIT_TAG
        - if: $CI_COMMIT_BRANCH == "next"
          when: manual
    """)


@pytest.fixture
def spotci(project: Make) -> CommandLine:
    command = project(
        {".gitlab-ci.yml": PIPELINE, "more.yml": "lint: {script: [style]}\n"}
    )
    command.git("init", "--quiet", "--initial-branch=main")
    command.git("add", "--all")
    command.git("commit", "--quiet", "--message=first")
    command.git("branch", "before")
    return command


def edit(spotci: CommandLine, *pairs: tuple[str, str], file: str) -> None:
    path = spotci.folder / file
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def test_without_edits_nothing_differs(spotci: CommandLine) -> None:
    outcome = spotci("diff", "--exit-code")

    assert outcome.code == 0
    assert outcome.out == "no job differs between HEAD and the working tree\n"


def test_edits_are_told_with_their_places(spotci: CommandLine) -> None:
    edit(
        spotci,
        ("python:3.11", "python:3.12"),
        ("[one, two]", "[one, three]"),
        ("[run]", "[run]\n  variables: {WHO: me}"),
        file=".gitlab-ci.yml",
    )
    edit(spotci, ("lint", "style"), file="more.yml")

    outcome = spotci("diff")

    assert outcome.code == 0
    assert outcome.out == dedent("""\
        from HEAD to the working tree: 1 job appears, 1 job disappears, 3 jobs change

        + style (test)
            before: the configuration has no such job
            after:  no rule keeps it out

        - lint (test)
            before: no rule keeps it out
            after:  the configuration has no such job

        ~ build
            image  (.gitlab-ci.yml:4:3)
              - {"name": "python:3.11"}
              + {"name": "python:3.12"}
            script  (.gitlab-ci.yml:5:3)
              - two
              + three

        ~ test (2 jobs)
            variables:WHO  (.gitlab-ci.yml:8:15)
              - not set
              + me
        """)
    assert spotci("diff", "--exit-code").code == 1


def test_commits_are_read_with_their_includes(spotci: CommandLine) -> None:
    edit(spotci, ("style", "other"), file="more.yml")
    spotci.git("commit", "--quiet", "--all", "--message=later")

    forth = spotci("diff", "--from", "before", "--format", "json").json
    back = spotci("diff", "--from", "HEAD", "--to", "before", "--format", "json").json

    assert (forth["different"], back["different"]) == (True, True)
    assert forth["from"] == back["to"]
    assert forth["changed"] == [
        {
            "name": "lint",
            "keys": [
                {
                    "key": "script",
                    "from": {"value": ["style"], "place": "more.yml:1:8"},
                    "to": {"value": ["other"], "place": "more.yml:1:8"},
                }
            ],
            "from": {"included": True, "reason": "no rule keeps it out", "rules": []},
            "to": {"included": True, "reason": "no rule keeps it out", "rules": []},
        }
    ]


def test_contexts_differ_by_rules(spotci: CommandLine) -> None:
    outcome = spotci("diff", "--to-tag", "v1")

    assert outcome.out == dedent("""\
        from the working tree to the working tree --tag v1: 1 job appears

        + deploy (deploy)
            before: rules: no entry matches
                    ✗ if: $CI_COMMIT_TAG (null)  (.gitlab-ci.yml:13:7)
                    ✗ if: $CI_COMMIT_BRANCH ("main") == "next"  (.gitlab-ci.yml:14:7)
            after:  entry 1 of its rules matches
                    ✓ if: $CI_COMMIT_TAG ("v1")  (.gitlab-ci.yml:13:7)
        """)


def test_another_entry_of_rules_is_told(spotci: CommandLine) -> None:
    outcome = spotci("diff", "--from-branch", "next", "--to-tag", "v1")

    assert outcome.out.endswith(
        dedent("""\
        ~ deploy
            when  (.gitlab-ci.yml:14:7 → .gitlab-ci.yml:13:7)
              - manual
              + on_success
            before: entry 2 of its rules matches
            after:  entry 1 of its rules matches
        """)
    )


def test_stages_and_a_pipeline_that_is_not_created(spotci: CommandLine) -> None:
    edit(
        spotci,
        ("include:", "workflow: {rules: [{when: never}]}\nstages: [build]\ninclude:"),
        ("  stage: deploy\n", "  stage: build\n"),
        ("  script: [run]", "  stage: build\n  script: [run]"),
        file=".gitlab-ci.yml",
    )
    edit(spotci, ("[style]", "[style], stage: build"), file="more.yml")

    outcome = spotci("diff")

    assert "~ stages\n    .pre, build, test, deploy, .post\n  → " in outcome.out
    assert "after:  Pipeline filtered out by workflow rules." in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--from", "nowhere"], 'there is no commit "nowhere"', id="no commit"
        ),
        pytest.param(
            ["--to=--output=x"], '"--output=x" is no name of a commit', id="an option"
        ),
        pytest.param(
            ["--to-event", "party"], "Invalid value for '--to-event'", id="event"
        ),
    ],
)
def test_wrong_usage(spotci: CommandLine, arguments: list[str], message: str) -> None:
    outcome = spotci("diff", *arguments)

    assert outcome.code == 2
    assert message in outcome.err


def test_errors_tell_their_side(spotci: CommandLine) -> None:
    edit(spotci, ("[ship]", "{}"), file=".gitlab-ci.yml")

    outcome = spotci("diff")

    assert outcome.code == 2
    assert outcome.err.startswith("the configuration of the working tree is not valid")
    assert ".gitlab-ci.yml:11:" in outcome.err
    assert spotci("diff", "--format", "json").json["errors"][0]["line"] == 11
