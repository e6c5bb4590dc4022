"""``rules``: the first entry whose clauses all hold decides.

The same for jobs, for ``workflow`` and for ``include``. Every decision is traced, for
``spotci explain``. GitLab's source: ``Gitlab::Ci::Build::Rules``; its documentation:
"Specify when jobs run with rules".
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.expression import evaluate, explain, truthy, variable_names
from spotci.parser.files import RepositoryFiles, RuleError
from spotci.parser.model import RuleTrace
from spotci.variables import expand

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from spotci.context import Repository
    from spotci.parser.model import Changes, Condition, Exists, Rule
    from spotci.variables import Variable

__all__ = [
    "RuleError",
    "RuleMatch",
    "RuleScope",
    "condition_holds",
    "expand_globs",
    "match_rules",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScope:
    """What the clauses of rules may ask.

    ``variables`` are the raw values, which ``if`` compares; ``expanded`` are the same
    variables after their own expansion, which globs use. ``project`` and ``ref`` are
    where ``exists`` looks if the rule does not say: None is the user's repository.
    """

    variables: Mapping[str, str]
    expanded: Mapping[str, Variable] = field(
        default_factory=lambda: MappingProxyType({})
    )
    files: RepositoryFiles
    project: str | None = None
    ref: str | None = None
    #: Names of secrets, whose values no trace shows.
    masked: Collection[str] = frozenset()
    #: Conditions by their text and values: many jobs have the same. Scopes may share
    #: it as long as they agree on what is masked.
    decided: dict[tuple[str | None, ...], tuple[str, bool]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def of(
        cls,
        variables: Mapping[str, Variable],
        repository: Repository | RepositoryFiles,
        *,
        expanded: Mapping[str, Variable] | None = None,
        changes_always_true: bool = False,
        project: str | None = None,
        ref: str | None = None,
    ) -> RuleScope:
        """Return the scope of a set of variables; ``expanded`` is by default the same.

        Give the :class:`RepositoryFiles` of another scope to share its answers.
        """
        if not isinstance(repository, RepositoryFiles):
            repository = RepositoryFiles(repository, changes_always_true)
        return cls(
            variables={name: item.value for name, item in variables.items()},
            expanded=variables if expanded is None else expanded,
            files=repository,
            project=project,
            ref=ref,
            masked=frozenset(name for name, item in variables.items() if item.masked),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMatch:
    """The rule that decided, or None, with its index and the trace of each rule."""

    rule: Rule | None = None
    index: int | None = None
    traces: tuple[RuleTrace, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether a rule matched that does not say ``when: never``."""
        return self.rule is not None and self.rule.when != "never"


def match_rules(rules: Sequence[Rule], scope: RuleScope) -> RuleMatch:
    """Return the first rule that matches; the traces end with it.

    Raises RuleError where a clause cannot be decided, such as ``compare_to`` with a
    ref that does not exist.
    """
    traces = []
    for index, rule in enumerate(rules):
        clauses = _clauses(rule, scope)
        matched = all(verdict for _, _, verdict in clauses)
        traces.append(
            RuleTrace(index=index, matched=matched, clauses=clauses, span=rule.span)
        )
        if matched:
            return RuleMatch(rule=rule, index=index, traces=tuple(traces))
    return RuleMatch(traces=tuple(traces))


def condition_holds(condition: Condition, scope: RuleScope) -> tuple[str, bool]:
    """Return the condition with the values it saw, and whether it holds."""
    names = variable_names(condition.expression)
    key = (condition.text, *map(scope.variables.get, names))
    if key not in scope.decided:
        scope.decided[key] = (
            explain(condition.expression, scope.variables, hidden=scope.masked),
            truthy(evaluate(condition.expression, scope.variables)),
        )
    return scope.decided[key]


def _clauses(rule: Rule, scope: RuleScope) -> tuple[tuple[str, str, bool], ...]:
    """Return what each clause of a rule saw, up to the first that does not hold."""
    clauses: list[tuple[str, str, bool]] = []
    if rule.condition is not None:
        detail, verdict = condition_holds(rule.condition, scope)
        clauses.append(("if", detail, verdict))
        if not verdict:
            return tuple(clauses)
    if rule.changes is not None:
        detail, verdict = _changes(rule.changes, scope)
        clauses.append(("changes", detail, verdict))
        if not verdict:
            return tuple(clauses)
    if rule.exists is not None:
        detail, verdict = _exists(rule.exists, scope)
        clauses.append(("exists", detail, verdict))
    return tuple(clauses)


def expand_globs(
    globs: Sequence[str], variables: Mapping[str, Variable]
) -> tuple[str, ...]:
    """Expand the variables of patterns, each pattern once; undefined ones stay."""
    expanded = (expand(glob, variables, keep_undefined=True) for glob in globs)
    return tuple(dict.fromkeys(expanded))


def _changes(changes: Changes, scope: RuleScope) -> tuple[str, bool]:
    compare_to = changes.compare_to
    if compare_to is not None:
        compare_to = expand(compare_to, scope.expanded, keep_undefined=True)
    answer = scope.files.changed(
        expand_globs(changes.paths, scope.expanded), compare_to
    )
    return answer.detail, answer.holds


def _exists(exists: Exists, scope: RuleScope) -> tuple[str, bool]:
    project, ref = scope.project, scope.ref
    if exists.project is not None:
        project = expand(exists.project, scope.expanded, keep_undefined=True)
        ref = exists.ref
        if ref is not None:
            ref = expand(ref, scope.expanded, keep_undefined=True)
    globs = expand_globs(exists.paths, scope.expanded)
    answer = scope.files.exists(globs, project, ref)
    return answer.detail, answer.holds
