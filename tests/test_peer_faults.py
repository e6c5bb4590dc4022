"""What other local runners of GitLab's pipelines got wrong, and spotci must not.

Each was seen by running them. The pipelines run as processes, from the command line;
those of ``tests/e2e/test_peer_faults.py`` in containers. ``docs/peer-faults.md`` has
all faults with their tests.
"""

from __future__ import annotations

import json
import stat
import time
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from spotci.context import MergeRequest
from spotci.events import JobResult, JobStatus
from spotci.executor.plan import RunOptions, RunPlan
from spotci.executor.scheduler import run_pipeline
from spotci.tree import SourceTree
from tests.cli.command_line import CommandLine
from tests.compiling import compile_text, config_errors, job_of, pipeline_of
from tests.contexts import FakeRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spotci.events import Event
    from spotci.pipeline import Job

#: How the log shows a command before it runs.
COMMAND = "\x1b[32;1m$ "
#: Commands of a shell, of Ruby, of Python and of JavaScript that make a file.
HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "require('child_process').execSync('touch pwned')",
    "__import__('os').system('touch pwned')",
    '"a" == "a"); require("fs").writeFileSync("pwned", ""); ("b"',
    '$CI_COMMIT_BRANCH =~ /a/.constructor.constructor("touch pwned")()/',
)


@pytest.fixture
def make(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., CommandLine]:
    """Write a project with one commit and no remote; give its command line."""

    def write(yaml: str, **files: str) -> CommandLine:
        folder = tmp_path / "shop"
        folder.mkdir()
        for name, text in {".gitlab-ci.yml": dedent(yaml), **files}.items():
            (folder / name).write_text(text, "utf-8")
        monkeypatch.chdir(folder)
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "CI", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            monkeypatch.setenv(name, str(tmp_path / "home"))
        line = CommandLine(folder, capfd)
        line.git("init", "-q", "-b", "main")
        line.git("add", ".")
        line.git("commit", "-q", "-m", "A title of our own", "-m", "And a text.")
        return line

    return write


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left."""

    code: int
    events: list[dict[str, Any]]

    @property
    def statuses(self) -> dict[str, str]:
        results = self.events[-1]["results"]
        return {name: result["status"] for name, result in results.items()}

    def results(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.events[-1]["results"][name]
        return found

    @property
    def log(self) -> list[str]:
        """The lines that the scripts printed, without the commands themselves."""
        texts = [
            event["text"]
            for event in self.events
            if event["event"] == "job_log" and event.get("kind", "output") == "output"
        ]
        lines = "\n".join(texts).splitlines()
        return [line for line in lines if not line.startswith(COMMAND)]


def run(line: CommandLine, *arguments: str) -> Ran:
    outcome = line("run", "--engine", "shell", "--output", "json", *arguments)
    events = [json.loads(text) for text in outcome.out.splitlines()]
    assert events, outcome.err
    assert events[-1]["event"] == "pipeline_finished", outcome.err
    return Ran(outcome.code, events)


# --- keywords that were ignored in silence --------------------------------------


def test_workflow_rules_stop_the_pipeline(make: Callable[..., CommandLine]) -> None:
    line = make(
        """\
        workflow:
          rules:
            - when: never
        job:
          script: [touch ran]
        """
    )

    outcome = line("run", "--engine", "shell", "--output", "plain")

    assert "Pipeline filtered out by workflow rules." in outcome.out + outcome.err
    assert not list(line.folder.glob(".spotci/runs/*/jobs/*"))


@pytest.mark.parametrize(
    ("keywords", "included"),
    [
        pytest.param("only: [main]", True, id="only the branch"),
        pytest.param("only: [tags]", False, id="only tags"),
        pytest.param("except: [main]", False, id="except the branch"),
        pytest.param("except: [schedules]", True, id="except schedules"),
        pytest.param("only: {variables: [$A]}", False, id="only a variable"),
        pytest.param("only: {changes: [b/*]}", False, id="only changes"),
    ],
)
def test_only_and_except_count(*, keywords: str, included: bool) -> None:
    compilation = compile_text(
        f"job:\n  {keywords}\n  script: [x]\nother:\n  script: [x]\n",
        repository=FakeRepository(changed=["a/b"]),
    )

    assert compilation.pipeline is not None
    assert ("job" in compilation.pipeline.jobs) is included


def test_a_failed_job_is_retried(make: Callable[..., CommandLine]) -> None:
    line = make(
        """\
        flaky:
          retry: 2
          script: [echo attempt, exit 1]
        """
    )

    ran = run(line)

    assert ran.log.count("attempt") == 3
    assert ran.results("flaky")["attempt"] == 3
    assert (ran.code, ran.statuses) == (1, {"flaky": "failed"})


def test_a_job_is_retried_for_its_exit_codes_alone(
    make: Callable[..., CommandLine],
) -> None:
    line = make(
        """\
        default: {retry: {max: 1, exit_codes: [3]}}
        listed: {script: [echo listed, exit 3]}
        other: {script: [echo other, exit 4]}
        """
    )

    ran = run(line)

    assert (ran.log.count("listed"), ran.log.count("other")) == (2, 1)


def test_a_job_ends_at_its_timeout(make: Callable[..., CommandLine]) -> None:
    line = make("slow: {timeout: 1 second, script: [sleep 60]}\n")
    started = time.monotonic()

    ran = run(line)

    assert time.monotonic() - started < 30
    assert ran.results("slow")["failure_reason"] == "job_execution_timeout"
    assert ran.code == 1


async def test_a_delayed_job_waits_for_start_in(tmp_path: Path) -> None:
    pipeline = pipeline_of(
        """\
        later: {when: delayed, start_in: 90 minutes, script: [x]}
        by-rule:
          rules: [{when: delayed, start_in: 2 days}]
          script: [x]
        at-once: {script: [x]}
        """
    )
    clock = Clock()

    finished = await run_pipeline(
        RunPlan(
            run="test",
            pipeline=pipeline,
            tree=SourceTree(root=tmp_path, entries=()),
            record=tmp_path,
            sha="",
            options=RunOptions(),
        ),
        clock.run,
        clock.emit,
        sleep=clock.sleep,
    )

    assert sorted(clock.slept) == [90 * 60, 2 * 24 * 3600]
    assert clock.started[0] == "at-once"
    assert {result.status for result in finished.results.values()} == {
        JobStatus.SUCCESS
    }


@dataclass
class Clock:
    """Runs jobs in no time, and writes down how long was waited."""

    slept: list[float] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    async def run(self, job: Job, attempt: int) -> JobResult:
        self.started.append(job.name)
        return JobResult(job=job.name, status=JobStatus.SUCCESS, attempt=attempt)

    async def emit(self, event: Event) -> None:
        del event

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


# --- results --------------------------------------------------------------------


def test_an_exit_code_that_is_not_allowed_fails_the_pipeline(
    make: Callable[..., CommandLine],
) -> None:
    line = make(
        """\
        check:
          stage: build
          allow_failure: {exit_codes: [3]}
          script: [exit 4]
        after: {script: [echo never]}
        """
    )

    ran = run(line)

    assert (ran.code, ran.statuses) == (1, {"check": "failed", "after": "skipped"})


def test_an_exit_code_that_is_allowed_does_not(
    make: Callable[..., CommandLine],
) -> None:
    line = make(
        """\
        check:
          stage: build
          allow_failure: {exit_codes: [3]}
          script: [exit 3]
        after: {script: [echo after]}
        """
    )

    ran = run(line)

    assert (ran.code, ran.statuses) == (0, {"check": "failed", "after": "success"})


def test_artifacts_of_a_failed_job_are_kept(make: Callable[..., CommandLine]) -> None:
    line = make(
        """\
        test:
          script: [echo trace > trace.txt, exit 1]
          artifacts: {when: on_failure, paths: [trace.txt]}
        """
    )

    run(line)

    kept = list(line.folder.glob(".spotci/runs/*/artifacts/**/trace.txt"))
    assert [path.read_text() for path in kept] == ["trace\n"]


def test_after_script_sees_what_the_script_changed(
    make: Callable[..., CommandLine],
) -> None:
    line = make(
        """\
        build:
          stage: build
          script: [echo built > file]
          artifacts: {paths: [file]}
        test:
          script: [echo changed > file]
          after_script: [cat file]
        """
    )

    assert run(line).log[-1] == "changed"


def test_a_job_does_not_wait_for_the_neighbours_of_what_it_needs(
    make: Callable[..., CommandLine],
) -> None:
    line = make(
        """\
        quick: {stage: build, script: ["true"]}
        slow: {stage: build, script: [sleep 1.5]}
        next: {stage: test, needs: [quick], script: ["true"]}
        """
    )

    ran = run(line, "--concurrency", "2")

    ended = [e["result"]["job"] for e in ran.events if e["event"] == "job_finished"]
    assert ended == ["quick", "next", "slow"]


# --- names, needs and variables -------------------------------------------------


def test_names_are_those_of_gitlab() -> None:
    pipeline = pipeline_of(
        """\
        number: {parallel: 2, script: [x]}
        matrix:
          parallel: {matrix: [{A: [a, b], B: c}]}
          script: [x]
        """
    )

    assert list(pipeline.jobs) == [
        *("number 1/2", "number 2/2", "matrix: [a, c]", "matrix: [b, c]")
    ]


def test_a_job_of_a_matrix_can_be_needed_by_its_name() -> None:
    needing = job_of(
        """\
        build:
          parallel: {matrix: [{A: [a, b]}]}
          script: [x]
        test:
          needs: ["build: [a]"]
          script: [x]
        """,
        "test",
    )

    assert [need.job for need in needing.needs or ()] == ["build: [a]"]


def test_functions_of_inputs_are_applied() -> None:
    job = job_of(
        """\
        spec: {inputs: {word: {default: "of $CI_COMMIT_BRANCH"}}}
        ---
        job: {script: ["echo $[[ inputs.word | expand_vars | truncate(3,4) ]]"]}
        """
    )

    assert job.script == ("echo main",)


def test_variables_of_a_merge_request_and_of_a_tag() -> None:
    text = """\
        request:
          rules:
            - if: $CI_MERGE_REQUEST_IID && $CI_PIPELINE_SOURCE == "merge_request_event"
          script: [x]
        tag:
          rules: [{if: $CI_COMMIT_TAG == "v1"}]
          script: [x]
        """
    request = MergeRequest(source_branch="topic", target_branch="main")

    assert list(pipeline_of(text, merge_request=request).jobs) == ["request"]
    assert list(pipeline_of(text, tag="v1").jobs) == ["tag"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            ("--event", "merge_request", "--target-branch", "stable"),
            ["merge_request_event,,,stable"],
            id="merge request",
        ),
        pytest.param(("--tag", "v1"), ["push,,v1,"], id="tag"),
        pytest.param((), ["push,main,,"], id="push"),
    ],
)
def test_a_job_has_the_variables_of_its_event(
    make: Callable[..., CommandLine], options: tuple[str, ...], expected: list[str]
) -> None:
    line = make(
        """\
        job:
          rules: [{when: always}]
          script:
            - echo "$CI_PIPELINE_SOURCE,$CI_COMMIT_BRANCH,$CI_COMMIT_TAG,$TARGET"
          variables: {TARGET: $CI_MERGE_REQUEST_TARGET_BRANCH_NAME}
        """
    )
    line.git("branch", "stable")

    assert run(line, *options).log == expected


def test_the_commit_is_the_real_one(make: Callable[..., CommandLine]) -> None:
    line = make(
        "job: {script: ['echo \"$CI_COMMIT_TITLE, $CI_COMMIT_DESCRIPTION\"']}\n"
    )

    assert run(line).log == ["A title of our own, ", "And a text."]


def test_changes_need_no_remote(make: Callable[..., CommandLine]) -> None:
    line = make(
        """\
        code:
          rules: [{changes: ["*.py"]}]
          script: [x]
        docs:
          rules: [{changes: ["*.md"]}]
          script: [x]
        """,
        **{"a.py": "", "a.md": ""},
    )
    line.git("commit", "-q", "--allow-empty", "-m", "The first has none before it.")
    (line.folder / "a.py").write_text("changed")

    outcome = line("list", "--format", "json")

    assert (outcome.code, outcome.err) == (0, "")
    assert [job["name"] for job in outcome.json["jobs"]] == ["code"]


# --- safety ---------------------------------------------------------------------


@pytest.mark.parametrize("expression", HOSTILE)
def test_a_condition_cannot_run_code(
    make: Callable[..., CommandLine], expression: str
) -> None:
    rule = json.dumps({"if": expression})
    line = make(f"job:\n  rules: [{rule}]\n  script: [x]\n")

    codes = {line(*words).code for words in (("lint",), ("list",), ("show",))}

    assert codes == {2}
    assert not (line.folder / "pwned").exists()
    (error,) = config_errors(f"job:\n  rules: [{rule}]\n  script: [x]\n")
    assert "jobs:job:rules:rule if invalid expression syntax" in error


def test_values_of_variables_are_no_code(make: Callable[..., CommandLine]) -> None:
    line = make(
        """\
        variables: {HOSTILE: '"; touch pwned; `touch pwned` $(touch pwned)'}
        job:
          image: alpine:`touch pwned`
          services: [{name: redis, command: ["`touch pwned`"]}]
          rules: [{if: '$HOSTILE =~ /pwned/', exists: ["$HOSTILE", .gitlab-ci.yml]}]
          script: [x]
        """
    )

    outcome = line("list", "--format", "json")

    assert [job["name"] for job in outcome.json["jobs"]] == ["job"]
    assert not (line.folder / "pwned").exists()


def test_the_project_stays_as_it_was(make: Callable[..., CommandLine]) -> None:
    line = make(
        """\
        job:
          script: [echo changed > file, echo new > other]
          artifacts: {paths: [file, other]}
        """,
        file="mine\n",
    )
    line.folder.chmod(0o750)

    assert run(line).code == 0

    assert (line.folder / "file").read_text() == "mine\n"
    assert not (line.folder / "other").exists()
    assert stat.S_IMODE(line.folder.stat().st_mode) == 0o750
