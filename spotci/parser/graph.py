"""Stages, ``needs``, ``dependencies`` and ``on_stop``: what must hold between jobs.

These checks know no context: they cover every job, also those that rules leave out.
The messages are GitLab's (``Gitlab::Ci::YamlProcessor``).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import GraphError
from spotci.parser.cycles import find_cycle
from spotci.parser.needs import matrix_problems
from spotci.parser.nodes import Mapping as MappingNode
from spotci.parser.problems import did_you_mean
from spotci.pipeline import JobName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.parser.matrix import Instance
    from spotci.parser.model import Config, JobConfig, NeedConfig
    from spotci.parser.needs import JobIndex, ResolvedNeed
    from spotci.parser.problems import Problems
    from spotci.source import Span

__all__ = ["EDGE_STAGES", "check_graph"]

#: Stages that every pipeline has; alone they make none.
EDGE_STAGES = (".pre", ".post")

_MAX_NAME = 255
# A hint compares a name with all others: linear for one, not for a thousand.
_MAX_HINTS = 20


def check_graph(config: Config, index: JobIndex, problems: Problems) -> None:
    """Record every relation between jobs that cannot be.

    Of the instances of a parallel job the first one that has a problem tells it.
    """
    checker = _Checker(config, index, problems)
    for job in config.jobs.values():
        checker.check_stage(job)
    for instance in index.by_name.values():
        checker.check_needs(instance)
        checker.check_dependencies(instance)
        checker.check_trigger(instance)
        checker.check_on_stop(instance)
    checker.check_cycle()
    for name in index.duplicates:
        problems.warn(
            f"several jobs are named {name}: the last one replaces the others",
            index.by_name[name].config.job.span,
        )


@dataclass(slots=True)
class _Checker:
    config: Config
    index: JobIndex
    problems: Problems
    _positions: dict[str, int] = field(init=False)
    _told: set[tuple[str, str, Span | None]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._positions = {
            stage: position for position, stage in enumerate(self.config.stages)
        }

    def check_stage(self, job: JobConfig) -> None:
        stages = self.config.stages
        stage = job.job.stage
        if stage in self._positions:
            return
        shown = [name for name in stages if name not in EDGE_STAGES] or stages
        guess = did_you_mean(stage, stages)
        listed = f"the stages are: {', '.join(shown)}"
        self.problems.error(
            f"{job.job.name} job: chosen stage `{stage}` does not exist;"
            f" available stages are {', '.join(stages)}",
            self._value_span(job, "stage"),
            hint=listed if guess is None else f"{guess} {listed}",
            kind=GraphError,
        )

    def _value_span(self, job: JobConfig, key: str) -> Span | None:
        """Return the place of a value, or of its key where the value is inherited."""
        root = self.config.root
        node = None if root is None else root.get(job.job.base_name)
        value = node.get(key) if isinstance(node, MappingNode) else None
        return job.spans.get(key, job.job.span) if value is None else value.span

    def check_needs(self, instance: Instance) -> None:
        job = instance.config
        lists = [job.needs or ()]
        lists += [rule.needs or () for rule in job.rules or ()]
        for needs in lists:
            if needs:
                self._check_need_list(instance, needs)

    def _check_need_list(
        self, instance: Instance, needs: tuple[NeedConfig, ...]
    ) -> None:
        unknown = matrix_problems(needs, instance.matrix)
        for message, span in unknown:
            self._tell(instance, f"{instance.config.job.name} job: {message}", span)
        if unknown:
            return
        resolved = self.index.resolve(needs, instance)
        for need in resolved:
            self._check_need(instance, need)
        counts = Counter(need.job for need in resolved)
        duplicates = [name for name, count in counts.items() if count > 1]
        if duplicates:
            self._tell(
                instance,
                f"{instance.name} has the following needs duplicated:"
                f" {', '.join(duplicates)}.",
                next(need.span for need in resolved if need.job in duplicates),
            )

    def _check_need(self, instance: Instance, need: ResolvedNeed) -> None:
        if need.job not in self.index.by_name and need.optional:
            return
        self._check_name(instance, "need", need.job, need.span)
        if need.job in self.index.by_name and len(need.job) > _MAX_NAME:
            self._tell(
                instance,
                f"{instance.name} job: need `{need.job}` name is too long"
                f" (maximum is {_MAX_NAME} characters)",
                need.span,
            )

    def check_dependencies(self, instance: Instance) -> None:
        job = instance.config
        span = job.spans.get("dependencies", job.job.span)
        for written in job.dependencies or ():
            for name in self.index.names(written):
                self._check_name(instance, "dependency", name, span)

    def check_trigger(self, instance: Instance) -> None:
        """Check that a child pipeline's ``artifact`` is of a job that has run."""
        trigger = instance.config.job.trigger
        span = instance.config.spans.get("trigger", instance.config.job.span)
        for entry in () if trigger is None else trigger.include:
            if isinstance(name := entry.get("job"), str):
                for job in self.index.names(name):
                    self._check_name(instance, "dependency", job, span)

    def _check_name(
        self, instance: Instance, kind: str, name: JobName, span: Span | None
    ) -> None:
        other = self.index.by_name.get(name)
        if other is None:
            known = [*self.config.jobs, *self.index.by_name]
            guess = did_you_mean(name, known) if len(self._told) < _MAX_HINTS else None
            self._tell(
                instance,
                f"{instance.name} job: undefined {kind}: {name}",
                span,
                hint=guess,
            )
            return
        mine = self._positions.get(instance.config.job.stage)
        its = self._positions.get(other.config.job.stage)
        if mine is not None and its is not None and its > mine:
            self._tell(
                instance,
                f"{instance.name} job: {kind} {name}"
                " is not defined in current or prior stages",
                span,
                hint=f"{name} is in stage {other.config.job.stage},"
                f" after {instance.config.job.stage}",
            )

    def check_on_stop(self, instance: Instance) -> None:
        job = instance.config.job
        environment = job.environment
        if environment is None or environment.on_stop is None:
            return
        stop = environment.on_stop
        other = self.index.by_name.get(JobName(stop))
        theirs = None if other is None else other.config.job.environment
        if other is None:
            problem = "is not defined"
        elif theirs is None:
            problem = "does not have environment defined"
        elif theirs.name != environment.name:
            problem = "have different environment name"
        elif theirs.action != "stop":
            problem = "needs to have action stop defined"
        else:
            return
        self._tell(
            instance,
            f"{instance.name} job: on_stop job {stop} {problem}",
            instance.config.spans.get("environment", job.span),
            hint=did_you_mean(stop, self.index.by_name) if other is None else None,
        )

    def check_cycle(self) -> None:
        edges: dict[JobName, Sequence[JobName]] = {}
        for name, instance in self.index.by_name.items():
            needs = instance.config.needs
            if needs and not matrix_problems(needs, instance.matrix):
                resolved = self.index.resolve(needs, instance)
                edges[name] = [need.job for need in resolved]
        cycle = find_cycle(edges)
        if cycle is None:
            return
        detail = (
            f"self-dependency: {cycle[0]}"
            if len(cycle) == 1
            else f"topological sort failed: {json.dumps(cycle, ensure_ascii=False)}"
        )
        job = self.index.by_name[cycle[0]].config
        self.problems.error(
            f"The pipeline has circular dependencies: {detail}",
            job.spans.get("needs", job.job.span),
            hint=" needs ".join([*cycle, cycle[0]]),
            kind=GraphError,
        )

    def _tell(
        self,
        instance: Instance,
        message: str,
        span: Span | None,
        *,
        hint: str | None = None,
    ) -> None:
        """Record an error, unless another instance of the same job has told it."""
        general = message.replace(instance.name, instance.config.job.name)
        key = (instance.config.job.name, general, span)
        if key not in self._told:
            self._told.add(key)
            self.problems.error(message, span, hint=hint, kind=GraphError)
