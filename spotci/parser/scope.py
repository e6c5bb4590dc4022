"""The variables of jobs: where each comes from, and what rules see of them.

A pipeline of ten thousand jobs has ten thousand times the same hundred variables, so
a job adds its own in front of and behind shared tuples, and a lookup goes through
layers instead of a dictionary for each job. In order of precedence, lowest first:

1. predefined ones of the job, then those of the context below the YAML
2. the YAML: root, ``workflow:rules``, job, matrix, rule
3. those of the context above: user, project, pipeline

GitLab's source: ``Gitlab::Ci::Variables::Builder``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.files import RepositoryFiles
from spotci.parser.matrix import group_name
from spotci.parser.rules import RuleScope
from spotci.pipeline import When
from spotci.slugs import environment_slug, slugify
from spotci.variables import (
    YAML_LEVELS,
    Level,
    Variable,
    effective,
    expand,
    expand_all,
    find_cycle,
    references,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spotci.context import Context
    from spotci.parser.matrix import Instance
    from spotci.pipeline import Environment

__all__ = [
    "Expanded",
    "JobVariables",
    "Layers",
    "PipelineVariables",
    "by_name",
    "environment_tier",
]

_ORIGIN = "predefined"
_NODE_TOTAL_ONE = Variable(
    name="CI_NODE_TOTAL", value="1", level=Level.PREDEFINED, origin=_ORIGIN
)
_MANUAL = Variable(
    name="CI_JOB_MANUAL", value="true", level=Level.PREDEFINED, origin=_ORIGIN
)
_ACTIONABLE = (When.MANUAL, When.DELAYED)

# The first that occurs in the name decides, as Environment#guess_tier does.
_TIERS = (
    ("development", re.compile(r"(dev|review|trunk)", re.IGNORECASE)),
    (
        "testing",
        re.compile(r"(test|tst|int|ac(ce|)pt|qa|qc|control|quality)", re.IGNORECASE),
    ),
    ("staging", re.compile(r"(st(a|)g|mod(e|)l|pre|demo|non)", re.IGNORECASE)),
    ("production", re.compile(r"(pr(o|)d|live)", re.IGNORECASE)),
)


def environment_tier(environment: Environment, name: str) -> str:
    """Return ``CI_ENVIRONMENT_TIER``: as written, or guessed from the name."""
    if environment.deployment_tier is not None:
        return environment.deployment_tier
    return next((tier for tier, pattern in _TIERS if pattern.search(name)), "other")


class Layers(Mapping[str, str]):
    """The values of several mappings, the first that has a name wins."""

    __slots__ = ("_layers",)

    def __init__(self, *layers: Mapping[str, str]) -> None:
        self._layers = layers

    def __getitem__(self, name: str) -> str:
        for layer in self._layers:
            if name in layer:
                return layer[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in self._layers for name in layer))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Expanded(Mapping[str, Variable]):
    """Variables after their own expansion, each expanded when it is asked for.

    ``shared`` are further variables by name, of which no index needs to be made.
    """

    def __init__(
        self,
        variables: Iterable[Variable],
        shared: Mapping[str, Sequence[Variable]] = MappingProxyType({}),
    ) -> None:
        self._variables = variables
        self._shared = shared
        self._own: dict[str, list[Variable]] | None = None
        self._expanded: dict[str, Variable] = {}

    def __getitem__(self, name: str) -> Variable:
        if name not in self._expanded:
            self._expanded[name] = self._expand(name)
        return self._expanded[name]

    def __iter__(self) -> Iterator[str]:
        own = by_name(self._variables)
        return iter(dict.fromkeys((*own, *self._shared)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _named(self, name: str) -> list[Variable]:
        if self._own is None:
            self._own = by_name(self._variables)
        return [*self._own.get(name, ()), *self._shared.get(name, ())]

    def _expand(self, name: str) -> Variable:
        among = self._named(name)
        if not among:
            raise KeyError(name)
        reached = {name}
        # The list grows while it is walked: what is reached refers to more.
        for variable in among:
            for other in references(variable.value) if variable.expand else ():
                if other not in reached:
                    reached.add(other)
                    among += self._named(other)
        return effective(expand_all(among, keep_undefined=False))[name]


def by_name(variables: Iterable[Variable]) -> dict[str, list[Variable]]:
    """Return the variables of each name, in their order."""
    index: dict[str, list[Variable]] = {}
    for variable in variables:
        index.setdefault(variable.name, []).append(variable)
    return index


@dataclass(slots=True)
class PipelineVariables:
    """The variables that all jobs of a pipeline share, and the answers about files."""

    context: Context
    root: tuple[Variable, ...]
    #: Of the matched rule of ``workflow``.
    workflow: tuple[Variable, ...] = ()
    files: RepositoryFiles = field(init=False)
    #: The variables of the context below and above those of the YAML.
    below: tuple[Variable, ...] = field(init=False, repr=False)
    above: tuple[Variable, ...] = field(init=False, repr=False)
    below_values: dict[str, str] = field(init=False, repr=False)
    above_values: dict[str, str] = field(init=False, repr=False)
    by_name: dict[str, list[Variable]] = field(init=False, repr=False)
    #: Those of both that refer to other variables.
    referring: tuple[Variable, ...] = field(init=False, repr=False)
    _masked: frozenset[str] = field(init=False, repr=False)
    _environments: dict[str, PipelineVariables] = field(
        default_factory=dict, init=False, repr=False
    )
    _inherited: dict[bool | frozenset[str], tuple[Variable, ...]] = field(
        default_factory=dict, init=False, repr=False
    )
    _decided: dict[tuple[str | None, ...], tuple[str, bool]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        ordered = sorted(self.context.variables, key=lambda variable: variable.level)
        lowest_yaml = min(YAML_LEVELS)
        self.below = tuple(item for item in ordered if item.level < lowest_yaml)
        self.above = tuple(item for item in ordered if item.level >= lowest_yaml)
        self.below_values = {item.name: item.value for item in self.below}
        self.above_values = {item.name: item.value for item in self.above}
        self.by_name = by_name(ordered)
        self.referring = tuple(item for item in ordered if _refers(item))
        self._masked = frozenset(item.name for item in ordered if item.masked)
        self.files = RepositoryFiles(
            self.context.repository, self.context.changes_always_true
        )

    def with_workflow(self, variables: Iterable[Variable]) -> PipelineVariables:
        """Return the same with the variables of the matched rule of ``workflow``."""
        levelled = tuple(at_level(item, Level.WORKFLOW) for item in variables)
        other = replace(self, workflow=levelled)
        other.files = self.files
        return other

    def workflow_scope(self) -> RuleScope:
        """Return what the rules of ``workflow`` see: nothing of any job."""
        yaml = {item.name: item.value for item in self.inherited(inherit=True)}
        node_total = {_NODE_TOTAL_ONE.name: _NODE_TOTAL_ONE.value}
        return self.scope(
            Layers(self.above_values, yaml, self.below_values, node_total),
            Expanded(self.shared()),
        )

    def shared(self, *extra: Variable) -> tuple[Variable, ...]:
        """Return all variables that belong to no job."""
        yaml = self.inherited(inherit=True)
        return (_NODE_TOTAL_ONE, *self.below, *yaml, *self.above, *extra)

    def inherited(self, *, inherit: bool | frozenset[str]) -> tuple[Variable, ...]:
        """Return the root and workflow variables that ``inherit:variables`` allows."""
        if inherit not in self._inherited:
            self._inherited[inherit] = tuple(
                variable
                for variable in (*self.root, *self.workflow)
                if inherit is True or (inherit and variable.name in inherit)
            )
        return self._inherited[inherit]

    def of_job(self, instance: Instance) -> JobVariables:
        """Return the variables of a job before its rules."""
        config = instance.config
        yaml = self.inherited(inherit=config.inherit_variables)
        if config.job.variables:
            yaml += tuple(at_level(item, Level.JOB) for item in config.job.variables)
        if instance.matrix:
            yaml += tuple(
                Variable(
                    name=name, value=value, level=Level.MATRIX, span=config.job.span
                )
                for name, value in instance.matrix.items()
            )
        return JobVariables(self, instance, yaml)

    def in_environment(self, name: str) -> PipelineVariables:
        """Return the same with the variables that are scoped to an environment."""
        if not self.context.scoped_variables:
            return self
        if name not in self._environments:
            variables = self.context.variables_for(name)
            context = replace(self.context, variables=variables, scoped_variables=())
            self._environments[name] = replace(self, context=context)
            self._environments[name].files = self.files
        return self._environments[name]

    def scope(
        self, values: Mapping[str, str], expanded: Mapping[str, Variable]
    ) -> RuleScope:
        """Return a scope that shares files and decisions with all others."""
        return RuleScope(
            variables=values,
            expanded=expanded,
            files=self.files,
            masked=self._masked,
            decided=self._decided,
        )


@dataclass(slots=True)
class JobVariables:
    """The variables of one job."""

    pipeline: PipelineVariables
    instance: Instance
    #: Root, workflow, job and matrix; those of the rule come last.
    yaml: tuple[Variable, ...]
    _predefined: tuple[Variable, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._predefined = _predefined(self.instance)
        environment = self.instance.config.job.environment
        if environment is not None:
            # The name is expanded without what depends on the name.
            name = expand(environment.name, self._expanded(), keep_undefined=False)
            secret = any(
                item.masked and item.value and item.value in name
                for item in (*self.pipeline.below, *self.pipeline.above)
            )
            self._predefined += _environment(environment, name, secret=secret)
            self.pipeline = self.pipeline.in_environment(name)

    def scope(self) -> RuleScope:
        """Return what the rules of the job see."""
        job = self.instance.config
        predefined = {item.name: item.value for item in self._predefined}
        if job.when in _ACTIONABLE:
            predefined[_MANUAL.name] = _MANUAL.value
        yaml = {item.name: item.value for item in self.yaml}
        shared = self.pipeline
        return shared.scope(
            Layers(shared.above_values, yaml, shared.below_values, predefined),
            self._expanded(),
        )

    def finish(
        self,
        when: When,
        rule_variables: Iterable[Variable],
        pipeline_level: tuple[Variable, ...],
    ) -> tuple[Variable, ...]:
        """Return all variables of the job as its rules made it, lowest level first.

        What a higher level overrides is still there: ``effective`` tells the winner.
        """
        self.yaml += tuple(at_level(item, Level.RULE) for item in rule_variables)
        if when in _ACTIONABLE:
            self._predefined += (_MANUAL,)
        image = self.instance.config.job.image
        last: tuple[Variable, ...] = ()
        if image is not None:
            last = (_variable("CI_JOB_IMAGE", image.name, level=Level.RUNNER),)
        shared = self.pipeline
        return (
            *self._predefined,
            *self._slug(),
            *pipeline_level,
            *shared.below,
            *self.yaml,
            *shared.above,
            *last,
        )

    def cycle(self) -> tuple[str, ...] | None:
        """Return the names of variables that refer to each other, or None."""
        # Only what refers to something can be part of a cycle.
        among = [
            *(item for item in self._predefined if _refers(item)),
            *(item for item in self.yaml if _refers(item)),
            *self.pipeline.referring,
        ]
        return find_cycle(among) if len(among) > 1 else None

    def _expanded(self) -> Expanded:
        return Expanded((*self._predefined, *self.yaml), self.pipeline.by_name)

    def _slug(self) -> Iterator[Variable]:
        """Yield the slug of the environment, which rules do not see."""
        for item in self._predefined:
            if item.name == "CI_ENVIRONMENT_NAME":
                slug = environment_slug(item.value)
                yield replace(item, name="CI_ENVIRONMENT_SLUG", value=slug)


def at_level(variable: Variable, level: Level) -> Variable:
    """Return a variable as one of this level."""
    return variable if variable.level is level else replace(variable, level=level)


def _refers(variable: Variable) -> bool:
    return variable.expand and bool(references(variable.value))


def _predefined(instance: Instance) -> tuple[Variable, ...]:
    job, parallel = instance.config.job, instance.parallel
    found = [
        _variable("CI_JOB_NAME", instance.name),
        _variable("CI_JOB_NAME_SLUG", slugify(instance.name)),
        _variable("CI_JOB_GROUP_NAME", group_name(instance.name)),
        _variable("CI_JOB_STAGE", job.stage),
    ]
    if parallel is None:
        found.append(_NODE_TOTAL_ONE)
    else:
        found.append(_variable("CI_NODE_INDEX", str(parallel.index)))
        found.append(_variable("CI_NODE_TOTAL", str(parallel.total)))
    return tuple(found)


def _environment(
    environment: Environment, name: str, *, secret: bool
) -> tuple[Variable, ...]:
    """Return the variables of an environment; ``secret``: its name holds a secret."""
    found = (
        replace(_variable("CI_ENVIRONMENT_NAME", name), masked=secret),
        _variable("CI_ENVIRONMENT_ACTION", environment.action),
        _variable("CI_ENVIRONMENT_TIER", environment_tier(environment, name)),
    )
    if environment.url is None:
        return found
    return (*found, _variable("CI_ENVIRONMENT_URL", environment.url))


def _variable(name: str, value: str, *, level: Level = Level.PREDEFINED) -> Variable:
    return Variable(name=name, value=value, level=level, origin=_ORIGIN)
