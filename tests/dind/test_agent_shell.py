from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.dind.agent_shell import PROGRAM, Answer, AnswerDecoder, Scripts, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHELLS = [
    pytest.param(command, id=" ".join(command))
    for command in (["dash"], ["busybox", "sh"], ["bash", "--posix"])
    if shutil.which(command[0])
]

_Command = tuple[str, tuple[str, ...], bytes]


def answers(shell: Sequence[str], commands: Iterable[_Command]) -> dict[int, Answer]:
    """Send all commands at once, and return what the shell answers."""
    scripts, sent = Scripts(), b""
    for number, (script, args, stdin) in enumerate(commands):
        sent += scripts.command(number, script, args, len(stdin)) + stdin
    # The shell ends with its input: the commands have to be done by then.
    sent += b"wait\n"
    done = subprocess.run(
        [*shell, "-c", PROGRAM], input=sent, capture_output=True, check=True, timeout=60
    )
    ready, _, output = done.stdout.partition(b"ready\n")
    assert (ready, done.stderr) == (b"", b"")
    return {answer.number: answer for answer in AnswerDecoder().feed(output)}


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_get_their_arguments_and_input(shell: list[str]) -> None:
    words = ("a'b\nc", "$x `y` \\", "", "-n", "é Á", "\udc81\udcff")
    found = answers(
        shell,
        [
            ('printf "%s|" "$@"', words, b""),
            ("cat", (), b"a\0b\n" * 1000),
            ("cat", (), b""),
            (":", (), b""),
        ],
    )

    expected = "".join(f"{word}|" for word in words)
    assert found == {
        0: Answer(0, 0, expected.encode("utf-8", "surrogateescape"), b""),
        1: Answer(1, 0, b"a\0b\n" * 1000, b""),
        2: Answer(2, 0, b"", b""),
        3: Answer(3, 0, b"", b""),
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_ends_itself_and_nothing_else(shell: list[str]) -> None:
    found = answers(
        shell,
        [
            ("echo out; echo err >&2; exit 3", (), b""),
            ("set -e; false; echo never", (), b""),
            ("cd /; trap 'echo last' EXIT", (), b""),
            ("echo after", (), b""),
        ],
    )

    assert found[0] == Answer(0, 3, b"out\n", b"err\n")
    assert (found[1].code, found[1].output) == (1, b"")
    assert found[3] == Answer(3, 0, b"after\n", b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_left_in_the_background_does_not_disturb(shell: list[str]) -> None:
    late = "printf x; (sleep 0.0$1; echo late; echo late >&2) &"
    commands = [(late, (str(number % 9),), b"") for number in range(50)]

    found = answers(shell, commands)

    assert sorted(found) == list(range(50))
    assert {answer.output[:1] for answer in found.values()} == {b"x"}


_TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(texts=st.lists(_TEXT, min_size=1, max_size=20))
@pytest.mark.property
def test_every_text_comes_through_the_quotes(texts: list[str]) -> None:
    line = b" ".join(map(quote, texts))
    program = b"n='\n'\nprintf '%s\\0' " + line

    assert b"\n" not in line
    done = subprocess.run(["sh"], input=program, capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [text.encode() for text in texts]


def test_no_argument_holds_a_nul() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")


def test_a_script_is_sent_once() -> None:
    scripts = Scripts()

    first = scripts.command(0, "echo a", (), 0)
    second = scripts.command(1, "echo a", ("x",), 3)

    assert first == b"s0='echo a'\njob 0 0 \"$s0\"\n"
    assert second == b"job 1 3 \"$s0\" 'x'\n"


_ANSWERS = st.builds(
    Answer, st.integers(0, 10**6), st.integers(0, 255), st.binary(), st.binary()
)


@given(sent=st.lists(_ANSWERS, max_size=6), data=st.data())
@pytest.mark.property
def test_answers_are_found_however_they_are_cut(
    sent: list[Answer], data: st.DataObject
) -> None:
    stream = b"".join(
        b"%d %d %d %d\n" % (x.number, x.code, len(x.output), len(x.errors))
        + x.output
        + x.errors
        for x in sent
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder, found = AnswerDecoder(), []

    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])

    assert found == sent


def test_what_is_no_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        AnswerDecoder().feed(b"no answer\n")
