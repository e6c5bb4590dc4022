"""The typed configuration: what one decoder per keyword makes of the YAML.

``include``, ``extends``, ``!reference`` and ``default`` have been applied; ``rules``,
``only``/``except``, ``parallel`` and ``needs`` have not: they need a context.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.keywords.decoding import plain_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from spotci.errors import ConfigWarning
    from spotci.parser.expression import Expression
    from spotci.parser.nodes import Mapping as MappingNode
    from spotci.parser.nodes import Plain
    from spotci.pipeline import CrossNeed, Job, JobName, Pipeline, When
    from spotci.source import Span
    from spotci.variables import Variable

__all__ = [
    "Changes",
    "Compilation",
    "Condition",
    "Config",
    "Excluded",
    "Exists",
    "JobConfig",
    "MatrixEntry",
    "NeedConfig",
    "Only",
    "ParallelConfig",
    "RefPattern",
    "Rule",
    "RuleTrace",
    "Workflow",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An ``if``: its text, its tree, and where the text stands."""

    text: str
    expression: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """``changes``, unexpanded patterns."""

    paths: tuple[str, ...]
    compare_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists:
    """``exists``, unexpanded patterns; in another project where one is given."""

    paths: tuple[str, ...]
    project: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedConfig:
    """An entry of ``needs`` as written; ``matrix`` selects instances by variables."""

    job: str
    artifacts: bool = True
    optional: bool = False
    #: Of ``parallel:matrix``: the maps as written, values unexpanded.
    matrix: tuple[MatrixEntry, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixEntry:
    """One map of ``parallel:matrix``: names to values, in the order of the text."""

    variables: tuple[tuple[str, tuple[str, ...]], ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelConfig:
    """``parallel``: a count, or a matrix."""

    count: int | None = None
    matrix: tuple[MatrixEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An entry of ``rules`` of a job, of ``workflow`` or of an include.

    What is None was not written.
    """

    condition: Condition | None = None
    changes: Changes | None = None
    exists: Exists | None = None
    when: When | None = None
    start_in: timedelta | None = None
    #: ``start_in`` as written.
    start_in_text: str | None = None
    allow_failure: bool | None = None
    variables: tuple[Variable, ...] = ()
    needs: tuple[NeedConfig, ...] | None = None
    interruptible: bool | None = None
    auto_cancel_on_new_commit: str | None = None
    auto_cancel_on_job_failure: str | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefPattern:
    """An entry of ``only:refs``: ``pattern`` and the project behind an ``@``."""

    pattern: str
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """``only`` or ``except``; None is a key that was not written."""

    refs: tuple[RefPattern, ...] | None = None
    variables: tuple[Condition, ...] | None = None
    changes: tuple[str, ...] | None = None
    kubernetes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """A visible job before rules and parallel.

    ``job`` holds every keyword that needs no context, with the values of the job
    level: its ``needs``, ``parallel`` and ``rule`` are unset and its ``variables``
    are those of the job alone.
    """

    job: Job
    rules: tuple[Rule, ...] | None = None
    #: None where not written, or nil; the default of ``only`` is applied by rules.py.
    only: Only | None = None
    except_: Only | None = None
    parallel: ParallelConfig | None = None
    needs: tuple[NeedConfig, ...] | None = None
    cross_needs: tuple[CrossNeed, ...] = ()
    #: ``dependencies`` as written: names may be those of parallel jobs.
    dependencies: tuple[str, ...] | None = None
    #: ``inherit:variables``: True, False, or the names.
    inherit_variables: bool | frozenset[str] = True
    #: Whether ``when`` and ``allow_failure`` were written at job level.
    when: When | None = None
    allow_failure_written: bool = False
    #: The place of each key of the resolved job, for errors and ``explain``.
    spans: Mapping[str, Span] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """``workflow``; rules None is not written, or null.

    ``has_rules`` is whether the key is there, whatever its value: then the jobs have
    no default of ``only``.
    """

    rules: tuple[Rule, ...] | None = None
    has_rules: bool = False
    name: str | None = None
    auto_cancel_on_new_commit: str = "conservative"
    auto_cancel_on_job_failure: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration, valid in itself, for no context yet."""

    stages: tuple[str, ...]
    workflow: Workflow = field(default_factory=Workflow)
    variables: tuple[Variable, ...] = ()
    jobs: Mapping[str, JobConfig]
    warnings: tuple[ConfigWarning, ...] = ()
    #: The merged and resolved tree, hidden jobs included.
    root: MappingNode | None = field(default=None, compare=False, repr=False)

    @property
    def resolved(self) -> Mapping[str, Plain]:
        """The merged and resolved mapping without places, for ``spotci show``."""
        return {} if self.root is None else plain_mapping(self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """Why one entry of ``rules`` matched or not: a line for each clause, in order.

    ``clauses`` are triples of the clause (``if``, ``changes``, ``exists``), what it
    saw (expression with values, or the deciding path), and its verdict.
    """

    index: int
    matched: bool
    clauses: tuple[tuple[str, str, bool], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A job that the context leaves out, and why, in one sentence."""

    name: JobName
    reason: str
    trace: tuple[RuleTrace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What became of a configuration in a context.

    ``pipeline`` is None where GitLab would create none; ``reason`` then says why in
    GitLab's words, and ``filtered_by`` is ``workflow_rules``, ``no_jobs`` or
    ``skip_ci``.
    ``excluded_jobs`` are the left-out jobs as they would run if they were named.
    """

    config: Config
    pipeline: Pipeline | None
    reason: str | None = None
    filtered_by: str | None = None
    excluded: tuple[Excluded, ...] = ()
    excluded_jobs: Mapping[JobName, Job] = field(
        default_factory=lambda: MappingProxyType({})
    )
    warnings: tuple[ConfigWarning, ...] = ()
    #: Of every job with rules, the left-out ones too.
    traces: Mapping[JobName, tuple[RuleTrace, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    workflow_trace: tuple[RuleTrace, ...] = ()
