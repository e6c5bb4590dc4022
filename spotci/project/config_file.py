"""Reads the file that a pipeline begins with, from the source that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.errors import ReadError, UsageError
from spotci.project.checkouts import Checkout, source_file
from spotci.source import Origin

if TYPE_CHECKING:
    from spotci.project.project import Project
    from spotci.project.tree import SourceKind
    from spotci.source import SourceFile

__all__ = ["commit_of", "read_config_file"]


def commit_of(project: Project, source: SourceKind) -> str | None:
    """Return what git calls the version of a source; the working tree is none."""
    if source == "head":
        return project.sha or "HEAD"
    return "" if source == "index" else None


def read_config_file(project: Project, source: SourceKind) -> SourceFile:
    """Return ``.gitlab-ci.yml``, or the file that ``project.config`` names.

    Raises UsageError where the source has no such file or it cannot be read.
    """
    name = project.settings.project.config
    checkout = Checkout(root=project.root, environ=project.environ)
    commit = commit_of(project, source)
    if commit is None:
        content = checkout.read(name)
        place = str(project.root)
    else:
        if project.git is None:
            raise UsageError(f"--source {source} needs a git repository")
        content = checkout.read_at(commit, name)
        place = f"the {source} of {project.root}"
    if content is None:
        raise UsageError(f"there is no {name} in {place}", hint=_hint(source, name))
    try:
        return source_file(name, content, Origin())
    except ReadError as error:
        raise UsageError(f"{project.root / name} cannot be read: {error}") from error


def _hint(source: SourceKind, name: str) -> str:
    if source == "worktree":
        return "run spotci in a folder of a project with a pipeline"
    done = "stage" if source == "index" else "commit"
    return f"{done} {name}, or leave out --source {source}"
