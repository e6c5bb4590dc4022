"""Which submodules a job gets: ``GIT_SUBMODULE_STRATEGY`` and ``_PATHS`` (pure).

Nothing is fetched: they come as they are checked out in the project. GitLab describes
the variables under "Using Git submodules with GitLab CI/CD".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spotci.executor.job_variables import JobVariables
    from spotci.tree import Submodule

__all__ = ["SubmodulePlan", "plan_submodules"]

#: How git writes that a path is left out; the runner takes a space after the first.
_EXCLUDE = (":(exclude)", ":!", ":^")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmodulePlan:
    """The submodules whose files a job sees, and what the log says of them.

    ``depth`` is how many commits their git folders have.
    """

    paths: frozenset[str] = frozenset()
    depth: int = 0
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fault: str | None = None


def plan_submodules(
    submodules: Sequence[Submodule], variables: JobVariables, git_depth: int
) -> SubmodulePlan:
    """Return what the variables of a job ask for; ``git_depth`` is its GIT_DEPTH."""
    match variables.values.get("GIT_SUBMODULE_STRATEGY", "").strip():
        case "" | "none":
            return SubmodulePlan(lines=("Skipping Git submodules setup",))
        case "normal":
            recursive = False
        case "recursive":
            recursive = True
        case _:
            return SubmodulePlan(fault="unknown GIT_SUBMODULE_STRATEGY")
    depth = max(0, variables.number("GIT_SUBMODULE_DEPTH", default=git_depth))
    words = " recursively" if recursive else ""
    words += f" with git depth set to {depth}" if depth else ""
    chosen = _chosen(submodules, variables.values.get("GIT_SUBMODULE_PATHS", ""))
    wanted = [each for each in chosen if recursive or not each.nested]
    return SubmodulePlan(
        paths=frozenset(each.path for each in wanted if each.checked_out),
        depth=depth,
        lines=(f"Updating/initializing submodules{words}...", "Updated submodules"),
        warnings=tuple(
            f"the submodule {each.path} is not checked out here: its folder is empty"
            for each in wanted
            if not each.checked_out
        ),
    )


def _chosen(submodules: Iterable[Submodule], text: str) -> list[Submodule]:
    """Return the submodules that ``GIT_SUBMODULE_PATHS`` means, or all."""
    included: list[str] = []
    excluded: list[str] = []
    target = included
    for word in text.split():
        mark = next((mark for mark in _EXCLUDE if word.startswith(mark)), "")
        path = word.removeprefix(mark).strip("/")
        target = excluded if mark else target
        if path:
            target.append(path)
            target = included
    return [
        each
        for each in submodules
        if (not included or _is_under(each.path, included))
        and not _is_under(each.path, excluded)
    ]


def _is_under(path: str, folders: Iterable[str]) -> bool:
    return any(f"{path}/".startswith(f"{folder}/") for folder in folders)
