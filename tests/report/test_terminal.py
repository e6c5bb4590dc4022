from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.report.terminal import (
    Paint,
    cell_width,
    fit,
    fit_middle,
    pad,
    printable,
    terminal_width,
    use_colour,
    without_colours,
    wrap,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain\ttext\n", "plain\ttext\n", id="plain"),
        pytest.param("naïve 漢字 ✓", "naïve 漢字 ✓", id="other scripts"),
        pytest.param("\x1b[31;1mred\x1b[0m", "\x1b[31;1mred\x1b[0m", id="colours stay"),
        pytest.param("\x1b[38:5:208mo\x1b[m", "\x1b[38:5:208mo\x1b[m", id="subfields"),
        pytest.param("a\x1b]0;title\x07b", "ab", id="window title"),
        pytest.param("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab", id="clipboard"),
        pytest.param("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink", id="link"),
        pytest.param("a\x9d0;title\x9cb", "ab", id="title in one character"),
        pytest.param("a\x1b[2J\x1b[1;1Hb", "ab", id="clear the screen"),
        pytest.param("a\x9b2Jb", "ab", id="clear in one character"),
        pytest.param("a\x1bPq#0\x1b\\b", "ab", id="device control"),
        pytest.param("a\x1bcb", "ab", id="reset"),
        pytest.param("a\x1b(0b", "ab", id="character set"),
        pytest.param("a\x1b", "a", id="cut"),
        pytest.param("a\x1b[31", "a", id="cut colour"),
        pytest.param("bell\x07 back\x08 del\x7f", "bell back del", id="controls"),
        pytest.param("10%\r50%\r100%\nnext", "100%\nnext", id="progress bar"),
        pytest.param("windows\r\nline\r", "windows\nline", id="carriage returns"),
        pytest.param("bad \udcff byte", "bad \udcff byte", id="surrogate"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(alphabet=st.sampled_from("\x1b[]();mHJ08;\x07\x9b\x9c\x9d\r\nab\\P")))
def test_nothing_but_colours_reaches_the_terminal(text: str) -> None:
    rest = without_colours(printable(text))

    assert not any(ord(c) < 32 and c not in "\t\n" for c in rest)
    assert not any(127 <= ord(c) < 160 for c in rest)


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        pytest.param({}, True, True, id="terminal"),
        pytest.param({}, False, False, id="pipe"),
        pytest.param({"NO_COLOR": "1"}, True, False, id="no color"),
        pytest.param({"NO_COLOR": ""}, True, True, id="empty no color"),
        pytest.param({"FORCE_COLOR": "1"}, False, True, id="forced"),
        pytest.param({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False, id="both"),
        pytest.param({"TERM": "dumb"}, True, False, id="dumb"),
    ],
)
def test_use_colour(environ: dict[str, str], terminal: bool, expected: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()

    assert use_colour(stream, environ) is expected


def test_paint_leaves_text_alone_where_colour_is_off() -> None:
    assert Paint(enabled=False)("bold red", "text") == "text"
    assert Paint(enabled=True)("bold red", "text") == "\x1b[1;31mtext\x1b[0m"


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        pytest.param("short", 8, "short", id="fits"),
        pytest.param("too long", 5, "too …", id="cut"),
        pytest.param("漢字漢字", 5, "漢字…", id="wide"),
        pytest.param("漢字漢字", 4, "漢…", id="no half character"),
    ],
)
def test_fit(text: str, width: int, expected: str) -> None:
    assert fit(text, width) == expected


def test_width_counts_columns() -> None:
    assert cell_width("\x1b[31m漢e\u0301\x1b[0m") == 3
    assert pad("漢", 4) == "漢  "


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        pytest.param("a b", None, ["a b"], id="no bound"),
        pytest.param("one two three", 8, ["one two", "  three"], id="at blanks"),
        pytest.param("oneverylongword x", 6, ["oneverylongword", "  x"], id="whole"),
        pytest.param("a\nb c d e f", 5, ["a", "b c d", "  e f"], id="several lines"),
        pytest.param("漢字 漢字 漢字", 9, ["漢字 漢字", "  漢字"], id="wide"),
        pytest.param("", 5, [""], id="nothing"),
    ],
)
def test_wrap(text: str, width: int | None, lines: list[str]) -> None:
    assert wrap(text, width, indent="  ") == lines


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        pytest.param("short", 5, "short", id="it fits"),
        pytest.param("test: [3.12, mysql-8]", 11, "test:…ql-8]", id="cut"),
        pytest.param("漢字漢字漢字", 7, "漢字…字", id="wide"),
    ],
)
def test_fit_in_the_middle(text: str, width: int, cut: str) -> None:
    assert fit_middle(text, width) == cut
    assert cell_width(fit_middle(text, width)) <= width


def test_the_width_of_what_is_no_terminal_is_unknown() -> None:
    assert terminal_width(io.StringIO()) is None
