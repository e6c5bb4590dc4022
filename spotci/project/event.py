"""The event of a pipeline: which ref, from which commit on, for which merge request.

================= ======================= ====== ===== ======== ========
``--event``       ``CI_PIPELINE_SOURCE``  branch tag   before   changes
================= ======================= ====== ===== ======== ========
``push``          ``push``                set    unset old tip  computed
``tag``           ``push``                unset  set   zeros    all true
``merge_request`` ``merge_request_event`` unset  unset zeros    computed
``schedule`` …    the same word           set    unset zeros    all true
================= ======================= ====== ===== ======== ========

The last row holds for ``web``, ``api``, ``trigger`` and ``pipeline``, too; each of them
is for a tag where ``--tag`` is given. The commit is always that of HEAD: the jobs see
the files that are there, whatever the ref is called.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from spotci.context import MergeRequest, PipelineSource
from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.project.git import GitCommandError
from spotci.project.predefined import NO_SHA

if TYPE_CHECKING:
    from spotci.project.context import ContextOptions
    from spotci.project.project import Project

__all__ = ["EVENTS", "PipelineEvent", "event_of"]

#: The words of ``--event`` with their sources.
EVENTS = {
    "push": PipelineSource.PUSH,
    "tag": PipelineSource.PUSH,
    "merge_request": PipelineSource.MERGE_REQUEST_EVENT,
    "schedule": PipelineSource.SCHEDULE,
    "web": PipelineSource.WEB,
    "api": PipelineSource.API,
    "trigger": PipelineSource.TRIGGER,
    "pipeline": PipelineSource.PIPELINE,
}
#: The name of what is checked out where it is no branch, as git calls it.
_DETACHED = "HEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineEvent:
    """What happened. ``base_sha`` is where the changes begin, None where unknown."""

    source: PipelineSource
    branch: str | None = None
    tag: str | None = None
    tag_message: str = ""
    merge_request: MergeRequest | None = None
    before_sha: str = NO_SHA
    base_sha: str | None = None
    protected: bool = False
    target_protected: bool = False
    iid: int = 1
    created_at: str = ""

    @property
    def ref(self) -> str:
        """``CI_COMMIT_REF_NAME``."""
        if self.merge_request is not None:
            return self.merge_request.source_branch
        return self.tag or self.branch or ""


def event_of(project: Project, options: ContextOptions) -> PipelineEvent:
    """Return the event that the options describe; raises UsageError.

    Without ``--event``, a tag or a target branch tells it. A detached HEAD that a tag
    points at is a pipeline for that tag, as after ``git checkout v1.0``.
    """
    tag = options.tag
    name = options.event or _implied_event(project, options)
    if name not in EVENTS:
        raise UsageError(
            f'unknown event "{name}"', hint="the events are: " + ", ".join(EVENTS)
        )
    if name == "tag" and tag is None:
        tag = _tag_at_head(project)
    if name != "merge_request" and options.target_branch is not None:
        raise UsageError("--target-branch needs --event merge_request")
    if name == "merge_request" and tag is not None:
        raise UsageError("a merge request is not for a tag: --tag cannot be used here")
    source = EVENTS[name]
    created_at = options.created_at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if source is PipelineSource.MERGE_REQUEST_EVENT:
        return _merge_request_event(project, options, created_at)
    if tag is not None:
        return PipelineEvent(
            source=source,
            tag=tag,
            tag_message=_tag_message(project, tag),
            protected=_matches(tag, project.settings.project.protected_tags),
            iid=options.iid,
            created_at=created_at,
        )
    branch = options.branch or current_branch(project)
    pushed = source is PipelineSource.PUSH
    before = _before_sha(project, branch) if pushed else NO_SHA
    return PipelineEvent(
        source=source,
        branch=branch,
        before_sha=before,
        base_sha=before if pushed and before != NO_SHA else None,
        protected=is_protected(project, branch),
        iid=options.iid,
        created_at=created_at,
    )


def current_branch(project: Project) -> str:
    """Return the branch that is checked out, or one that points at HEAD.

    Of several the default branch comes first. A commit without a branch is ``HEAD``;
    without git it is the default branch.
    """
    repository = project.git
    if repository is None:
        return project.default_branch
    if repository.branch is not None:
        return repository.branch
    names = [
        name.removeprefix("refs/heads/").removeprefix("refs/remotes/origin/")
        for name, sha in repository.refs.items()
        if sha == project.sha
        and name.startswith(("refs/heads/", "refs/remotes/origin/"))
        and name not in repository.symrefs
    ]
    if project.default_branch in names:
        return project.default_branch
    return names[0] if names else _DETACHED


def is_protected(project: Project, branch: str) -> bool:
    """Whether a branch is protected: the default one, or by the settings."""
    patterns = project.settings.project.protected_branches
    return branch == project.default_branch or _matches(branch, patterns)


def merge_base(project: Project, first: str) -> str | None:
    """Return the best common ancestor of a commit and the project's own, or None."""
    try:
        output = project.git_output("merge-base", first, project.sha)
    except GitCommandError:
        return None
    return output.decode().strip() or None


def _implied_event(project: Project, options: ContextOptions) -> str:
    if options.tag is not None:
        return "tag"
    if options.target_branch is not None:
        return "merge_request"
    repository = project.git
    detached = repository is not None and repository.branch is None
    at_tag = repository is not None and bool(repository.tags)
    if options.branch is None and detached and at_tag:
        return "tag"
    return "push"


def _tag_at_head(project: Project) -> str:
    tags = project.git.tags if project.git else ()
    if not tags:
        raise UsageError(
            "no tag points at HEAD", hint="name one: --tag v1.0.0; it need not exist"
        )
    return tags[-1]


def _tag_message(project: Project, tag: str) -> str:
    if project.git is None:
        return ""
    output = project.git_output(
        "for-each-ref", "--format=%(objecttype) %(contents)", f"refs/tags/{tag}"
    )
    kind, _, message = output.decode("utf-8", "replace").partition(" ")
    # A lightweight tag has no message: git would show that of the commit.
    return message.strip("\n") if kind == "tag" else ""


def _merge_request_event(
    project: Project, options: ContextOptions, created_at: str
) -> PipelineEvent:
    target = options.target_branch or project.default_branch
    source = options.branch or current_branch(project)
    tip = project.git.resolve(target) if project.git else None
    return PipelineEvent(
        source=PipelineSource.MERGE_REQUEST_EVENT,
        merge_request=MergeRequest(
            source_branch=source,
            target_branch=target,
            iid=options.merge_request_iid,
            labels=options.labels,
        ),
        base_sha=merge_base(project, tip) if tip and project.sha else None,
        protected=is_protected(project, source),
        target_protected=is_protected(project, target),
        iid=options.iid,
        created_at=created_at,
    )


def _before_sha(project: Project, branch: str) -> str:
    """Return the tip before the push that these commits would be.

    That is what the server has of the branch. Where it has all, the push is taken to
    have been of the last commit.
    """
    repository = project.git
    if repository is None or repository.commit is None:
        return NO_SHA
    upstream = repository.upstream(branch)
    if upstream is not None and upstream != repository.commit.sha:
        return upstream
    parents = repository.commit.parents
    return parents[0] if parents else NO_SHA


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
