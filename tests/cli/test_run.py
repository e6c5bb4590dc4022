"""``spotci run`` and ``rerun`` whole, on the backend in memory."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from spotci.cli.report import state_of
from spotci.errors import EngineUnavailableError
from spotci.report.summary import render_summary
from spotci.report.terminal import Paint
from spotci.runs import RunStore
from tests.fakes import FakeBackend, Program
from tests.json_schema import Schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from spotci.executor.backend import Backend
    from tests.cli.command_line import CommandLine

EVENT_SCHEMA = Path(__file__).parents[2] / "docs/reference/events.schema.json"

PIPELINE = dedent("""\
    default: {image: alpine}
    compile:
      stage: build
      script: [make all]
      artifacts: {paths: [out.txt]}
    unit:
      stage: test
      script: [run the tests]
      coverage: '/(\\d+)%/'
    lint:
      stage: test
      script: [check style]
      allow_failure: true
    nightly:
      stage: test
      script: [slow]
      rules: [{if: $CI_PIPELINE_SOURCE == "schedule"}]
    ship:
      stage: deploy
      script: [ship it]
      when: manual
    """)

#: No test waits for it.
LATER = dedent("""\
    later:
      when: delayed
      start_in: 1 week
      script: [wait]
    """)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    """Put the backend in memory in the place of Docker."""
    fake = FakeBackend()

    @asynccontextmanager
    async def open_backend(*_: object) -> AsyncIterator[Backend]:
        yield fake.port

    monkeypatch.setattr("spotci.cli.running.open_backend", open_backend)
    return fake


@pytest.fixture
def spotci(project: Callable[..., CommandLine], backend: FakeBackend) -> CommandLine:
    backend.engine.programs += [
        ("make all", Program(output=[b"compiled\n"], files={"out.txt": b"made"})),
        ("run the tests", Program(output=[b"12 passed, 80%\n"])),
    ]
    line = project({".gitlab-ci.yml": PIPELINE})
    line.git("init", "-q", "-b", "main")
    line.git("add", ".")
    line.git("commit", "-q", "-m", "first")
    return line


def results(line: CommandLine, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run with JSON as the output, and return the results by the names of jobs."""
    outcome = line("run", "--output", "json", *arguments)
    assert (outcome.code, outcome.err) == (code, "")
    events = [json.loads(text) for text in outcome.out.splitlines()]
    assert events[-1]["event"] == "pipeline_finished"
    found: dict[str, Any] = events[-1]["results"]
    return {name: result["status"] for name, result in found.items()}


def test_plain_output_of_a_passed_pipeline(spotci: CommandLine) -> None:
    outcome = spotci("run", "--output", "plain")

    assert (outcome.code, outcome.err) == (0, "")
    text = re.sub(r"\d+\.\d s", "N s", outcome.out)
    assert re.search(r"^run \w{10}: push on main at \w{8}, 4 jobs in 3 stages$", text,
                     re.MULTILINE)  # fmt: skip
    assert "compile | compiled\n" in text
    assert "compile | ✓ passed in N s\n" in text
    assert "unit    | 12 passed, 80%\n" in text
    summary = text.partition("\n\n")[2]
    summary = re.sub(r"→ (?:unit|lint)", "→ LAST", summary)
    assert re.sub(r"runs/\w{10}", "runs/ID", summary) == dedent("""\
        status    job      stage   duration  coverage
        ✓ passed  compile  build      N s
        ✓ passed  unit     test       N s    80.0 %
        ✓ passed  lint     test       N s
        ▷ manual  ship     deploy

        ▷ a manual job was not played
          play it: spotci run ship

        ✓ pipeline passed in N s, coverage 80.0 %
          critical path  compile N s → LAST N s
          artifacts      1 file of 1 job, 4 B: spotci artifacts
          record         .spotci/runs/ID: spotci report
        """)


def test_a_failure_says_why_and_how_to_run_it_again(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    backend.engine.programs.insert(
        0, ("run the tests", Program(output=[b"1 failed\n"], code=1))
    )

    outcome = spotci("run", "--output", "quiet", "--branch", "main")

    assert outcome.code == 1
    assert "✗ unit failed: script_failure, exit code 1\n" in outcome.out
    assert "    │ 1 failed\n" in outcome.out
    assert "  run it again: spotci run unit --branch main\n" in outcome.out
    assert re.search(r"^✗ pipeline failed in ", outcome.out, re.MULTILINE)


def test_a_failure_that_is_allowed_passes_with_warnings(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    backend.engine.programs.insert(0, ("check style", Program(code=1)))

    outcome = spotci("run", "--output", "quiet")

    assert outcome.code == 0
    assert "! lint failed, which is allowed: script_failure" in outcome.out
    assert "! pipeline passed with warnings in " in outcome.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["lint"], ["compile", "lint"], id="a job and what it needs"),
        pytest.param(["--job", "lint", "--no-needs"], ["lint"], id="alone"),
        pytest.param(["--stage", "build"], ["compile"], id="a stage"),
        pytest.param(["[lu]*"], ["compile", "unit", "lint"], id="a pattern"),
    ],
)
def test_selection(
    spotci: CommandLine, arguments: list[str], expected: list[str]
) -> None:
    assert list(results(spotci, *arguments)) == expected


@pytest.mark.parametrize(
    "arguments", [["ship"], ["--manual", "ship"], ["--manual=all"]]
)
def test_manual_jobs_are_played_where_asked(
    spotci: CommandLine, arguments: list[str]
) -> None:
    assert results(spotci, *arguments)["ship"] == "success"


def test_delayed_jobs_start_at_once_where_asked(spotci: CommandLine) -> None:
    (spotci.folder / ".gitlab-ci.yml").write_text(LATER, "utf-8")

    assert results(spotci, "--no-delay") == {"later": "success"}


def test_lines_have_their_times_where_asked(spotci: CommandLine) -> None:
    outcome = spotci("run", "compile", "--timestamps")

    lines = [line for line in outcome.out.splitlines() if "compiled" in line]
    assert [re.sub(r"\d", "0", line) for line in lines] == [
        "0000-00-00T00:00:00.000Z compile | compiled"
    ]


def test_a_named_job_runs_though_its_rules_exclude_it(spotci: CommandLine) -> None:
    outcome = spotci("run", "nightly", "--output", "plain")

    assert outcome.code == 0
    assert outcome.out.startswith(
        'spotci: "nightly" runs as you named it, though its rules exclude it\n'
    )


def test_a_mistyped_name_runs_nothing(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    outcome = spotci("run", "unti")

    assert outcome.code == 2
    assert outcome.err == 'error: no job "unti"\ndid you mean "unit"?\n'
    assert backend.engine.created == []
    assert not (spotci.folder / ".spotci").exists()


def test_no_pipeline_runs_nothing(
    project: Callable[..., CommandLine], backend: FakeBackend
) -> None:
    yaml = "workflow: {rules: [{when: never}]}\na: {script: x}\n"
    spotci = project({".gitlab-ci.yml": yaml})

    outcome = spotci("run")

    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == (
        "no pipeline is created: Pipeline filtered out by workflow rules.\n"
    )
    assert backend.engine.created == []


def test_the_record_of_a_run(spotci: CommandLine) -> None:
    spotci("run", "--output", "quiet", "--variable", "API_TOKEN=s3cr3t-s3cr3t", "unit")

    run = RunStore(spotci.folder / ".spotci").find()
    assert run.status == "success"
    assert list(run.command) == [
        "run", "--job", "unit", "--output", "quiet", "--variable", "API_TOKEN",
    ]  # fmt: skip
    assert "compiled" in spotci("logs", "compile").out
    assert (run.folder / "artifacts/compile/out.txt").read_bytes() == b"made"
    everything = "".join(
        path.read_text() for path in run.folder.rglob("*") if path.is_file()
    )
    assert "s3cr3t" not in everything
    page = spotci("report", "--output", "-").out
    assert re.search(r"<td>API_TOKEN</td><td class=.value.>\[MASKED\]</td>", page)
    assert "s3cr3t" not in page
    assert spotci("artifacts").out.splitlines()[1].split()[:2] == ["compile", "1"]


def test_the_summary_can_be_made_from_the_record_alone(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    failing = Program(output=[b"\x1b[31m1 failed\x1b[0m\n"], code=1)
    backend.engine.programs.insert(0, ("run the tests", failing))

    live = spotci("run", "--output", "quiet", "--branch", "main").out

    run = RunStore(spotci.folder / ".spotci").find()
    rebuilt = render_summary(
        state_of(run), paint=Paint(enabled=False), options=["--branch", "main"]
    )
    assert "│ 1 failed" in rebuilt
    assert rebuilt == live.strip("\n")


def test_the_events_of_a_whole_run_are_as_documented(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    failing = Program(output=[b"1 failed\n"], code=1)
    backend.engine.programs.insert(0, ("run the tests", failing))

    outcome = spotci("run", "--output", "json")

    schema = Schema.of_file(EVENT_SCHEMA, closed=True)
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert [fault for event in events for fault in schema.faults(event)] == []
    assert [event["event"] for event in events].count("pipeline_started") == 1
    assert events[-1]["event"] == "pipeline_finished"
    assert {"job_log", "section_started", "job_status_changed", "artifacts_saved"} < {
        event["event"] for event in events
    }
    recorded = RunStore(spotci.folder / ".spotci").find().events_file.read_text()
    lines = [json.loads(line) for line in recorded.splitlines()]
    assert [fault for line in lines for fault in schema.faults(line)] == []


def test_artifacts_of_the_last_run_serve_a_job_that_runs_alone(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    results(spotci, "compile")

    results(spotci, "unit", "--no-needs")

    assert backend.gates.reached.count("adopt") == 1
    assert len(backend.workspaces.specs[-1].layers) == 1


def test_rerun_of_what_failed(spotci: CommandLine, backend: FakeBackend) -> None:
    backend.engine.programs.insert(0, ("run the tests", Program(code=1)))
    results(spotci, code=1)
    del backend.engine.programs[0]

    outcome = spotci("rerun", "--failed")

    assert outcome.code == 0
    [newest, _] = RunStore(spotci.folder / ".spotci").list()
    assert {job: str(r.status) for job, r in newest.results.items()} == {
        "unit": "success"
    }


def test_a_job_is_rerun_with_the_artifacts_of_the_last_run(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    results(spotci, "unit")
    backend.workspaces.specs.clear()

    outcome = spotci("rerun", "unit")

    assert outcome.code == 0
    [newest, _] = RunStore(spotci.folder / ".spotci").list()
    assert set(newest.results) == {"unit"}
    assert [len(spec.layers) for spec in backend.workspaces.specs] == [1]


def test_what_a_job_needs_is_rerun_where_its_artifacts_are_gone(
    spotci: CommandLine,
) -> None:
    results(spotci, "unit")
    for folder in spotci.folder.glob(".spotci/runs/*/artifacts/*"):
        shutil.rmtree(folder)

    outcome = spotci("rerun", "unit")

    assert outcome.code == 0
    [newest, _] = RunStore(spotci.folder / ".spotci").list()
    assert set(newest.results) == {"compile", "unit"}


def test_a_manual_job_is_rerun_where_it_is_named(spotci: CommandLine) -> None:
    results(spotci)

    outcome = spotci("rerun", "ship")

    assert outcome.code == 0
    [newest, _] = RunStore(spotci.folder / ".spotci").list()
    assert {job: str(r.status) for job, r in newest.results.items()} == {
        "ship": "success"
    }


def test_rerun_where_all_passed(spotci: CommandLine) -> None:
    results(spotci, "compile")

    outcome = spotci("rerun", "--failed")

    assert outcome.code == 0
    assert re.fullmatch(r"all jobs of run \w{10} passed\n", outcome.out)


def test_without_an_engine(
    spotci: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_backend(*_: object) -> AbstractAsyncContextManager[Backend]:
        raise EngineUnavailableError("no Docker answers", hint="start it")

    monkeypatch.setattr("spotci.cli.running.open_backend", open_backend)

    outcome = spotci("run")

    assert outcome.code == 3
    assert outcome.err == "error: no Docker answers\nhint: start it\n"
    assert RunStore(spotci.folder / ".spotci").list() == ()


def test_an_engine_that_dies_leaves_a_complete_record(
    spotci: CommandLine, backend: FakeBackend
) -> None:
    async def die(*_: object, **__: object) -> None:
        raise MemoryError("a bug")

    backend.engine.create = die  # type: ignore[method-assign,assignment]

    outcome = spotci("run", "--output", "quiet")

    assert outcome.code == 70
    assert RunStore(spotci.folder / ".spotci").find().status == "failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run(
    spotci: CommandLine, backend: FakeBackend, number: signal.Signals
) -> None:
    backend.engine.programs.insert(0, ("make all", Program(hangs=True)))
    passing = backend.gates.passing

    async def interrupt(name: str) -> None:
        await passing(name)
        if name == "start":
            os.kill(os.getpid(), number)

    backend.gates.passing = interrupt  # type: ignore[method-assign]

    outcome = spotci("run", "--output", "plain")

    assert outcome.code == 130
    assert "spotci: interrupted: the jobs are stopped" in outcome.out
    assert "⊘ pipeline canceled in" in outcome.out
    assert backend.engine.containers == {}
    run = RunStore(spotci.folder / ".spotci").find()
    assert run.status == "canceled"
    assert str(next(iter(run.results.values())).status) == "canceled"
