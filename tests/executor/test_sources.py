from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spotci.executor.job_variables import JobVariables
from spotci.executor.sources import plan_sources, project_dir
from spotci.tree import LfsFiles, SourceTree, Submodule
from tests.builders import StoredGit, plan

TREE = SourceTree(
    root=Path("/nonexistent"),
    entries=(),
    sha="0123456789abcdef",
    git=StoredGit(Path("/nonexistent")),
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
            {"GIT_STRATEGY": "none"},
            None,
            ("Skipping Git repository setup", "Skipping Git checkout", NO_SUBMODULES),
            id="none",
        ),
        pytest.param(
            {"GIT_STRATEGY": "empty"},
            None,
            (
                "Skipping Git repository setup and creating an empty build directory",
                "Skipping Git checkout",
                NO_SUBMODULES,
            ),
            id="empty",
        ),
    ],
)
def test_sources(
    values: dict[str, str], depth: int | None, lines: tuple[str, ...]
) -> None:
    sources = plan_sources(replace(plan(), tree=TREE), job_values(values))

    assert sources.depth == depth
    assert sources.lines == lines
    assert sources.has_files is (depth is not None)
    assert sources.fault is None


@pytest.mark.parametrize("name", ["GIT_STRATEGY", "GIT_SUBMODULE_STRATEGY"])
def test_the_runner_gives_up_on_strategies_that_it_does_not_know(name: str) -> None:
    sources = plan_sources(replace(plan(), tree=TREE), job_values({name: "bogus"}))

    assert sources.fault == f"unknown {name}"


DEPTH_3 = "Updating/initializing submodules recursively with git depth set to 3..."
LIBRARY = Submodule(path="lib/core")
INNER = Submodule(path="lib/core/inner", nested=True)
DOCS = Submodule(path="docs")
ABSENT = Submodule(path="absent", checked_out=False)


@pytest.mark.parametrize(
    ("values", "seen", "lines"),
    [
        pytest.param({}, set(), (NO_SUBMODULES,), id="none"),
        pytest.param(
            {"GIT_SUBMODULE_STRATEGY": "normal"},
            {"lib/core", "docs"},
            (
                "Updating/initializing submodules with git depth set to 20...",
                "Updated submodules",
            ),
            id="normal",
        ),
        pytest.param(
            {"GIT_SUBMODULE_STRATEGY": "recursive", "GIT_DEPTH": "0"},
            {"lib/core", "lib/core/inner", "docs"},
            (
                "Updating/initializing submodules recursively...",
                "Updated submodules",
            ),
            id="recursive",
        ),
        pytest.param(
            {
                "GIT_SUBMODULE_STRATEGY": "recursive",
                "GIT_SUBMODULE_PATHS": "lib",
                "GIT_SUBMODULE_DEPTH": "3",
            },
            {"lib/core", "lib/core/inner"},
            (
                DEPTH_3,
                "Updated submodules",
            ),
            id="paths and depth",
        ),
        pytest.param(
            {
                "GIT_SUBMODULE_STRATEGY": "normal",
                "GIT_SUBMODULE_PATHS": ":(exclude)docs",
            },
            {"lib/core"},
            (
                "Updating/initializing submodules with git depth set to 20...",
                "Updated submodules",
            ),
            id="all but one",
        ),
        pytest.param(
            {
                "GIT_SUBMODULE_STRATEGY": "normal",
                "GIT_SUBMODULE_PATHS": ":(exclude) lib/core docs",
            },
            {"docs"},
            (
                "Updating/initializing submodules with git depth set to 20...",
                "Updated submodules",
            ),
            id="one, and not another",
        ),
    ],
)
def test_submodules(
    values: dict[str, str], seen: set[str], lines: tuple[str, ...]
) -> None:
    tree = replace(TREE, submodules=(LIBRARY, INNER, DOCS, ABSENT))

    sources = plan_sources(replace(plan(), tree=tree), job_values(values))

    assert sources.submodules == seen
    assert sources.lines[-len(lines) :] == lines


def test_a_submodule_that_is_not_checked_out_is_named() -> None:
    tree = replace(TREE, submodules=(ABSENT,))
    values = {"GIT_SUBMODULE_STRATEGY": "normal"}

    sources = plan_sources(replace(plan(), tree=tree), job_values(values))

    assert sources.warnings == (
        "the submodule absent is not checked out here: its folder is empty",
    )


LFS = LfsFiles(absent=("a", "b", "c", "d"), pointers=dict)


def test_files_of_git_lfs_that_were_not_fetched_are_named() -> None:
    sources = plan_sources(replace(plan(), tree=replace(TREE, lfs=LFS)), job_values({}))

    assert not sources.lfs_pointers
    files = "4 files of Git LFS are pointers here (a, b, c, …)"
    assert sources.warnings == (f"{files}: fetch them with git lfs pull",)


@pytest.mark.parametrize("lfs", [LFS, None])
def test_git_lfs_can_be_left_out(lfs: LfsFiles | None) -> None:
    values = job_values({"GIT_LFS_SKIP_SMUDGE": "1"})

    sources = plan_sources(replace(plan(), tree=replace(TREE, lfs=lfs)), values)

    assert sources.lfs_pointers is (lfs is not None)
    assert sources.warnings == ()
    # Behind git lfs pull the runner prints an empty line.
    assert sources.lines == (FETCHED, CREATED, CHECKOUT[0], NO_SUBMODULES)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "/builds/group/project"),
        ("/builds/go/src/project", "/builds/go/src/project"),
        ("/builds/a/../b/", "/builds/b"),
    ],
)
def test_git_clone_path(path: str, expected: str) -> None:
    values = job_values({"GIT_CLONE_PATH": path})

    assert project_dir("/builds/group/project", "/builds", values) == expected


@pytest.mark.parametrize("path", ["/etc", "/builds", "/builds/../etc", "relative"])
def test_git_clone_path_stays_below_the_builds(path: str) -> None:
    with pytest.raises(ValueError, match=r"^the GIT_CLONE_PATH=") as caught:
        project_dir("/builds/a/b", "/builds", job_values({"GIT_CLONE_PATH": path}))

    assert str(caught.value) == (
        f'the GIT_CLONE_PATH="{path}" has to be within "/builds"'
    )


def job_values(values: dict[str, str]) -> JobVariables:
    """Return variables of a job with nothing but these values."""
    return JobVariables(values=values, files={}, public={}, secrets=())
