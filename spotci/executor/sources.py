"""``get_sources``: what ``GIT_STRATEGY`` and its like make of a workspace.

GitLab describes the variables under "Configuring runners"; what is printed, and what
is refused, is the runner's.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.executor.submodules import plan_submodules

if TYPE_CHECKING:
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.trace import Trace

__all__ = ["Sources", "plan_sources", "project_dir", "tell_sources"]

_DEPTH = 20
_SHORT = 8
#: LFS files that a warning names.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whether a workspace begins with the source tree, and what the log says of it.

    ``depth`` is how many commits its ``.git`` holds, 0 all of them; None is no
    ``.git``. ``submodules`` are those whose files are there, each with a ``.git`` of so
    many commits as ``submodule_depth`` says. With ``lfs_pointers`` files of Git LFS are
    as in git itself. ``warnings`` come behind the ``lines``; ``fault`` is why the
    runner gives up then.
    """

    has_files: bool = True
    depth: int | None = None
    runs_hooks: bool = True
    submodules: frozenset[str] = frozenset()
    submodule_depth: int = 0
    lfs_pointers: bool = False
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fault: str | None = None


def plan_sources(plan: RunPlan, variables: JobVariables) -> Sources:
    """Return what the variables of a job ask for.

    ``GIT_CHECKOUT: "false"`` leaves the files at whatever revision they are, and they
    are at the one of the pipeline: every job here begins with a new workspace. So
    there is nothing for ``GIT_CLEAN_FLAGS`` to clean, either.
    """
    match variables.values.get("GIT_STRATEGY", "").strip():
        case "none":
            return _without("Skipping Git repository setup")
        case "empty":
            return _without(
                "Skipping Git repository setup and creating an empty build directory"
            )
        case "" | "fetch" | "clone":
            pass
        case _:
            return Sources(fault="unknown GIT_STRATEGY")
    if plan.tree.git is None:
        return Sources(
            lines=("There is no Git repository: using the files as they are.",)
        )
    depth = max(0, variables.number("GIT_DEPTH", default=_DEPTH))
    fetching = f" with git depth set to {depth}" if depth else ""
    submodules = plan_submodules(plan.tree.submodules, variables, depth)
    return Sources(
        depth=depth,
        submodules=submodules.paths,
        submodule_depth=submodules.depth,
        lfs_pointers=plan.tree.lfs is not None and _skips_lfs(variables),
        lines=(
            f"Fetching changes{fetching}...",
            "Created fresh repository.",
            *_checkout(plan, variables),
            *submodules.lines,
        ),
        warnings=(*_lfs_warnings(plan, variables), *submodules.warnings),
        fault=submodules.fault,
    )


async def tell_sources(trace: Trace, sources: Sources) -> None:
    """Say in the log what there is; raise EngineError where the runner gives up."""
    for line in sources.lines:
        await trace.notice(line)
    for warning in sources.warnings:
        await trace.warning(warning)
    if sources.fault is not None:
        raise EngineError(sources.fault)


def project_dir(default: str, builds_dir: str, variables: JobVariables) -> str:
    """Return where the project lies in a job: ``GIT_CLONE_PATH``, or the default.

    Raises ValueError for a path that is not below ``CI_BUILDS_DIR``.
    """
    path = variables.values.get("GIT_CLONE_PATH", "")
    if not path:
        return default
    clean = posixpath.normpath(path)
    if not clean.startswith(f"{builds_dir}/"):
        raise ValueError(f'the GIT_CLONE_PATH="{path}" has to be within "{builds_dir}"')
    return clean


def _without(line: str) -> Sources:
    return Sources(
        has_files=False,
        runs_hooks=False,
        lines=(line, "Skipping Git checkout", "Skipping Git submodules setup"),
    )


def _checkout(plan: RunPlan, variables: JobVariables) -> tuple[str, ...]:
    if not variables.flag("GIT_CHECKOUT", default=True):
        return ("Skipping Git checkout",)
    sha = (plan.tree.sha or plan.sha)[:_SHORT]
    ref = variables.values.get("CI_COMMIT_REF_NAME") or plan.pipeline.ref
    line = f"Checking out {sha} as detached HEAD (ref is {ref})..."
    # The runner prints an empty line behind git lfs pull.
    return (line,) if _skips_lfs(variables) else (line, "")


def _skips_lfs(variables: JobVariables) -> bool:
    return variables.flag("GIT_LFS_SKIP_SMUDGE", default=False)


def _lfs_warnings(plan: RunPlan, variables: JobVariables) -> tuple[str, ...]:
    absent = plan.tree.lfs.absent if plan.tree.lfs else ()
    if not absent or _skips_lfs(variables):
        return ()
    shown = ", ".join(absent[:_NAMED]) + (", …" if len(absent) > _NAMED else "")
    files = f"{len(absent)} files of Git LFS are pointers here ({shown})"
    return (f"{files}: fetch them with git lfs pull",)
