"""``spotci shell`` and the stops of ``run``, by the backend without containers."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.cli.typed import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.command_line import CommandLine

PIPELINE = dedent("""\
    stages: [build, test]
    build:
      stage: build
      script: [echo built >out.txt]
      artifacts: {paths: [out.txt]}
    test:
      stage: test
      variables: {MINE: "of the job"}
      before_script: [export B=before]
      script: [touch made, echo two, exit 3]
    """)


@pytest.fixture
def spotci(
    project: Callable[[dict[str, str]], CommandLine], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    monkeypatch.setenv("SPOTCI_ENGINE_KIND", "shell")
    return project({".gitlab-ci.yml": PIPELINE})


@pytest.fixture
def terminal(spotci: CommandLine) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(spotci.folder, *arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_command_runs_where_the_script_would(spotci: CommandLine) -> None:
    done = spotci("shell", "test", "-c", 'cat out.txt; echo "$MINE"; exit 7')

    assert done.code == 7
    assert done.out == "built\nof the job\n"
    assert "runs first, for their artifacts: build" in done.err


def test_artifacts_are_those_of_the_last_run(spotci: CommandLine) -> None:
    assert spotci("run", "build").code == 0

    done = spotci("shell", "test", "-c", "cat out.txt")

    assert (done.code, done.out) == (0, "built\n")
    assert "runs first" not in done.err


def test_the_needs_do_not_run_where_they_are_not_wanted(spotci: CommandLine) -> None:
    done = spotci("shell", "test", "--no-needs", "-c", "ls")

    assert (done.code, done.out) == (0, "")
    assert "without the artifacts of build" in done.err


def test_before_script_runs_where_it_is_asked_for(spotci: CommandLine) -> None:
    done = spotci("shell", "test", "--before-script", "-c", "echo $B")

    assert done.out.endswith("before\n")


def test_a_session_is_not_recorded(spotci: CommandLine) -> None:
    spotci("shell", "build", "-c", "true")

    assert spotci("runs").out == "no run is recorded here yet\n"


def test_a_mistyped_job_gets_a_suggestion(spotci: CommandLine) -> None:
    done = spotci("shell", "tset")

    assert done.code == 2
    assert 'did you mean "test"?' in done.err


def test_a_failed_job_is_kept_entered_and_removed(spotci: CommandLine) -> None:
    assert spotci("run", "--keep", "test").code == 1

    assert re.search(r"test +\w+ .*exit code 3", spotci("shell").out)
    entered = spotci("shell", "test", "-c", "ls; echo $CI_JOB_STATUS")
    fresh = spotci("shell", "test", "--fresh", "-c", "ls")
    removed = spotci("shell", "--remove")

    assert entered.out == "made\nout.txt\nfailed\n"
    assert fresh.out == "out.txt\n"
    assert removed.out == "removed the container of test\n"
    assert spotci("shell", "--remove").err == "nothing is kept\n"


def test_without_a_job_there_must_be_something_to_list(spotci: CommandLine) -> None:
    assert spotci("shell").code == 2
    assert spotci("shell", "-c", "true").code == 2


def test_stops_need_a_terminal(spotci: CommandLine) -> None:
    done = spotci("run", "--break", "test")

    assert done.code == 2
    assert "there is no terminal for a shell" in done.err


def test_a_shell_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    session = terminal("shell", "build")

    session.expect(r"\(build\) \S+ # ")
    session.type("stty size\n")
    session.expect("30 90")
    session.resize(40, 100)
    size = "30 90"
    while size == "30 90":  # what is typed may overtake the signal
        session.type("stty size\n")
        size = session.expect(r"\d+ \d+")
    session.type("echo first; sleep 600\n")
    session.expect("first\r\n")
    session.type("\x03")
    session.expect(r"\(build\) \S+ # ")
    session.type("exit 9\n")

    assert size == "40 100"
    assert session.end() == 9


def test_a_run_stops_at_a_line_and_at_its_failure(
    terminal: Callable[..., Terminal],
) -> None:
    run = terminal("run", "test", "--break", "test:3", "--shell-on-failure")

    run.expect('"test" stops before: echo two')
    run.expect(r"\(test\) \S+ # ")
    run.type("echo $B; ls; step\n")
    run.expect("before\r\nmade")
    run.expect('"test" stops before: exit 3')
    run.expect(r"\(test\) \S+ # ")
    run.type("exit\n")
    run.expect('"test" failed')
    run.expect(r"\(test\) \S+ # ")
    run.type("exit 5\n")

    assert run.end() == 1
    assert "exit code 3" in run.seen
