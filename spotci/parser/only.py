"""``only`` and ``except``, the elder of ``rules``.

All keys of ``only`` must hold, and any key of ``except`` excludes; inside a key any
entry is enough. A job with neither ``rules`` nor ``only`` runs for branches and tags,
not for merge requests, unless there are ``workflow:rules``. GitLab's source:
``Gitlab::Ci::Build::Policy``; its documentation: "only / except".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.model import Only, RefPattern
from spotci.parser.regex import pattern_of
from spotci.parser.rules import condition_holds, expand_globs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.context import Context
    from spotci.parser.model import Condition
    from spotci.parser.rules import RuleScope

__all__ = ["DEFAULT_REFS", "OnlyMatch", "match_only"]

#: What ``only`` means where its ``refs`` are not written.
DEFAULT_REFS = (RefPattern(pattern="branches"), RefPattern(pattern="tags"))

_DEFAULT = Only(refs=DEFAULT_REFS)


@dataclass(frozen=True, slots=True)
class OnlyMatch:
    """Whether the job runs; ``reason`` says why it does not."""

    passes: bool
    reason: str = ""


def match_only(
    only: Only | None,
    except_: Only | None,
    context: Context,
    scope: RuleScope,
    *,
    default: bool,
) -> OnlyMatch:
    """Decide a job without ``rules``.

    ``default`` says that a job without ``only`` runs for branches and tags, which is
    so as long as there are no ``workflow:rules``.
    """
    if only is None and default:
        only = _DEFAULT
    if only is not None:
        refs = DEFAULT_REFS if only.refs is None else only.refs
        for key, holds in _keys(only, refs, context, scope):
            if not holds:
                return OnlyMatch(passes=False, reason=f"only:{key} does not hold")
    if except_ is not None:
        for key, holds in _keys(except_, except_.refs, context, scope):
            if holds:
                return OnlyMatch(passes=False, reason=f"except:{key} holds")
    return OnlyMatch(passes=True)


def _keys(
    policy: Only,
    refs: Sequence[RefPattern] | None,
    context: Context,
    scope: RuleScope,
) -> list[tuple[str, bool]]:
    """Return for each key that was written whether it holds."""
    keys = []
    if refs is not None:
        keys.append(("refs", any(_matches_ref(entry, context) for entry in refs)))
    if policy.variables is not None:
        keys.append(("variables", _any_condition(policy.variables, scope)))
    if policy.changes is not None:
        globs = expand_globs(policy.changes, scope.expanded)
        keys.append(("changes", scope.files.changed(globs, None).holds))
    if policy.kubernetes:
        # No cluster is ever connected to a pipeline on this machine.
        keys.append(("kubernetes", False))
    return keys


def _any_condition(conditions: Sequence[Condition], scope: RuleScope) -> bool:
    return any(condition_holds(condition, scope)[1] for condition in conditions)


def _matches_ref(entry: RefPattern, context: Context) -> bool:
    if entry.project is not None and entry.project != context.project_path:
        return False
    pattern = entry.pattern
    is_merge_request = context.merge_request is not None
    is_tag = context.tag is not None and not is_merge_request
    source = context.source.removesuffix("_event")
    if pattern in (source, _plural(source)):
        return True
    # Names and patterns of refs are not for merge request pipelines.
    if is_merge_request:
        return False
    if pattern == ("tags" if is_tag else "branches"):
        return True
    try:
        return pattern_of(pattern).matches(context.ref)
    except ValueError:
        return pattern == context.ref


def _plural(source: str) -> str:
    if source.endswith("y"):
        return f"{source.removesuffix('y')}ies"
    return f"{source}es" if source.endswith("sh") else f"{source}s"
