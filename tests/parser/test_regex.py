from __future__ import annotations

import pytest

from spotci.parser.regex import compile_re2, pattern_of, valid_re2


@pytest.mark.parametrize(
    ("literal", "text", "expected"),
    [
        pytest.param("/a.c/", "xabcx", True, id="anywhere"),
        pytest.param("/ABC/i", "abc", True, id="flag i"),
        pytest.param(r"/a\/b/", "a/b", True, id="escaped slash"),
        pytest.param("/a/b/", "a/b", True, id="bare slash"),
        pytest.param("//", "anything", True, id="empty"),
        pytest.param("/ü/", "für", True, id="not ASCII"),
        pytest.param("/a/", "\udcff", False, id="bytes that are no UTF-8"),
        pytest.param("first\n/b/\nlast", "b", True, id="one line is a literal"),
    ],
)
def test_pattern_of(literal: str, text: str, *, expected: bool) -> None:
    assert pattern_of(literal).matches(text) is expected


@pytest.mark.parametrize("literal", ["", "abc", "/abc", "/abc/x", "/a(/", r"/(a)\1/"])
def test_what_is_no_literal(literal: str) -> None:
    with pytest.raises(ValueError, match=r"regular expression|missing|invalid|bad"):
        pattern_of(literal)


def test_patterns_are_equal_by_source() -> None:
    assert pattern_of("/a/i") == compile_re2("(?i)a")
    assert pattern_of("/a/i") != pattern_of("/a/")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"TOTAL.*\s+(\d+%)$", True),
        ("(?=a)", False),
        ("(?<!a)b", False),
        ("a{1001}", False),
    ],
)
def test_valid_re2(pattern: str, *, expected: bool) -> None:
    assert valid_re2(pattern) is expected


def test_matches_all() -> None:
    assert compile_re2("a+").matches_all("aaa")
    assert not compile_re2("a+").matches_all("aab")
