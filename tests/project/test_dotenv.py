from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import UsageError
from spotci.project.dotenv import Pair, parse_pairs, read_pairs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "name", "value", "raw"),
    [
        pytest.param("A=1", "A", "1", False, id="plain"),
        pytest.param("  export A = 1  ", "A", "1", False, id="export and blanks"),
        pytest.param("A=", "A", "", False, id="empty"),
        pytest.param("A=b c # note", "A", "b c", False, id="comment behind"),
        pytest.param("A=b#c", "A", "b#c", False, id="no blank, no comment"),
        pytest.param("A=# note", "A", "", False, id="only a comment"),
        pytest.param("A=b=c", "A", "b=c", False, id="equals sign in the value"),
        pytest.param("A=$B/x", "A", "$B/x", False, id="reference"),
        pytest.param(r'A="a\n\"b\" \\ \$c"', "A", 'a\n"b" \\ $c', False, id="escapes"),
        pytest.param(r'A="C:\dir"', "A", r"C:\dir", False, id="unknown escape"),
        pytest.param('A="x" # note', "A", "x", False, id="comment behind quotes"),
        pytest.param("A='$B \\n'", "A", "$B \\n", True, id="single quotes are raw"),
        pytest.param('A="a\nb"', "A", "a\nb", False, id="lines in quotes"),
        pytest.param("A='a\nb'", "A", "a\nb", True, id="lines in single quotes"),
        pytest.param('A="open', "A", '"open', False, id="quote not closed"),
        pytest.param('A="a" b', "A", '"a" b', False, id="text behind the quote"),
        pytest.param("A=1\r\n", "A", "1", False, id="Windows line end"),
    ],
)
def test_pair(text: str, name: str, value: str, raw: bool) -> None:
    assert parse_pairs(text) == [Pair(name=name, value=value, line=1, raw=raw)]


def test_lines_are_counted_through_comments_and_long_values() -> None:
    text = '# first\n\nA="x\ny"\nB=2\nnot a pair\n1C=3'

    assert [(pair.name, pair.line) for pair in parse_pairs(text)] == [
        ("A", 3),
        ("B", 5),
        (None, 6),
        (None, 7),
    ]


def test_a_file_that_does_not_exist_has_no_pairs(tmp_path: Path) -> None:
    assert read_pairs(tmp_path / "none") == []


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(UsageError, match="env: cannot be read"):
        read_pairs(file)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    lines = text.replace("\r\n", "\n").count("\n") + 1

    assert all(1 <= pair.line <= lines for pair in parse_pairs(text))


@given(st.text(alphabet=st.characters(blacklist_characters="'\r", codec="utf-8")))
def test_single_quotes_keep_everything(value: str) -> None:
    assert parse_pairs(f"A='{value}'\n") == [
        Pair(name="A", value=value, line=1, raw=True)
    ]
