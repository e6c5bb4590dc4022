"""The jobs as a diagram: stages with jobs, and no arrow that another one implies.

A job that waits for all earlier stages hangs on the stage before its own, by a single
arrow, and a whole stage of such jobs does: a thousand jobs would have a hundred
thousand arrows otherwise, and nobody could follow one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.events import PlannedJob
    from spotci.pipeline import JobName

__all__ = ["Column", "Diagram", "diagram_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A stage that has jobs, in its place from left to right."""

    stage: str
    jobs: tuple[PlannedJob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """What to draw. Columns are meant by their index.

    ``needs`` are arrows between jobs; ``joins`` from a column to a job that waits for
    all of it; ``steps`` from a column to the next, all of whose jobs do.
    """

    columns: tuple[Column, ...]
    needs: tuple[tuple[JobName, JobName], ...] = ()
    joins: tuple[tuple[int, JobName], ...] = ()
    steps: tuple[tuple[int, int], ...] = ()


def diagram_of(stages: Sequence[str], jobs: Sequence[PlannedJob]) -> Diagram:
    """Return the diagram of jobs whose ``needs`` are all that they wait for."""
    columns = tuple(
        Column(stage=stage, jobs=found)
        for stage in dict.fromkeys((*stages, *(job.stage for job in jobs)))
        if (found := tuple(job for job in jobs if job.stage == stage))
    )
    needs: dict[JobName, tuple[JobName, ...]] = {}
    joins: list[tuple[int, JobName]] = []
    steps: list[tuple[int, int]] = []
    earlier: set[JobName] = set()
    for index, column in enumerate(columns):
        ordered = [job for job in column.jobs if earlier and set(job.needs) == earlier]
        if len(ordered) == len(column.jobs):
            steps.append((index - 1, index))
        else:
            joins += [(index - 1, job.name) for job in ordered]
        waiting = [job for job in column.jobs if job not in ordered]
        needs.update((job.name, job.needs) for job in waiting)
        earlier.update(job.name for job in column.jobs)
    return Diagram(
        columns=columns,
        needs=tuple(_reduced(needs, [job.name for job in jobs])),
        joins=tuple(joins),
        steps=tuple(steps),
    )


def _reduced(
    needs: Mapping[JobName, Sequence[JobName]], order: Sequence[JobName]
) -> list[tuple[JobName, JobName]]:
    """Return the edges that no longer path implies."""
    if not any(needs.values()):
        return []
    import networkx as nx  # noqa: PLC0415 - 100 ms, and only for jobs with needs

    graph: nx.DiGraph[JobName] = nx.DiGraph()
    graph.add_edges_from((need, job) for job, names in needs.items() for need in names)
    position = {name: index for index, name in enumerate(order)}
    return sorted(
        nx.transitive_reduction(graph).edges,
        key=lambda edge: (position[edge[0]], position[edge[1]]),
    )
