from __future__ import annotations

import time

from tests.parser.configurations import read


def seconds_of(text: str) -> tuple[float, list[str]]:
    started = time.process_time()
    _, errors = read(text)
    return time.process_time() - started, errors


def test_thousands_of_unknown_bases_are_all_told_in_bounded_time() -> None:
    text = "".join(f"job{n}: {{extends: .no{n}}}\n" for n in range(2000))

    seconds, errors = seconds_of(text)

    assert len(errors) == 2000
    assert seconds < 5


def test_jobs_that_copy_too_much_from_each_other_are_refused() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(3000))
    jobs = "".join(f"j{n}: {{extends: .b, variables: {{z: 1}}}}\n" for n in range(2000))

    seconds, errors = seconds_of(f".b: {{variables: {{{keys}}}}}\n{jobs}")

    assert len(errors) == 1
    assert "The parsed YAML is too big" in errors[0]
    assert seconds < 5


def test_a_base_is_named_by_a_text() -> None:
    _, errors = read("mapping: {script: x}\njob: {extends: [{a: b}]}\n")

    assert len(errors) == 1
    assert "unknown keys in `extends` (mapping)" in errors[0]
