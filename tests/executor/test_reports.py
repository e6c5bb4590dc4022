from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.events import TestCounts
from spotci.executor.coverage import CoverageScanner, extract_coverage
from spotci.executor.reports import ReportError, parse_dotenv, parse_junit, sum_counts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A=1\nB=2\n", {"A": "1", "B": "2"}, id="two"),
        pytest.param("", {}, id="empty"),
        pytest.param("A = b = c ", {"A": "b = c"}, id="white space"),
        pytest.param('A="q"\n', {"A": '"q"'}, id="no quotes"),
        pytest.param("A=1 # no comment", {"A": "1 # no comment"}, id="no comments"),
        pytest.param("A=$B", {"A": "$B"}, id="no expansion"),
        pytest.param("A=1\nA=2", {"A": "2"}, id="last wins"),
        pytest.param("A=", {"A": ""}, id="empty value"),
        pytest.param("\ufeffA=1\r\n", {"A": "1"}, id="BOM and CR"),
        pytest.param("1A=1", {"1A": "1"}, id="digits first"),
    ],
)
def test_dotenv(text: str, expected: dict[str, str]) -> None:
    assert dict(parse_dotenv(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("A=1\n\nB=2", "Invalid Format", id="empty line"),
        pytest.param("# comment", "Invalid Format", id="comment"),
        pytest.param("=1", "Key can't be blank", id="no key"),
        pytest.param(
            "A-B=1", "Key can contain only letters, digits and '_'.", id="dash"
        ),
        pytest.param(
            "export A=1", "Key can contain only letters, digits and '_'.", id="export"
        ),
        pytest.param(
            "A=" + "x" * 5119,
            "Dotenv Artifact Too Big. Maximum Allowable Size: 5120",
            id="too large",
        ),
        pytest.param(
            "".join(f"A{index}=1\n" for index in range(151)),
            "Dotenv files cannot have more than 150 variables",
            id="too many",
        ),
    ],
)
def test_dotenv_refused(text: str, message: str) -> None:
    with pytest.raises(ReportError) as caught:
        parse_dotenv(text)

    assert str(caught.value) == message


def test_junit() -> None:
    report = b"""<?xml version="1.0"?>
    <testsuites><testsuite name="a">
      <testcase name="ok"/>
      <testcase name="bad"><failure message="m">text</failure></testcase>
      <testcase name="worse"><error/><failure/></testcase>
      <testcase name="error"><error/><system-out>o</system-out></testcase>
      <testcase name="skip"><skipped/></testcase>
    </testsuite><testsuite><testsuite><testcase name="inner"/></testsuite></testsuite>
    </testsuites>"""

    assert parse_junit(report) == TestCounts(total=6, failed=2, errors=1, skipped=1)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        pytest.param(b"", "no element found", id="empty"),
        pytest.param(b"<a><b></a>", "mismatched tag", id="not well formed"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
            "a DOCTYPE is not allowed",
            id="entities",
        ),
        pytest.param(b"<a>" * 300, "nested too deeply", id="deep"),
        pytest.param(
            b'<?xml version="1.0" encoding="x-y"?><a/>', "encoding", id="encoding"
        ),
    ],
)
def test_junit_refused(report: bytes, message: str) -> None:
    with pytest.raises(ReportError, match=message) as caught:
        parse_junit(report)

    assert str(caught.value).startswith("JUnit XML parsing failed: ")


@pytest.mark.property
@given(st.binary(max_size=100))
def test_any_bytes_are_counts_or_a_report_error(data: bytes) -> None:
    with contextlib.suppress(ReportError):
        parse_junit(data)


def test_sums() -> None:
    counts = [TestCounts(total=2, failed=1), TestCounts(total=3, skipped=2)]

    assert sum_counts(counts) == TestCounts(total=5, failed=1, skipped=2)


PYTEST_COV = r"TOTAL.*\s+(\d+%)$"


@pytest.mark.parametrize(
    ("log", "expression", "expected"),
    [
        pytest.param("TOTAL  10  2  80%", PYTEST_COV, 80.0, id="pytest-cov"),
        pytest.param("TOTAL 1%\nTOTAL 85%\nend", PYTEST_COV, 85.0, id="last line"),
        pytest.param("a 1% b 2.5%", r"\d+(?:\.\d+)?%", 2.5, id="last match"),
        pytest.param("cov: 90.25 of 1", r"(cov): (\S+)", 90.25, id="last group"),
        pytest.param("nothing", PYTEST_COV, None, id="no match"),
        pytest.param("TOTAL x%", r"TOTAL .*", None, id="no number"),
        pytest.param("a\nb 3", r"\Ab (\d)", 3.0, id="anchors are of lines"),
        pytest.param("a 1\nb", r"a\s(\d)\s*b", None, id="never over two lines"),
        pytest.param("50%", r"(?<=x)50", None, id="no RE2"),
        pytest.param("\x1b[32m77%\x1b[0m", r"(\d+)%", 77.0, id="colours"),
        pytest.param("x 42", r"^\w (\d+)$|(zz)", None, id="last group did not match"),
    ],
)
def test_coverage(log: str, expression: str, expected: float | None) -> None:
    assert extract_coverage(log, expression) == expected


@pytest.mark.property
@given(
    st.lists(st.sampled_from(["TOTAL 1%", "TOTAL 22%", "x", "TOTAL", "TOTAL 3.5%"])),
    st.integers(1, 4),
)
def test_coverage_is_the_same_in_pieces(lines: list[str], size: int) -> None:
    scanner = CoverageScanner(PYTEST_COV)

    for start in range(0, len(lines), size):
        scanner.feed("\n".join(lines[start : start + size]))

    assert scanner.value == extract_coverage("\n".join(lines), PYTEST_COV)
