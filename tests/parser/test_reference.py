from __future__ import annotations

import time

import pytest

from tests.parser.configurations import read


@pytest.mark.parametrize(
    ("last", "message"),
    [
        pytest.param("!reference [.no]", "could not be found", id="unknown"),
        pytest.param("!reference [.r0]", "is part of a circular chain", id="circle"),
    ],
)
def test_references_that_multiply_and_fail_take_bounded_time(
    last: str, message: str
) -> None:
    rows = "".join(
        f".r{n}: [{', '.join([f'!reference [.r{n + 1}]'] * 9)}]\n" for n in range(12)
    )
    started = time.process_time()

    _, errors = read(f"{rows}.r12: {last}\n")

    assert any(message in error for error in errors)
    assert time.process_time() - started < 1


def test_thousands_of_unknown_references_are_told_in_bounded_time() -> None:
    started = time.process_time()

    _, errors = read(
        "".join(f"j{n}: {{script: !reference [.n{n}, x]}}\n" for n in range(2000))
    )

    assert len(errors) == 2000
    assert time.process_time() - started < 5
