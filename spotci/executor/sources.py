"""``get_sources``: what ``GIT_STRATEGY`` and its like make of a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan

__all__ = ["Sources", "plan_sources"]

_DEPTH = 20
_SHORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whether a workspace begins with the source tree, and what the log says of it.

    ``depth`` is how many commits its ``.git`` holds, 0 all of them; None is no
    ``.git``.
    """

    has_files: bool
    depth: int | None
    runs_hooks: bool
    lines: tuple[str, ...]


def plan_sources(plan: RunPlan, variables: JobVariables) -> Sources:
    """Return what the variables of a job ask for.

    ``GIT_CHECKOUT: "false"`` leaves the files at whatever revision they are, and they
    are at the one of the pipeline: every job here begins with a new workspace.
    """
    strategy = variables.values.get("GIT_STRATEGY", "fetch").strip() or "fetch"
    if strategy == "none":
        return _without("Skipping Git repository setup")
    if strategy == "empty":
        return _without(
            "Skipping Git repository setup and creating an empty build directory"
        )
    if plan.tree.git_directory is None:
        return Sources(
            has_files=True,
            depth=None,
            runs_hooks=True,
            lines=("There is no Git repository: using the files as they are.",),
        )
    depth = max(0, variables.number("GIT_DEPTH", default=_DEPTH))
    fetching = f" with git depth set to {depth}" if depth else ""
    return Sources(
        has_files=True,
        depth=depth,
        runs_hooks=True,
        lines=(
            f"Fetching changes{fetching}...",
            "Created fresh repository.",
            *_checkout(plan, variables),
            *_submodules(variables),
        ),
    )


def _without(line: str) -> Sources:
    return Sources(
        has_files=False,
        depth=None,
        runs_hooks=False,
        lines=(line, "Skipping Git checkout", "Skipping Git submodules setup"),
    )


def _checkout(plan: RunPlan, variables: JobVariables) -> tuple[str, ...]:
    if not variables.flag("GIT_CHECKOUT", default=True):
        return ("Skipping Git checkout",)
    sha = (plan.tree.sha or plan.sha)[:_SHORT]
    ref = variables.values.get("CI_COMMIT_REF_NAME") or plan.pipeline.ref
    return (f"Checking out {sha} as detached HEAD (ref is {ref})...", "")


def _submodules(variables: JobVariables) -> tuple[str, ...]:
    match variables.values.get("GIT_SUBMODULE_STRATEGY", "none"):
        case "normal":
            return ("Updating/initializing submodules...",)
        case "recursive":
            return ("Updating/initializing submodules recursively...",)
        case _:
            return ("Skipping Git submodules setup",)
