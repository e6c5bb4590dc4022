"""``parallel`` and ``parallel:matrix``: one job of the YAML becomes several.

A count names them ``job 1/3``, a matrix ``job: [value, value]`` with the values in
the order of the keys as written. The maps of a matrix are concatenated; inside one
map the first key changes slowest.
"""

from __future__ import annotations

import itertools
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.pipeline import JobName, Parallel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.parser.model import JobConfig, MatrixEntry, ParallelConfig

__all__ = [
    "Instance",
    "combinations",
    "group_name",
    "instance_name",
    "instances",
    "interpolate_matrix",
]

_GROUP_SUFFIX = re.compile(r"(?:[\s:]+(?:\[.*\]|\d+[\s:/\\]+\d+)){1,3}\s*\Z")
_MATRIX_EXPRESSION = re.compile(r"\$\[\[\s*matrix\.([a-zA-Z0-9_-]+)\s*\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A job under its full name; ``parallel`` is None where it is the only one."""

    name: JobName
    config: JobConfig
    parallel: Parallel | None = None

    @property
    def matrix(self) -> Mapping[str, str]:
        """The variables that the matrix gives to this instance."""
        return {} if self.parallel is None else self.parallel.matrix


def instances(config: JobConfig) -> tuple[Instance, ...]:
    """Return the jobs that one job of the YAML stands for, in GitLab's order."""
    name = config.job.name
    if config.parallel is None:
        return (Instance(name=name, config=config),)
    return tuple(
        Instance(
            name=JobName(f"{name} {parallel.index}/{parallel.total}")
            if config.parallel.count is not None
            else instance_name(name, parallel.matrix),
            config=config,
            parallel=parallel,
        )
        for parallel in _parallel(config.parallel)
    )


def instance_name(job: str, matrix: Mapping[str, str]) -> JobName:
    """Return the full name of an instance of a matrix; values are not expanded."""
    return JobName(f"{job}: [{', '.join(matrix.values())}]")


def combinations(entries: Iterable[MatrixEntry]) -> Iterator[Mapping[str, str]]:
    """Yield the variables of each instance of a matrix."""
    for entry in entries:
        names = [name for name, _ in entry.variables]
        for values in itertools.product(*(values for _, values in entry.variables)):
            yield MappingProxyType(dict(zip(names, values, strict=True)))


def group_name(job: str) -> str:
    """Return ``CI_JOB_GROUP_NAME``: the name without the suffixes of ``parallel``.

    As in GitLab's job list, any name that looks so counts, up to three suffixes:
    ``test 1 2`` and ``test: [a]`` belong to ``test``.
    """
    return _GROUP_SUFFIX.sub("", job, count=1).strip()


def interpolate_matrix(text: str, matrix: Mapping[str, str]) -> str:
    """Replace each ``$[[ matrix.NAME ]]`` by the value of the needing job's matrix.

    Raises ValueError, in GitLab's words, for a name that its matrix does not have.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in matrix:
            raise ValueError(f"'{match[1]}' does not exist in matrix configuration")
        return matrix[match[1]]

    return _MATRIX_EXPRESSION.sub(value, text) if "$[[" in text else text


def _parallel(config: ParallelConfig) -> Iterator[Parallel]:
    if config.count is not None:
        for index in range(1, config.count + 1):
            yield Parallel(index=index, total=config.count)
        return
    maps = list(combinations(config.matrix))
    for index, matrix in enumerate(maps, start=1):
        yield Parallel(index=index, total=len(maps), matrix=matrix)
