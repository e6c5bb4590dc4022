"""The variables of one attempt of a job, expanded as the server and the runner do.

The server expands what it knows, recursively; the runner then expands, once, what the
server left: paths of file variables, text of raw ones, ``$$`` for ``$``. What is
undefined is empty. GitLab's "Where variables can be used" describes it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.variables import Level, Variable, effective, expand, expand_all
from spotci.variables import expand_runner as _expand_runner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spotci.executor.plan import RunPlan
    from spotci.pipeline import Job

__all__ = ["Attempt", "JobVariables", "expand_url", "job_variables"]

_ORIGIN = "predefined"
#: What the settings of a project, its groups and the user give reaches no service.
_HIGHEST_PUBLIC = Level.DOTENV


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is new with every attempt of a job.

    ``project_dir`` is below ``builds_dir``. ``started_at`` is in seconds since the
    epoch, ``timeout`` in seconds; ``slot`` is the smallest number that no job has that
    runs at the same time.
    """

    id: int
    builds_dir: str
    project_dir: str
    started_at: float
    timeout: float
    slot: int = 0
    image: str = ""

    def moved(self, project_dir: str) -> Attempt:
        """Return the attempt with its project elsewhere, at the same place below."""
        below = self.project_dir.removeprefix(self.builds_dir)
        builds_dir = project_dir.removesuffix(below)
        return replace(self, builds_dir=builds_dir, project_dir=project_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVariables:
    """The variables of a job, ready for its shell.

    ``values`` holds all, that of a file variable being its path; ``files`` holds the
    contents of those. ``public`` are those that may be seen in the environment of a
    container. ``secrets`` are the values to mask.
    """

    values: Mapping[str, str]
    files: Mapping[str, bytes]
    public: Mapping[str, str]
    secrets: tuple[str, ...]

    def expand(self, text: str) -> str:
        """Replace ``$NAME`` and ``${NAME}`` as the runner does."""
        return _expand_runner(text, self.values)

    def overridden(self, values: Mapping[str, str]) -> JobVariables:
        """Return the variables with other values for some names."""
        return replace(
            self,
            values={**self.values, **values},
            public={**self.public, **values},
            files={
                name: content
                for name, content in self.files.items()
                if name not in values
            },
        )

    def without_proxy(self, hosts: Sequence[str]) -> JobVariables:
        """Return the variables with these hosts among those asked without a proxy."""
        added = {
            name: ",".join(dict.fromkeys([*self.values[name].split(","), *hosts]))
            for name in ("NO_PROXY", "no_proxy")
            if name in self.values
        }
        return self.overridden(added)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a switch, in the words that the runner accepts."""
        text = self.values.get(name, "").strip().lower()
        if text in ("1", "t", "true"):
            return True
        if text in ("0", "f", "false"):
            return False
        return default

    def number(self, name: str, *, default: int) -> int:
        """Return a number, or the default where there is none."""
        try:
            return int(self.values.get(name, ""))
        except ValueError:
            return default


def job_variables(
    plan: RunPlan, job: Job, attempt: Attempt, dotenv: Sequence[Variable] = ()
) -> JobVariables:
    """Return the variables of an attempt; ``dotenv`` are those that it inherits."""
    expanded = expand_all(
        _all(plan, job, attempt, dotenv),
        keep_undefined=True,
        expand_raw_refs=False,
        expand_file_refs=False,
    )
    winners = effective(expanded)
    folder = f"{attempt.project_dir}.tmp"
    seen = {
        name: f"{folder}/{name}" if variable.file else variable.value
        for name, variable in winners.items()
    }
    values = {
        name: _expand_runner(seen[name], seen)
        if variable.expand and not variable.file
        else seen[name]
        for name, variable in winners.items()
    }
    secrets = _secrets(expanded, winners, values)
    return JobVariables(
        values=values,
        files={
            name: variable.value.encode("utf-8", "surrogateescape")
            for name, variable in winners.items()
            if variable.file
        },
        public={
            name: values[name]
            for name, variable in winners.items()
            if _is_public(variable, values[name], secrets)
        },
        secrets=secrets,
    )


def expand_url(
    url: str,
    plan: RunPlan,
    job: Job,
    attempt: Attempt,
    dotenv: Sequence[Variable] = (),
) -> str:
    """Return ``environment:url`` as the server expands it when the job has ended."""
    variables = effective(
        expand_all(_all(plan, job, attempt, dotenv), keep_undefined=True)
    )
    return expand(url, variables, keep_undefined=False)


def _all(
    plan: RunPlan, job: Job, attempt: Attempt, dotenv: Sequence[Variable]
) -> list[Variable]:
    return [*job.variables, *dotenv, *plan.variables, *_predefined(attempt)]


def _predefined(attempt: Attempt) -> Iterable[Variable]:
    started = datetime.fromtimestamp(attempt.started_at, UTC)
    values = {
        "CI_JOB_ID": str(attempt.id),
        "CI_JOB_URL": f"$CI_PROJECT_URL/-/jobs/{attempt.id}",
        "CI_JOB_STARTED_AT": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "CI_JOB_TIMEOUT": f"{attempt.timeout:.0f}",
        "CI_JOB_STATUS": "running",
    }
    runner = {
        "CI_PROJECT_DIR": attempt.project_dir,
        "CI_BUILDS_DIR": attempt.builds_dir,
        "CI_CONCURRENT_ID": str(attempt.slot),
        "CI_CONCURRENT_PROJECT_ID": str(attempt.slot),
        "CI_SERVER": "yes",
    }
    if attempt.image:
        runner["CI_JOB_IMAGE"] = attempt.image
    for level, group in ((Level.PREDEFINED, values), (Level.RUNNER, runner)):
        for name, value in group.items():
            yield Variable(name=name, value=value, level=level, origin=_ORIGIN)


def _secrets(
    expanded: Iterable[Variable],
    winners: Mapping[str, Variable],
    values: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the masked values in the forms that the job may come to see."""
    found = {variable.value for variable in expanded if variable.masked}
    found |= {
        values[name]
        for name, variable in winners.items()
        if variable.masked and not variable.file
    }
    return tuple(sorted(found - {""}))


def _is_public(variable: Variable, value: str, secrets: Iterable[str]) -> bool:
    return (
        not variable.file
        and not variable.masked
        and (variable.level <= _HIGHEST_PUBLIC or variable.level is Level.RUNNER)
        and not any(secret in value for secret in secrets)
    )
