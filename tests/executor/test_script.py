from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.executor.script import DETECT_SHELL, ScriptOptions, build_script, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GREEN, RESET = "\x1b[32;1m", "\x1b[0;m"
SHELLS = [
    pytest.param(path, id=name)
    for name in ("bash", "dash", "sh")
    if (path := shutil.which(name)) is not None
]


def run(
    *commands: str,
    program: str = "sh",
    variables: Mapping[str, str] | None = None,
    folder: str = "/",
    options: ScriptOptions | None = None,
) -> subprocess.CompletedProcess[bytes]:
    script = build_script(
        commands, variables=variables or {}, project_dir=folder, options=options
    )
    return subprocess.run(
        [program], input=script, capture_output=True, check=False, timeout=60
    )


def shown(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def echoed(command: str) -> str:
    return f"{GREEN}$ {command}{RESET}"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("commands", "code", "output"),
    [
        pytest.param(["true"], 0, shown(echoed("true")), id="passes"),
        pytest.param(
            ["echo hi", "exit 3", "echo no"],
            3,
            shown(echoed("echo hi"), "hi", echoed("exit 3")),
            id="exit code",
        ),
        pytest.param(
            ["false", "echo no"], 1, shown(echoed("false")), id="stops at a failure"
        ),
        pytest.param(
            ["false || echo saved"],
            0,
            shown(echoed("false || echo saved"), "saved"),
            id="a list is no failure",
        ),
        pytest.param(
            ["echo $UNSET-"], 0, shown(echoed("echo $UNSET-"), "-"), id="no nounset"
        ),
        pytest.param(
            ["A=1", "echo $A"],
            0,
            shown(echoed("A=1"), echoed("echo $A"), "1"),
            id="one shell",
        ),
        pytest.param(
            ["read line || echo EOF"],
            0,
            shown(echoed("read line || echo EOF"), "EOF"),
            id="no input",
        ),
        pytest.param(
            ["if true\nthen echo a\nfi"],
            0,
            shown(f"{GREEN}$ if true # collapsed multi-line command{RESET}", "a"),
            id="several lines",
        ),
        pytest.param(
            ["cat <<END\n'$HOME'\nEND"],
            0,
            shown(
                f"{GREEN}$ cat <<END # collapsed multi-line command{RESET}",
                "'/home/of'",
            ),
            id="here-document",
        ),
        pytest.param(["", "  true  "], 0, shown("", echoed("true")), id="trimmed"),
        pytest.param(
            ["echo 'a\\nb' # \"x\" `y`"],
            0,
            None,
            id="quotes and backslashes are echoed as written",
        ),
    ],
)
def test_scripts(
    shell: str, commands: Sequence[str], code: int, output: str | None
) -> None:
    result = run(*commands, program=shell, variables={"HOME": "/home/of"})

    assert result.returncode == code
    assert result.stderr == b""
    if output is not None:
        assert result.stdout.decode() == output
    else:
        assert result.stdout.decode().startswith(echoed(commands[0]))


def test_pipefail_where_there_is() -> None:
    bash = run("false | true", program="bash")

    assert bash.returncode == 1


def test_project_dir_and_umask(tmp_path: Path) -> None:
    folder = tmp_path / "it's a 'dir'"
    folder.mkdir()

    result = run("pwd", "umask", "echo a > new", folder=str(folder))

    assert f"\n{folder}\n" in result.stdout.decode()
    assert "\n0000\n" in result.stdout.decode()
    assert (folder / "new").stat().st_mode & 0o777 == 0o666


def test_exports_reach_programs_and_bad_names_are_left_out() -> None:
    result = run(
        "env",
        variables={"GOOD": "1", "BAD-NAME": "2", "1ST": "3", "": "4", "A.B": "5"},
    )

    lines = result.stdout.decode().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert "GOOD=1" in lines
    assert names.isdisjoint({"BAD-NAME", "1ST", "A.B"})
    assert "=4" not in lines


@pytest.mark.parametrize("shell", SHELLS)
def test_errors_stand_where_they_were_printed(shell: str) -> None:
    command = "for i in 1 2; do echo out $i; echo error $i >&2; done"

    result = run(command, program=shell)

    assert result.stdout.decode() == shown(
        echoed(command), "out 1", "error 1", "out 2", "error 2"
    )
    assert result.stderr == b""


def test_trace() -> None:
    result = run("true", variables={"A": "x"}, options=ScriptOptions(trace=True))

    assert b"export" in result.stdout
    assert b"+ true" in result.stdout.replace(b"++", b"+")


def test_sections() -> None:
    result = run("echo a\necho b", options=ScriptOptions(sections=True))

    assert result.stdout.decode() == (
        "section_start:0:section_script_step_0[hide_duration=true,collapsed=true]"
        f"\r\x1b[0K{GREEN}$ echo a{RESET}\n"
        f"{GREEN}echo a{RESET}\n{GREEN}echo b{RESET}\n"
        "section_end:0:section_script_step_0\r\x1b[0K\n"
        "a\nb\n"
    )


def test_exit_checks() -> None:
    result = run(
        "set +e", "(exit 4)", "echo no", options=ScriptOptions(exit_checks=True)
    )

    assert result.returncode == 4
    assert b"\nno\n" not in result.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_large_scripts(shell: str) -> None:
    value = "x" * 200_000

    result = run("echo ${#LARGE}", "exit 5", program=shell, variables={"LARGE": value})

    assert result.returncode == 5
    assert b"\n200000\n" in result.stdout


def test_options_of_variables() -> None:
    options = ScriptOptions.of({"CI_DEBUG_TRACE": "true", "FF_SCRIPT_SECTIONS": "1"})

    assert options == ScriptOptions(trace=True, sections=True)


def test_detector_becomes_a_shell_that_reads_stdin() -> None:
    result = subprocess.run(
        DETECT_SHELL,
        input=b"echo ${BASH_VERSION+bash}; exit 7",
        check=False,
        capture_output=True,
    )

    assert result.returncode == 7
    if shutil.which("bash"):
        assert result.stdout == b"bash\n"


def test_a_value_ends_at_nul() -> None:
    assert quote("a\0b") == "'a'"


values = st.lists(
    st.one_of(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        st.sampled_from(["'", '"', "\\", "$", "`", "\n", "\r", "!", "\udcff", "\x1b"]),
    ),
    max_size=30,
).map("".join)


@pytest.mark.property
@pytest.mark.parametrize("shell", SHELLS)
@given(data=st.data())
def test_values_round_trip_through_real_shells(shell: str, data: st.DataObject) -> None:
    texts = data.draw(st.lists(values, min_size=1, max_size=8))
    names = [f"V{index}" for index in range(len(texts))]
    shows = "".join(f'printf "%s\\0" "${name}"; ' for name in names)

    result = run(shows, program=shell, variables=dict(zip(names, texts, strict=True)))

    output = result.stdout.partition(b"\n")[2]
    assert output.split(b"\0")[:-1] == [
        text.encode("utf-8", "surrogateescape") for text in texts
    ]


@pytest.mark.property
@given(values.filter(lambda text: text.strip()))
def test_any_command_is_echoed_as_written(command: str) -> None:
    line = command.strip().replace("\n", " ")

    result = run(f": {quote(line)}", program="sh")

    expected = echoed(f": {quote(line)}").encode("utf-8", "surrogateescape")
    assert result.stdout == expected + b"\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_hands_variables_on_to_the_next(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "project.tmp").mkdir()

    first = run(
        r"""printf '%s\n' "A=it's $PLACE \x" B=2 >>"$GITLAB_ENV" """,
        'echo "${A-unset}"',
        program=shell,
        folder=str(folder),
        variables={"PLACE": "here"},
    )
    second = run(
        'printf \'%s\\n\' "$A" "$B" "${line-none}"',
        program=shell,
        folder=str(folder),
        variables={"A": "old"},
    )

    assert first.stdout.endswith(b"unset\n")
    assert second.stdout.splitlines()[-3:] == [rb"it's here \x", b"2", b"none"]
