"""``workflow:auto_cancel``, and the same key of workflow rules.

GitLab: ``Entry::AutoCancel``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from spotci.parser.keywords.decoding import choice, given, hash_of, unknown_keys

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["AutoCancel", "OnJobFailure", "OnNewCommit", "decode_auto_cancel"]


class OnNewCommit(StrEnum):
    """Values of ``auto_cancel:on_new_commit``."""

    CONSERVATIVE = "conservative"
    INTERRUPTIBLE = "interruptible"
    NONE = "none"


class OnJobFailure(StrEnum):
    """Values of ``auto_cancel:on_job_failure``."""

    NONE = "none"
    ALL = "all"


_Setting = TypeVar("_Setting", OnNewCommit, OnJobFailure)


class AutoCancel(NamedTuple):
    """The two settings; None is one that was not written."""

    on_new_commit: OnNewCommit | None = None
    on_job_failure: OnJobFailure | None = None


def decode_auto_cancel(node: Node, place: str, problems: Problems) -> AutoCancel:
    """Return what is written of ``auto_cancel``."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return AutoCancel()
    unknown_keys(mapping, {"on_new_commit", "on_job_failure"}, place, problems)
    on_new_commit = given(mapping, "on_new_commit")
    on_job_failure = given(mapping, "on_job_failure")
    return AutoCancel(
        _setting(on_new_commit, f"{place} on new commit", OnNewCommit, problems),
        _setting(on_job_failure, f"{place} on job failure", OnJobFailure, problems),
    )


def _setting(
    node: Node | None, subject: str, options: type[_Setting], problems: Problems
) -> _Setting | None:
    if node is None:
        return None
    complaint = f"must be one of: {', '.join(options)}"
    return choice(node, subject, options, problems, complaint=complaint)
