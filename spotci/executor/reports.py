"""``artifacts:reports``: what the files of a job say. Pure; the files are hostile.

GitLab's "GitLab CI/CD artifacts reports types" and "Pass an environment variable to
another job" describe them; the limits are those of a self-managed instance.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.parsers import expat

from spotci.events import TestCounts
from spotci.executor.coverage import extract_coverage
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.pipeline import JobName

__all__ = [
    "DOTENV_LIMIT",
    "ReportError",
    "dotenv_variables",
    "extract_coverage",
    "parse_dotenv",
    "parse_junit",
    "sum_counts",
]

#: Bytes of a dotenv report.
DOTENV_LIMIT = 5 * 1024
#: Variables of a dotenv report: the limit of GitLab's highest tier.
DOTENV_VARIABLES = 150
_KEY = re.compile(r"[A-Za-z0-9_]+")
#: Elements inside each other; a report of a test runner has five.
_DEPTH = 200


class ReportError(ValueError):
    """A report cannot be taken; the text is GitLab's answer to the upload."""


def parse_dotenv(text: str) -> tuple[tuple[str, str], ...]:
    """Return names and values of a dotenv report, of one name the last.

    There are no quotes, no comments, no empty lines and no expansion: GitLab has none
    either. Raises ReportError for what GitLab refuses.
    """
    if len(text.encode("utf-8", "surrogateescape")) > DOTENV_LIMIT:
        raise ReportError(
            f"Dotenv Artifact Too Big. Maximum Allowable Size: {DOTENV_LIMIT}"
        )
    found: dict[str, str] = {}
    for line in text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise ReportError("Invalid Format")
        if not key:
            raise ReportError("Key can't be blank")
        if not _KEY.fullmatch(key):
            raise ReportError("Key can contain only letters, digits and '_'.")
        found[key] = value
    if len(found) > DOTENV_VARIABLES:
        raise ReportError(
            f"Dotenv files cannot have more than {DOTENV_VARIABLES} variables"
        )
    return tuple(found.items())


def dotenv_variables(values: Mapping[str, str], job: JobName) -> tuple[Variable, ...]:
    """Return what a job hands on by a dotenv report as variables of other jobs."""
    return tuple(
        Variable(name=name, value=value, level=Level.DOTENV, origin=f"dotenv of {job}")
        for name, value in values.items()
    )


def parse_junit(data: bytes) -> TestCounts:
    """Count the test cases of a JUnit report; raise ReportError where it is none.

    The document is read as a stream. One with a DOCTYPE is refused: entities are the
    way to make a small file large, or to read another.
    """
    counter = _JUnitCounter()
    parser = expat.ParserCreate()
    parser.StartElementHandler = counter.start
    parser.EndElementHandler = counter.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)  # noqa: FBT003 - a C function without keywords
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"JUnit XML parsing failed: {error}") from error
    return counter.counts


def sum_counts(counts: Iterable[TestCounts]) -> TestCounts:
    """Return the sums over several reports."""
    total = TestCounts()
    for each in counts:
        total = TestCounts(
            total=total.total + each.total,
            failed=total.failed + each.failed,
            errors=total.errors + each.errors,
            skipped=total.skipped + each.skipped,
        )
    return total


class _JUnitCounter:
    """Counts test cases; of one with several verdicts the worst counts."""

    def __init__(self) -> None:
        self.counts = TestCounts()
        self._path: list[str] = []
        self._verdicts: set[str] = set()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        if len(self._path) >= _DEPTH:
            raise ReportError("JUnit XML parsing failed: nested too deeply")
        if self._path and self._path[-1] == "testcase":
            self._verdicts.add(name)
        self._path.append(name)

    def end(self, name: str) -> None:
        self._path.pop()
        if name != "testcase":
            return
        counts = replace(self.counts, total=self.counts.total + 1)
        if "failure" in self._verdicts:
            counts = replace(counts, failed=counts.failed + 1)
        elif "error" in self._verdicts:
            counts = replace(counts, errors=counts.errors + 1)
        elif "skipped" in self._verdicts:
            counts = replace(counts, skipped=counts.skipped + 1)
        self.counts = counts
        self._verdicts = set()


def _refuse_doctype(*_: object) -> None:
    raise ReportError("JUnit XML parsing failed: a DOCTYPE is not allowed")
