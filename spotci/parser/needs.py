"""``needs`` and ``dependencies``: from names as written to names of jobs.

The name of a job with ``parallel`` stands for all its instances;
``needs:parallel:matrix`` picks some of them, by the names that its own values make.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.matrix import (
    combinations,
    instance_name,
    instances,
    interpolate_matrix,
)
from spotci.parser.model import MatrixEntry
from spotci.pipeline import JobName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spotci.parser.matrix import Instance
    from spotci.parser.model import Config, NeedConfig
    from spotci.source import Span

__all__ = ["JobIndex", "ResolvedNeed", "matrix_problems"]


@dataclass(frozen=True, slots=True)
class ResolvedNeed:
    """A need on one job; whether that job exists is for the caller to see."""

    job: JobName
    artifacts: bool
    optional: bool
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class JobIndex:
    """All jobs of a configuration under their full names, in the order of the text.

    Where two jobs have the same full name, the later one stands, as in GitLab;
    ``duplicates`` are the names that were overwritten.
    """

    by_name: dict[JobName, Instance]
    #: The instances of each job that has ``parallel``, by its base name.
    families: dict[str, tuple[Instance, ...]]
    duplicates: tuple[JobName, ...] = ()
    _resolved: dict[int, tuple[ResolvedNeed, ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, config: Config) -> JobIndex:
        """Expand every job of a configuration."""
        by_name: dict[JobName, Instance] = {}
        families: dict[str, tuple[Instance, ...]] = {}
        duplicates: list[JobName] = []
        for name, job in config.jobs.items():
            members = instances(job)
            if job.parallel is not None:
                families[name] = members
            for instance in members:
                if instance.name in by_name:
                    duplicates.append(instance.name)
                by_name[instance.name] = instance
        return cls(by_name, families, tuple(dict.fromkeys(duplicates)))

    def names(self, name: str) -> tuple[JobName, ...]:
        """Return the jobs that a name in ``dependencies`` stands for."""
        family = self.families.get(name)
        if family is None:
            return (JobName(name),)
        return tuple(instance.name for instance in family)

    def resolve(
        self, needs: tuple[NeedConfig, ...], instance: Instance
    ) -> tuple[ResolvedNeed, ...]:
        """Return the needs of a job, one for each job that is needed.

        Needs without ``$[[ matrix.X ]]`` are the same for all instances of a job, so
        they are resolved once: ``needs`` must live as long as the index.
        """
        if any(_uses_matrix(need) for need in needs):
            return tuple(self._expand(needs, instance.matrix))
        key = id(needs)
        if key not in self._resolved:
            self._resolved[key] = tuple(self._expand(needs, {}))
        return self._resolved[key]

    def _expand(
        self, needs: tuple[NeedConfig, ...], matrix: Mapping[str, str]
    ) -> Iterator[ResolvedNeed]:
        for need in needs:
            for name in self._needed(need, matrix):
                yield ResolvedNeed(name, need.artifacts, need.optional, need.span)

    def _needed(
        self, need: NeedConfig, matrix: Mapping[str, str]
    ) -> tuple[JobName, ...]:
        job = interpolate_matrix(need.job, matrix)
        if not need.matrix or job not in self.families:
            return self.names(job)
        chosen = (_interpolated(entry, matrix) for entry in need.matrix)
        return tuple(instance_name(job, values) for values in combinations(chosen))


def matrix_problems(
    needs: Sequence[NeedConfig], matrix: Mapping[str, str]
) -> list[tuple[str, Span | None]]:
    """Return, in GitLab's words, which ``$[[ matrix.X ]]`` have no value."""
    problems: list[tuple[str, Span | None]] = []
    for need in needs:
        if not _uses_matrix(need):
            continue
        for text, span in _texts(need):
            try:
                interpolate_matrix(text, matrix)
            except ValueError as error:
                problems.append((str(error), span or need.span))
    return problems


def _uses_matrix(need: NeedConfig) -> bool:
    return any("$[[" in text for text, _ in _texts(need))


def _texts(need: NeedConfig) -> Iterator[tuple[str, Span | None]]:
    yield need.job, need.span
    for entry in need.matrix:
        for _, values in entry.variables:
            for value in values:
                yield value, entry.span


def _interpolated(entry: MatrixEntry, matrix: Mapping[str, str]) -> MatrixEntry:
    return MatrixEntry(
        variables=tuple(
            (name, tuple(interpolate_matrix(value, matrix) for value in values))
            for name, values in entry.variables
        ),
        span=entry.span,
    )
