"""The variables of a run in its record, for its report; secrets are masked."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from spotci.runs import write_atomically
from spotci.variables import Level, effective

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.cli.planning import Task
    from spotci.executor.masking import Secrets
    from spotci.runs import Run
    from spotci.variables import Variable

__all__ = ["read_variables", "record_variables"]

#: A variable: ``name``, ``value``, ``level`` and ``origin``.
Row: TypeAlias = "dict[str, str]"

_NAME = "variables.json"
_OF_JOB = frozenset({Level.JOB, Level.MATRIX, Level.RULE})


def record_variables(task: Task, run: Run) -> None:
    """Write what every job has, and what single jobs have beside it.

    A value that holds a secret, as a URL with a password in it, is masked in that
    place. Predefined variables of single jobs are left out.
    """
    from spotci.executor.masking import Secrets  # noqa: PLC0415 - with its user

    jobs = task.selection.pipeline.jobs
    everything = [task.loaded.variables, *(job.variables for job in jobs.values())]
    masked = (item.value for given in everything for item in given if item.masked)
    secrets = Secrets(dict.fromkeys(masked))
    own = {
        name: [item for item in job.variables if item.level in _OF_JOB]
        for name, job in jobs.items()
    }
    data = {
        "pipeline": _rows(task.loaded.variables, secrets),
        "jobs": {name: _rows(given, secrets) for name, given in own.items() if given},
    }
    text = json.dumps(data, ensure_ascii=False, indent=1)
    with suppress(OSError):
        # A full disk, which the user has been told of by now.
        write_atomically(run.folder / _NAME, text.encode("utf-8", "surrogateescape"))


def read_variables(run: Run) -> tuple[list[Row], Mapping[str, list[Row]]]:
    """Return the variables of the pipeline and of its jobs; none were not recorded."""
    try:
        data = json.loads((run.folder / _NAME).read_bytes())
    except (OSError, ValueError):
        return [], {}
    return data["pipeline"], data["jobs"]


def _rows(variables: Iterable[Variable], secrets: Secrets) -> list[Row]:
    winning = effective(tuple(variables)).values()
    return [
        {
            "name": item.name,
            "value": "[MASKED]" if item.masked else secrets.mask_text(item.value),
            "level": item.level.name.lower(),
            "origin": str(item.span) if item.span else item.origin,
        }
        for item in sorted(winning, key=_user_first)
    ]


def _user_first(variable: Variable) -> tuple[bool, str]:
    return (variable.level is Level.PREDEFINED, variable.name)
