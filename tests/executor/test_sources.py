from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spotci.executor.job_variables import JobVariables
from spotci.executor.sources import plan_sources
from spotci.tree import SourceTree
from tests.builders import plan

TREE = SourceTree(
    root=Path("/nonexistent"),
    entries=(),
    sha="0123456789abcdef",
    git_directory=lambda _: Path("/nonexistent"),
)
FETCHED = "Fetching changes with git depth set to 20..."
CREATED = "Created fresh repository."
CHECKOUT = ("Checking out 01234567 as detached HEAD (ref is main)...", "")
NO_SUBMODULES = "Skipping Git submodules setup"


@pytest.mark.parametrize(
    ("values", "depth", "lines"),
    [
        pytest.param({}, 20, (FETCHED, CREATED, *CHECKOUT, NO_SUBMODULES), id="fetch"),
        pytest.param(
            {"GIT_STRATEGY": "clone", "GIT_DEPTH": "0"},
            0,
            ("Fetching changes...", CREATED, *CHECKOUT, NO_SUBMODULES),
            id="all commits",
        ),
        pytest.param(
            {"GIT_CHECKOUT": "false"},
            20,
            (FETCHED, CREATED, "Skipping Git checkout", NO_SUBMODULES),
            id="no checkout",
        ),
        pytest.param(
            {"GIT_SUBMODULE_STRATEGY": "recursive", "CI_COMMIT_REF_NAME": "main"},
            20,
            (
                FETCHED,
                CREATED,
                *CHECKOUT,
                "Updating/initializing submodules recursively...",
            ),
            id="submodules in submodules",
        ),
        pytest.param(
            {"GIT_SUBMODULE_STRATEGY": "normal"},
            20,
            (FETCHED, CREATED, *CHECKOUT, "Updating/initializing submodules..."),
            id="submodules",
        ),
        pytest.param(
            {"GIT_STRATEGY": "none"},
            None,
            ("Skipping Git repository setup", "Skipping Git checkout", NO_SUBMODULES),
            id="none",
        ),
    ],
)
def test_sources(
    values: dict[str, str], depth: int | None, lines: tuple[str, ...]
) -> None:
    variables = JobVariables(values=values, files={}, public={}, secrets=())

    sources = plan_sources(replace(plan(), tree=TREE), variables)

    assert sources.depth == depth
    assert sources.lines == lines
    assert sources.has_files is (depth is not None)
