"""``workflow`` and ``stages``: what concerns the pipeline as a whole.

GitLab: ``Entry::Workflow`` and ``Entry::Stages``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.parser.keywords.auto_cancel import (
    AutoCancel,
    OnJobFailure,
    OnNewCommit,
    decode_auto_cancel,
)
from spotci.parser.keywords.decoding import (
    attribute,
    given,
    hash_of,
    nested,
    nested_strings,
    string,
    unknown_keys,
)
from spotci.parser.keywords.rules import RulesOf, decode_rules
from spotci.parser.model import Workflow

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["DEFAULT_STAGES", "decode_stages", "decode_workflow"]

#: What GitLab assumes where ``stages`` is not written.
DEFAULT_STAGES = (".pre", "build", "test", "deploy", ".post")

_NAME_LENGTH = 255


def decode_workflow(node: Node, place: str, problems: Problems) -> Workflow:
    """Return ``workflow``; wrong values fall back to GitLab's defaults."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return Workflow()
    unknown_keys(mapping, {"rules", "name", "auto_cancel"}, place, problems)
    rules = given(mapping, "rules")
    auto_cancel = nested(mapping, "auto_cancel", decode_auto_cancel, place, problems)
    settings = auto_cancel or AutoCancel()
    return Workflow(
        rules=None
        if rules is None
        else decode_rules(rules, f"{place}:rules", problems, allowed=RulesOf.WORKFLOW),
        has_rules="rules" in mapping.entries,
        name=attribute(mapping, "name", _name, place, problems),
        auto_cancel_on_new_commit=settings.on_new_commit or OnNewCommit.CONSERVATIVE,
        auto_cancel_on_job_failure=settings.on_job_failure or OnJobFailure.NONE,
    )


def decode_stages(node: Node, place: str, problems: Problems) -> tuple[str, ...]:
    """Return the stages in order, ``.pre`` first and ``.post`` last, each once."""
    stages = nested_strings(node, place, problems, single=False)
    if stages is None:
        return DEFAULT_STAGES
    inner = [stage for stage in dict.fromkeys(stages) if stage not in {".pre", ".post"}]
    return (".pre", *inner, ".post")


def _name(node: Node, subject: str, problems: Problems) -> str | None:
    name = string(node, subject, problems)
    if name is None:
        return None
    if not name:
        problems.error(f"{subject} is too short (minimum is 1 character)", node.span)
    elif len(name) > _NAME_LENGTH:
        problems.error(
            f"{subject} is too long (maximum is {_NAME_LENGTH} characters)", node.span
        )
    else:
        return name
    return None
