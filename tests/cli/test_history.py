from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from spotci.cli.logs import _base_name
from spotci.report.record import Recorder
from spotci.runs import RunStore
from tests.report.run_events import failed_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

YAML = {".gitlab-ci.yml": "a: {script: [x]}\n"}


@pytest.fixture
def spotci(project: Callable[..., CommandLine]) -> CommandLine:
    """A project in which the run of run_events has been recorded."""
    line = project(YAML)
    store = RunStore(line.folder / ".spotci")
    recorder = Recorder(store.create(command=["run", "--branch", "main"]))
    for event in failed_run():
        recorder.handle(event)
    recorder.close()
    return line


def test_logs_of_all_jobs_have_headings(spotci: CommandLine) -> None:
    outcome = spotci("logs")

    assert outcome.code == 0
    assert outcome.out == (
        "── build\n$ make\ncompiling\n"
        "── test: [a]\nred\nstill red\nplain\nAssertionError\n"
    )


@pytest.mark.parametrize("name", ["test: [a]", "test"])
def test_logs_of_one_job(spotci: CommandLine, name: str) -> None:
    assert spotci("logs", name).out == "red\nstill red\nplain\nAssertionError\n"


def test_colours_of_logs_stay_for_a_terminal(
    spotci: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert spotci("logs", "test").out == (
        "\x1b[31mred\nstill red\x1b[0m\nplain\nAssertionError\n"
    )


def test_following_a_run_that_has_ended_ends(spotci: CommandLine) -> None:
    assert spotci("logs", "build", "--follow").out == "$ make\ncompiling\n"


def test_searching_tells_jobs_and_numbers_of_lines(spotci: CommandLine) -> None:
    outcome = spotci("logs", "--search", "R")

    assert outcome.code == 0
    assert outcome.out == (
        "── test: [a]\n     1: red\n     2: still red\n     4: AssertionError\n"
    )
    assert spotci("logs", "test", "--search", "nowhere").code == 1


def test_logs_of_an_unknown_job(spotci: CommandLine) -> None:
    outcome = spotci("logs", "biuld")

    assert outcome.code == 2
    assert outcome.err == 'error: no job of this run "biuld"\ndid you mean "build"?\n'


def test_runs_as_a_table(spotci: CommandLine) -> None:
    lines = spotci("runs").out.splitlines()

    assert re.sub(r" +", " ", lines[0]) == (
        "run status started duration source ref failed jobs"
    )
    assert re.fullmatch(
        r"\w{10}  ✗ failed  \d{4}-\d\d-\d\d \d\d:\d\d  1 min 11 s  push    main  "
        r"test: \[a\]",
        lines[1],
    )


def test_runs_as_json(spotci: CommandLine) -> None:
    [run] = spotci("runs", "--format", "json").json

    assert run["status"] == "failed"
    assert run["failed_jobs"] == ["test: [a]"]
    assert run["command"] == ["spotci", "run", "--branch", "main"]


def test_a_project_without_runs(project: Callable[..., CommandLine]) -> None:
    spotci = project(YAML)

    assert spotci("runs").out == "no run is recorded here yet\n"
    assert spotci("logs").code == 2
    assert spotci("logs").err == (
        "error: no run is recorded here yet\nstart one: spotci run\n"
    )


def test_artifacts(spotci: CommandLine) -> None:
    assert spotci("artifacts").out == (
        "job    files     size  folder\n"
        "build      2  2.0 KiB  .spotci/runs/run1/artifacts/build\n"
    )
    assert spotci("artifacts", "lint").out.endswith("has left artifacts\n")
    assert spotci("artifacts", "--format", "json").json == [
        {
            "job": "build",
            "name": "artifacts",
            "archive": None,
            "path": ".spotci/runs/run1/artifacts/build",
            "files": 2,
            "bytes": 2048,
        }
    ]


def test_artifacts_are_handed_out_as_an_archive(
    spotci: CommandLine, tmp_path: Path
) -> None:
    kept = spotci.folder / ".spotci/runs/run1/artifacts/build"
    kept.mkdir(parents=True)
    (kept / "app").write_text("content")

    out = spotci("artifacts", "build", "--zip", str(tmp_path / "out"))

    archive = tmp_path / "out" / "artifacts.zip"
    assert out.out == f"{archive}\n"
    with zipfile.ZipFile(archive) as content:
        assert content.read("app") == b"content"


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("build", "build"),
        ("test: [a, b]", "test"),
        ("test 2/3", "test"),
        ("a/b", "a/b"),
        ("see 1/x", "see 1/x"),
        ("odd: [", "odd: ["),
    ],
)
def test_names_without_the_suffix_of_parallel(name: str, base: str) -> None:
    assert _base_name(name) == base
