"""Manual jobs that a person plays on the terminal."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.cli.typed import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.command_line import CommandLine

PIPELINE = dedent("""\
    build: {stage: build, script: "true"}
    "deploy [a, b]": {stage: deploy, when: manual, script: echo deployed}
    production:
      stage: deploy
      script: echo live
      manual_confirmation: Really deploy?
      rules: [{when: manual}]
    docs: {stage: deploy, when: manual, script: echo documented}
    """)
QUESTION = "Enter for none: "


@pytest.fixture
def terminal(
    project: Callable[[dict[str, str]], CommandLine], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Terminal]]:
    monkeypatch.setenv("SPOTCI_ENGINE_KIND", "shell")
    monkeypatch.setenv("TERM", "xterm")
    line = project({".gitlab-ci.yml": PIPELINE})
    opened: list[Terminal] = []

    def run(*arguments: str) -> Terminal:
        opened.append(Terminal(line.folder, "run", "--output", "plain", *arguments))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def test_a_person_plays_jobs_by_name_and_number(
    terminal: Callable[..., Terminal],
) -> None:
    run = terminal()

    run.expect("3 manual jobs wait to be played:")
    run.expect(r"1  deploy \[a, b\]  deploy\s")
    run.expect(r"2  production     deploy, holds what comes after it\s")
    run.expect(QUESTION)
    run.type("nothing\n")
    run.expect('no manual job "nothing" waits')
    run.expect(QUESTION)
    run.type("deploy [a, b]\n")

    assert run.end() == 0
    assert "deployed" in run.seen
    assert "live" not in run.seen
    assert "documented" not in run.seen


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        pytest.param("y", True, id="confirmed"),
        pytest.param("", False, id="not confirmed"),
    ],
)
def test_a_job_that_wants_to_be_confirmed(
    terminal: Callable[..., Terminal], answer: str, *, printed: bool
) -> None:
    run = terminal()

    run.expect(QUESTION)
    run.type("2, docs\n")
    run.expect(r"production: Really deploy\? \[y/N\] ")
    run.type(f"{answer}\n")

    assert run.end() == 0
    assert ("live" in run.seen) is printed
    assert "documented" in run.seen


@pytest.mark.parametrize("keys", ["\n", "\x04"], ids=["Enter", "Ctrl-D"])
def test_nothing_is_played_without_an_answer(
    terminal: Callable[..., Terminal], keys: str
) -> None:
    run = terminal()

    run.expect(QUESTION)
    run.type(keys)

    assert run.end() == 0
    assert "deployed" not in run.seen
    assert "3 manual jobs were not played" in run.seen


def test_who_is_not_to_be_asked_is_not(
    terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTCI_RUN_ASK_MANUAL", "false")

    run = terminal()

    assert run.end() == 0
    assert QUESTION not in run.seen
