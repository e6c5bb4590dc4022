from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.cli import failure
from spotci.errors import ConfigError, EngineUnavailableError, UsageError
from spotci.source import SourceFile, Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = SourceFile(name=".gitlab-ci.yml", text="one: 1\ntwo: 2\n")
OTHER = SourceFile(name="ci/b.yml", text="x: 1\n")


def error(message: str, line: int, file: SourceFile = FILE) -> ConfigError:
    return ConfigError(message, span=Span(file=file, line=line, column=1, end_column=4))


def group(*errors: Exception) -> ExceptionGroup[Exception]:
    return ExceptionGroup("several", errors)


def test_configuration_errors_come_in_the_order_of_the_files_with_a_count(
    capsys: pytest.CaptureFixture[str],
) -> None:
    late, early = error("late", 2), error("early", 1)
    other = error("elsewhere", 1, OTHER)

    code = failure.report(group(other, group(late, early), error("late", 2)))

    assert code == 2
    assert capsys.readouterr().err == (
        ".gitlab-ci.yml:1:1: error: early\n    1 | one: 1\n      | ^^^\n\n"
        ".gitlab-ci.yml:2:1: error: late\n    2 | two: 2\n      | ^^^\n\n"
        "ci/b.yml:1:1: error: elsewhere\n    1 | x: 1\n      | ^^^\n"
        "\n3 errors\n"
    )


@pytest.mark.parametrize(
    ("problem", "code", "text"),
    [
        pytest.param(
            UsageError('no job "x"', hint='did you mean "y"?'),
            2,
            'error: no job "x"\ndid you mean "y"?\n',
            id="usage",
        ),
        pytest.param(
            ConfigError("the file is empty", span=None),
            2,
            "error: the file is empty\n\n1 error\n",
            id="one without a place",
        ),
        pytest.param(
            group(EngineUnavailableError("no Docker", hint="start it")),
            3,
            "error: no Docker\nhint: start it\n",
            id="engine, as task groups wrap it",
        ),
        pytest.param(KeyboardInterrupt(), 130, "interrupted\n", id="interrupted"),
        pytest.param(
            BaseExceptionGroup("", [KeyboardInterrupt(), ValueError("x")]),
            130,
            "interrupted\n",
            id="interrupted in a group",
        ),
    ],
)
def test_each_kind_of_failure(
    problem: BaseException,
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert failure.report(problem) == code
    assert capsys.readouterr().err == text


def test_a_bug_leaves_its_traceback_in_a_file(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code = failure.report(group(ZeroDivisionError("division by zero")))

    said = capsys.readouterr().err
    [file] = tmp_path.iterdir()
    assert code == 70
    assert said == (
        "spotci has a bug: ExceptionGroup: several (1 sub-exception)\n"
        f"its traceback is in {file}: please send it to the developers\n"
    )
    assert "ZeroDivisionError: division by zero" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_hostile_text_in_an_error_cannot_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failure.report(UsageError('no job "\x1b]0;evil\x07x"'))

    assert capsys.readouterr().err == 'error: no job "x"\n'


def test_errors_of_click(capsys: pytest.CaptureFixture[str]) -> None:
    from spotci.cli.main import main  # noqa: PLC0415 - the way errors come from click

    def run(*arguments: str) -> tuple[int, Sequence[str]]:
        code = main(arguments)
        return code, capsys.readouterr().err.splitlines()

    assert run("lits")[0] == 2
    assert run("lits")[1][-1] == 'Error: no command "lits". Did you mean "list"?'
    assert run("list", "--frmt", "x")[0] == 2
    assert run("list", "--event", "party")[0] == 2
    assert run("--help") == (0, [])
    assert run("list", "--help") == (0, [])
