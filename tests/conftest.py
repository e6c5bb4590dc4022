from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

#: From so many kills on the faults are tried in their long form.
LONG_FORM = 100

settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-engine",
        action="store_true",
        help="fail, instead of skipping the tests that need one, without an engine",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=6,
        help="how often tests/faults kill a run; `make faults` has many",
    )
    parser.addoption(
        "--corpus",
        type=Path,
        help="run the conformance cases of this folder, instead of our own",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("--kills") < LONG_FORM:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    needing = [
        item
        for item in items
        if item.get_closest_marker("engine") or item.get_closest_marker("e2e")
    ]
    if not needing or config.option.markexpr == "not engine and not e2e":
        return
    reason = _why_no_engine()
    if reason is None:
        return
    if config.getoption("--require-engine"):
        raise pytest.UsageError(f"{reason}; `make engine` starts one")
    for item in needing:
        item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_engine() -> str | None:
    """Return why the tests on a real engine cannot run, or None where they can."""
    import docker  # noqa: PLC0415 - most test runs need no Docker
    from docker.errors import DockerException  # noqa: PLC0415 - the same

    try:
        client = docker.from_env(timeout=5)
    except DockerException as error:
        return f"no Docker engine answers: {error}"
    try:
        client.ping()
    except DockerException as error:
        return f"no Docker engine answers: {error}"
    finally:
        client.close()
    return None
