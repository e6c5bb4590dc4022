"""The words and signs that all reports use for the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.events import JobStatus, TestCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.events import JobResult

__all__ = [
    "count_of",
    "describe_bytes",
    "describe_duration",
    "describe_failure",
    "describe_tests",
    "status_sign",
    "status_style",
    "status_word",
    "total_tests",
]

_MINUTE = 60
_HOUR = 3600
_SHORT = 10
_KIBI = 1024
_SIGNS = {
    JobStatus.SUCCESS: ("✓", "green", "passed"),
    JobStatus.FAILED: ("✗", "red", "failed"),
    JobStatus.CANCELED: ("⊘", "yellow", "canceled"),
    JobStatus.SKIPPED: ("»", "dim", "skipped"),
    JobStatus.MANUAL: ("▷", "blue", "manual"),
    JobStatus.SCHEDULED: ("◷", "blue", "delayed"),
    JobStatus.RUNNING: ("●", "cyan", "running"),
    JobStatus.PREPARING: ("●", "cyan", "preparing"),
    JobStatus.PENDING: ("○", "dim", "pending"),
    JobStatus.WAITING_FOR_RESOURCE: ("○", "dim", "waiting"),
    JobStatus.CREATED: ("○", "dim", "created"),
}
_WARNING = ("!", "yellow", "warning")


def status_sign(status: JobStatus, *, warning: bool = False) -> str:
    """Return one character for a status; ``warning`` is a failure that is allowed."""
    return (_WARNING if warning else _SIGNS[status])[0]


def status_style(status: JobStatus, *, warning: bool = False) -> str:
    """Return the style of a status, for :class:`~spotci.report.terminal.Paint`."""
    return (_WARNING if warning else _SIGNS[status])[1]


def status_word(status: JobStatus, *, warning: bool = False) -> str:
    """Return the word that GitLab's pages show for a status."""
    return (_WARNING if warning else _SIGNS[status])[2]


def describe_failure(result: JobResult) -> str:
    """Return why a job failed: its reason, its exit code, a sentence where needed."""
    text = str(result.failure_reason or "failed")
    if result.exit_code is not None:
        text += f", exit code {result.exit_code}"
    return f"{text}: {result.message}" if result.message else text


def describe_duration(seconds: float | None) -> str:
    """Return a duration such as ``0.8 s``, ``12 s``, ``3 min 04 s``, ``2 h 05 min``."""
    if seconds is None:
        return ""
    if seconds < _SHORT:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def describe_bytes(size: float) -> str:
    """Return a size such as ``812 B``, ``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIBI:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KIBI
    return f"{size:.1f} TiB"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 job``, ``23 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe_tests(tests: TestCounts | None) -> str:
    """Return the tests of a job, such as ``12, 1 failed``."""
    if tests is None:
        return ""
    parts = [str(tests.total)]
    parts += [
        f"{count} {word}"
        for count, word in (
            (tests.failed, "failed"),
            (tests.errors, "errors"),
            (tests.skipped, "skipped"),
        )
        if count
    ]
    return ", ".join(parts)


def total_tests(results: Iterable[JobResult | None]) -> TestCounts | None:
    """Return the sums over the results with test reports, None where none has any."""
    counts = [result.tests for result in results if result and result.tests]
    if not counts:
        return None
    return TestCounts(
        total=sum(each.total for each in counts),
        failed=sum(each.failed for each in counts),
        errors=sum(each.errors for each in counts),
        skipped=sum(each.skipped for each in counts),
    )
