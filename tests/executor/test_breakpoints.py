from __future__ import annotations

import os
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.executor.breakpoints import BreakFilter, Breaks
from spotci.executor.script import build_script
from spotci.executor.session_program import Purpose, session_command

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = [
    pytest.param(path, id=name)
    for name in ("sh", "bash", "dash")
    if (path := shutil.which(name))
]
BREAKS = Breaks(lines=frozenset({2}), token="secret", folder="/builds/x.tmp")
MARK = BREAKS.mark + b"2\x07"


@given(st.lists(st.sampled_from([b"text\n", MARK, BREAKS.mark, b"\x1b]", b"7"])))
def test_marks_are_found_however_the_output_is_cut(pieces: list[bytes]) -> None:
    output = b"".join(pieces)
    whole = BreakFilter(BREAKS)
    expected = _joined([*whole.feed(output), whole.close()])
    single = BreakFilter(BREAKS)

    found = [part for byte in output for part in single.feed(bytes([byte]))]

    assert _joined([*found, single.close()]) == expected


def _joined(parts: list[bytes | int]) -> list[bytes | int]:
    joined: list[bytes | int] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, bytes) and isinstance(last, bytes):
            joined[-1] = last + part
        elif part != b"":
            joined.append(part)
    return joined


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        pytest.param(b"a\nb\n", [b"a\nb\n"], id="none"),
        pytest.param(b"a\n" + MARK, [b"a\n", 2], id="at the end"),
        pytest.param(MARK + b"b\n", [2, b"b\n"], id="at the begin"),
        pytest.param(
            BREAKS.mark + b"x\x07", [BREAKS.mark + b"x\x07"], id="not a number"
        ),
        pytest.param(
            b"\x1b]spotci-break;other;2\x07",
            [b"\x1b]spotci-break;other;2\x07"],
            id="of another",
        ),
    ],
)
def test_a_mark_is_taken_out(output: bytes, parts: list[bytes | int]) -> None:
    assert BreakFilter(BREAKS).feed(output) == parts


def test_output_does_not_wait_for_what_cannot_be_a_mark() -> None:
    marks = BreakFilter(BREAKS)

    assert marks.feed(b"no end of line, \x1b[1mbold") == [
        b"no end of line, \x1b[1mbold"
    ]


class Job:
    """A script with breakpoints, run by a shell of this machine."""

    def __init__(self, shell: str, folder: Path, *lines: int) -> None:
        self.shell, self.project = shell, folder / "job"
        self.project.mkdir()
        (folder / "job.tmp").mkdir()
        self.breaks = Breaks(
            lines=frozenset(lines), token="secret", folder=f"{self.project}.tmp"
        )
        self.stops: list[int] = []
        self.said: list[bytes] = []

    def run(self, *commands: str, answers: tuple[str, ...]) -> tuple[int, bytes]:
        """Give what is typed at each stop in turn; return exit code and output."""
        script = build_script(
            commands,
            variables={"A": "it's"},
            project_dir=str(self.project),
            breaks=self.breaks,
        )
        with subprocess.Popen(
            [self.shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            hang = threading.Timer(30, process.kill)
            hang.start()
            process.stdin.write(script)
            process.stdin.close()
            marks, output, typed = BreakFilter(self.breaks), b"", iter(answers)
            while data := os.read(process.stdout.fileno(), 65536):
                for part in marks.feed(data):
                    if isinstance(part, int):
                        self._stop(part, next(typed))
                    else:
                        output += part
            hang.cancel()
        return process.returncode, output

    def _stop(self, line: int, typed: str) -> None:
        purpose = Purpose(job="a job", pause=self.breaks.pause(line))
        command = session_command(purpose, terminal=True)
        done = subprocess.run(
            command,
            input=typed.encode(),
            capture_output=True,
            check=False,
            timeout=30,
            env={
                "CI_PROJECT_DIR": str(self.project),
                "HOME": str(self.project),
                "PATH": "/usr/local/bin:/usr/bin:/bin",
            },
        )
        self.stops.append(line)
        self.said.append(done.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_stops_and_goes_on(shell: str, tmp_path: Path) -> None:
    job = Job(shell, tmp_path, 2)

    code, output = job.run("echo one", "echo two", answers=("exit\n",))

    assert (code, job.stops) == (0, [2])
    assert [line for line in output.split(b"\n") if line in (b"one", b"two")] == [
        b"one",
        b"two",
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_steps_stop_before_every_line(shell: str, tmp_path: Path) -> None:
    job = Job(shell, tmp_path, 1)

    code, _ = job.run("true", "true", "true", answers=("step\n", "step\n", "exit\n"))

    assert (code, job.stops) == (0, [1, 2, 3])


@pytest.mark.parametrize("shell", SHELLS)
def test_abort_fails_the_job(shell: str, tmp_path: Path) -> None:
    job = Job(shell, tmp_path, 2)

    code, output = job.run("echo one", "echo two", answers=("abort\n",))

    assert code == 1
    assert b"two" not in output


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_has_what_the_script_exported(shell: str, tmp_path: Path) -> None:
    job = Job(shell, tmp_path, 2)

    job.run(
        'mkdir sub; cd sub; export B="two words"',
        "true",
        answers=('echo "$A|$B|$(pwd)"\n',),
    )

    assert f"it's|two words|{job.project}/sub" in job.said[0].decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_of_a_stop_is_left(shell: str, tmp_path: Path) -> None:
    job = Job(shell, tmp_path, 1, 2)

    job.run("true", "set -u; true", "true", answers=("exit\n", "exit 3\n"))

    assert list((tmp_path / "job.tmp").iterdir()) == []
