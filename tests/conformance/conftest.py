from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.conformance.corpus import CASES, Case, read_cases

if TYPE_CHECKING:
    from collections.abc import Generator

    from _pytest.terminal import TerminalReporter

_OUTCOMES = pytest.StashKey[Counter[tuple[str, bool]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OUTCOMES] = Counter()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        cases = read_cases(metafunc.config.getoption("--corpus") or CASES)
        judged = [case for case in cases if case.is_judged]
        metafunc.parametrize("case", judged, ids=[case.id for case in judged])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    params = getattr(getattr(item, "callspec", None), "params", {})
    case = params.get("case")
    if isinstance(case, Case) and call.when == "call":
        item.config.stash[_OUTCOMES][case.category, report.passed] += 1
    return report


def pytest_terminal_summary(
    terminalreporter: TerminalReporter, config: pytest.Config
) -> None:
    outcomes = config.stash[_OUTCOMES]
    if not outcomes:
        return
    terminalreporter.section("conformance")
    for category in sorted({category for category, _ in outcomes}):
        passed = outcomes[category, True]
        total = passed + outcomes[category, False]
        terminalreporter.write_line(f"{category:<16} {passed:>4} of {total}")
