"""Which files changed: what ``rules:changes`` is about, seen from a developer's desk.

GitLab compares the commits of a push. The developer has not pushed yet, so the files
that differ in the working tree belong to the change, untracked ones included:

=============================== ==================================================
event                           from
=============================== ==================================================
push, commits not pushed yet    merge base with the upstream of the branch
push, all pushed, files changed HEAD: the change is what was edited since
push, all pushed, nothing else  the commit before HEAD, as its push would have been
push of a first commit          unknown: every clause is true, as on a new branch
merge request                   merge base with the target branch
tag, schedule, web, api, …      unknown
=============================== ==================================================

They reach to the working tree; with ``--source index`` or ``head`` to that. Both names
of a renamed file count. ``--changed`` and ``--changed-since`` replace all of it.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from spotci.context import PipelineSource
from spotci.errors import ReadError
from spotci.project.event import merge_base
from spotci.project.git import GitCommandError
from spotci.project.tree import list_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from spotci.project.event import PipelineEvent
    from spotci.project.project import Project
    from spotci.project.tree import SourceKind

__all__ = ["ProjectRepository"]

_DIFF = (
    "diff",
    "--name-only",
    "-z",
    # A rename is then a deletion and an addition: both names count.
    "--no-renames",
    "--no-ext-diff",
    # Paths begin at the root of the project, which can be below that of git.
    "--relative",
)
_UNTRACKED = ("ls-files", "-z", "--others", "--exclude-standard")


class ProjectRepository:
    """The files of a project: a ``Repository`` of :mod:`spotci.context`.

    Nothing is read before it is asked for, and each answer once.
    """

    def __init__(
        self,
        project: Project,
        event: PipelineEvent,
        *,
        source: SourceKind = "worktree",
        changed: Sequence[str] | None = None,
        changed_since: str | None = None,
        other_files: Callable[[str, str | None], Collection[str]],
    ) -> None:
        self._project = project
        self._event = event
        self._source: SourceKind = source
        self._changed = None if changed is None else frozenset(changed)
        self._changed_since = changed_since
        self._other_files = other_files
        self._compared: dict[str, frozenset[str]] = {}

    def files(self) -> Collection[str]:
        """Return the paths of the files that the jobs will see."""
        return self._files

    def changed_files(self, compare_to: str | None = None) -> Collection[str] | None:
        """Return the changed paths, or None where no difference can be computed."""
        if self._changed is not None:
            return self._changed
        if compare_to is None:
            return self._default_changes
        if compare_to not in self._compared:
            self._compared[compare_to] = self._changes_since(compare_to)
        return self._compared[compare_to]

    def project_files(self, project: str, ref: str | None) -> Collection[str]:
        """Return the paths of another project, or raise ReadError."""
        return self._other_files(project, ref)

    @cached_property
    def _files(self) -> frozenset[str]:
        listing = list_files(self._project, self._source)
        tracked = listing.tracked
        if self._source == "worktree" and self._project.git is not None:
            root = self._project.root
            tracked = tuple(path for path in tracked if os.path.lexists(root / path))
        return frozenset((*tracked, *listing.untracked))

    @cached_property
    def _default_changes(self) -> frozenset[str] | None:
        if self._changed_since is not None:
            return self._changes_since(self._changed_since)
        base = self._base()
        return None if base is None else self._diff(base)

    def _base(self) -> str | None:
        event, sha = self._event, self._project.sha
        if event.source is PipelineSource.MERGE_REQUEST_EVENT:
            return event.base_sha
        repository = self._project.git
        pushed = event.source is PipelineSource.PUSH and event.branch is not None
        if not pushed or repository is None or not sha:
            return None
        upstream = repository.upstream(event.branch or "")
        if upstream is None:
            return event.base_sha
        base = merge_base(self._project, upstream)
        if base != sha:
            return base
        return sha if self._diff(sha) else event.base_sha

    def _changes_since(self, ref: str) -> frozenset[str]:
        repository = self._project.git
        commit = repository.resolve(ref) if repository else None
        if commit is None and repository is not None:
            commit = self._commit_of(ref)
        base = merge_base(self._project, commit) if commit else None
        if base is None:
            raise ReadError(f"`{ref}` is not a valid ref")
        return self._diff(base)

    def _commit_of(self, ref: str) -> str | None:
        try:
            output = self._project.git_output(
                "rev-parse", "--verify", "-q", "--end-of-options", f"{ref}^{{commit}}"
            )
        except GitCommandError:
            return None
        return output.decode().strip()

    def _diff(self, base: str) -> frozenset[str]:
        ends = {
            "worktree": (base,),
            "index": ("--cached", base),
            "head": (base, self._project.sha),
        }
        git = self._project.git_output
        output = git(*_DIFF, *ends[self._source], "--")
        if self._source == "worktree":
            output += git(*_UNTRACKED)
        paths = os.fsdecode(output).split("\0")
        return frozenset(path for path in paths if path)
