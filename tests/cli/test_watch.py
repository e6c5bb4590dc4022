from __future__ import annotations

import signal
import subprocess
import sys
import threading
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from spotci.cli.loading import load, open_here
from spotci.cli.options import Chosen
from spotci.cli.selection import Request
from spotci.cli.watch import affected_jobs, changed_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

PIPELINE = dedent("""\
    include: [{local: jobs.yml}]
    stages: [build, test, deploy]
    compile:
      stage: build
      script: [cat src/a >out]
      artifacts: {paths: [out]}
      rules: [{changes: [src/*]}]
    unit:
      stage: test
      needs: [compile]
      script: [cat out]
      rules: [{changes: [tests/*]}]
    docs:
      stage: test
      needs: []
      script: [cat docs/a]
      rules: [{changes: [docs/*]}]
    always:
      stage: test
      needs: []
      script: ["true"]
    ship:
      stage: deploy
      script: ["true"]
      when: manual
    """)
FILES = {
    ".gitlab-ci.yml": PIPELINE,
    "jobs.yml": "late: {stage: deploy, needs: [], script: ['true']}\n",
    ".gitignore": "ignored/\n",
    "src/a": "1\n",
    "tests/a": "1\n",
    "docs/a": "1\n",
}
ALL = ("compile", "unit", "docs", "always", "late")


@pytest.fixture
def spotci(
    project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    monkeypatch.setenv("SPOTCI_ENGINE_KIND", "shell")
    line = project(FILES)
    line.git("init", "-q", "-b", "main")
    line.git("add", ".")
    line.git("commit", "-q", "-m", "first")
    return line


@pytest.mark.parametrize(
    ("changed", "names", "failed", "expected"),
    [
        pytest.param("docs/a", (), (), ("docs", "always", "late"), id="changes"),
        pytest.param(
            "src/a", (), (), ("compile", "unit", "always", "late"), id="consumers"
        ),
        pytest.param("other", (), (), ("always", "late"), id="no changes in rules"),
        pytest.param("docs/a", ("unit",), (), (), id="other jobs than the named"),
        pytest.param("src/a", ("unit",), (), ("compile", "unit"), id="needs of them"),
        pytest.param(
            "docs/a", ("unit",), ("unit",), ("unit",), id="what has not passed yet"
        ),
        pytest.param(".gitlab-ci.yml", (), (), ALL, id="configuration"),
        pytest.param("jobs.yml", (), (), ALL, id="included file"),
        pytest.param("docs/a", ("ship",), (), ("ship",), id="a named manual job"),
    ],
)
def test_jobs_that_a_change_concerns(
    spotci: CommandLine,
    changed: str,
    names: tuple[str, ...],
    failed: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    assert spotci.folder.is_dir()
    loaded, narrow = load(Chosen()), load(Chosen(changed=(changed,)))

    found = affected_jobs(
        loaded,
        narrow,
        Request(names=names),
        manual=(),
        changed={changed},
        passed={name for name in loaded.pipeline.jobs if name not in failed},
    )

    assert found == expected


def test_what_git_ignores_does_not_change(spotci: CommandLine) -> None:
    (spotci.folder / "ignored").mkdir()
    (spotci.folder / "ignored" / "a").touch()
    (spotci.folder / "new").touch()
    (spotci.folder / "docs" / "a").unlink()
    paths = {"ignored/a", "new", "docs/a", "came-and-went", "src", "src/a"}

    assert changed_paths(open_here(), paths) == {"new", "docs/a", "src/a"}


def test_many_paths_are_asked_for_in_parts(spotci: CommandLine) -> None:
    names = {f"file {number}" for number in range(1200)}
    for name in names:
        (spotci.folder / name).touch()

    assert changed_paths(open_here(), names) == names


def test_without_watchfiles_it_says_what_to_install(
    spotci: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)

    done = spotci("run", "--watch")

    assert done.code == 2
    assert "--watch needs watchfiles, which is not installed" in done.err
    assert "pip install 'spotci[watch]'" in done.err


def test_artifacts_that_go_to_the_source_are_refused(spotci: CommandLine) -> None:
    done = spotci("run", "--watch", "--artifacts-to-source")

    assert done.code == 2
    assert "--watch and --artifacts-to-source" in done.err


def test_a_change_runs_what_it_concerns(spotci: CommandLine) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "spotci", "run", "--watch", "unit", "docs"],
        cwd=spotci.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            _expect(process, b"waits for changes")
            (spotci.folder / "docs" / "a").write_text("2\n")
            _expect(process, b"docs/a changed: docs\n")
            _expect(process, b"waits for changes")
            (spotci.folder / "src" / "a").write_text("2\n")
            _expect(process, b"src/a changed: compile, unit\n")
            _expect(process, b"waits for changes")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()


def _expect(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stderr is not None
    seen = b""
    hang = threading.Timer(90, process.kill)
    hang.start()
    while text not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    hang.cancel()
