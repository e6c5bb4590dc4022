"""What keeps the jobs of a run from this machine, in one line at its head.

The tiers are those of ``docs/security.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.cli.consent import docker_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.cli.planning import Task
    from spotci.pipeline import Job

__all__ = ["describe_isolation"]

_NAMED = 3


def describe_isolation(task: Task) -> str:
    """Return the tier of a run, T0 or T1, and what it means."""
    engine = task.loaded.project.settings.engine
    if engine.kind == "shell":
        return "isolation: none, the jobs run as you on this machine (--engine shell)"
    place = f"containers in {engine.name}, without its Docker daemon"
    daemon = f"the Docker daemon of {engine.name}"
    if engine.kind == "host":
        place = "containers in your own Docker, beside yours (--engine host)"
        daemon = "your own Docker (--engine host), with all your containers"
    jobs = docker_jobs(task)
    if engine.docker == "always":
        who = "every job commands"
    elif engine.docker != "never" and jobs:
        who = f"{_names(jobs)} {'command' if len(jobs) > 1 else 'commands'}"
    else:
        return f"isolation: T0, unprivileged {place}"
    if engine.dind_service == "nested":
        daemon = "a privileged Docker daemon"
    return f"isolation: T1, {who} {daemon}: as good as root on this machine"


def _names(jobs: Sequence[Job]) -> str:
    names = [job.name for job in jobs[:_NAMED]]
    if len(jobs) > _NAMED:
        return f"{', '.join(names)} and {len(jobs) - _NAMED} more"
    return " and ".join(names) if len(names) < _NAMED else ", ".join(names)
