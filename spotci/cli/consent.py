"""Who gets Docker: the jobs of a run that ask for it, and the user's word for that.

Whoever commands the engine's daemon commands a privileged container, and with it the
machine. A hostile pipeline could ask for that in one line, so a person is asked once
for each repository and job; what was allowed is remembered by a hash of the job's
definition, in the state folder. ``engine.docker`` decides:

=========  ========================================================================
``never``  no job gets it, and nobody is asked
``ask``    those that ask for it, once somebody has said yes; never without
``auto``   as ``ask``, but where nobody can be asked, as in a script, they get it
``always``  every job gets it, and nobody is asked
=========  ========================================================================
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.executor.images import is_docker, is_docker_service
from spotci.pipeline import When
from spotci.variables import Level, effective, expand, expand_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from spotci.cli.planning import Task
    from spotci.pipeline import Job
    from spotci.project.settings import EngineSection

__all__ = ["Consents", "docker_jobs", "obtain_consent"]

_FILE = "consent.json"
#: In the place of the jobs of a repository: all that it will ever have.
_EVERYTHING = "*"
#: Jobs that a question names; the others are counted.
_NAMED = 8
_QUESTION = """\
{jobs} of {place} {ask} for Docker, to command {engine}:
{names}
Whoever commands it is as good as root on this machine. Do you trust this repository?

  y  yes, the jobs as they are now        n  no, do not run it
  a  yes, whatever becomes of them
"""
_WITHOUT = (
    'engine.docker = "never" in ~/.config/spotci/config.toml runs them without Docker'
)


def docker_jobs(task: Task) -> tuple[Job, ...]:
    """Return the jobs of a run that ask for Docker, as far as it is known before it.

    An image may have a variable in its name that only an earlier job sets; a child
    pipeline is not known either. Manual jobs count when they are to be played.
    """
    jobs = task.selection.pipeline.jobs.values()
    return tuple(job for job in jobs if _asks(job) and _may_start(job, task))


def obtain_consent(task: Task) -> None:
    """Ask for what has not been allowed yet, where somebody can answer.

    Raises UsageError where the answer is no, and where ``ask`` has nobody to ask.
    """
    engine = task.loaded.project.settings.engine
    if engine.kind == "shell" or engine.docker not in ("ask", "auto"):
        return
    jobs = docker_jobs(task)
    if not jobs:
        return
    from spotci.dind.settings import default_state_dir  # noqa: PLC0415 - as used

    root = task.loaded.project.root
    consents = Consents(default_state_dir())
    unknown = consents.missing(root, jobs)
    if not unknown:
        return
    if not _somebody_is_there():
        if engine.docker == "ask":
            raise UsageError(
                f'{_names(unknown)} may not use Docker: engine.docker is "ask", and '
                "nobody can be asked here",
                hint="run it once on a terminal and say yes",
            )
        return
    answer = _ask(task, unknown)
    if answer == "n":
        raise UsageError(f"{_names(unknown)} may not use Docker", hint=_WITHOUT)
    consents.remember(root, None if answer == "a" else unknown)


@dataclass(frozen=True, slots=True)
class Consents:
    """What has been allowed, in a file of the state folder that is the user's alone.

    One that cannot be read or written counts as one where nothing was allowed.
    """

    folder: Path

    def missing(self, root: Path, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """Return those of these jobs that nobody has allowed as they are now."""
        known = self._read().get(str(root), {})
        if known == _EVERYTHING:
            return ()
        digests = known if isinstance(known, dict) else {}
        return tuple(job for job in jobs if digests.get(job.name) != _digest(job))

    def remember(self, root: Path, jobs: Sequence[Job] | None) -> None:
        """Allow these jobs as they are now; None is all, whatever becomes of them."""
        import json  # noqa: PLC0415 - once for a repository

        from spotci.dind.state import private_dir  # noqa: PLC0415 - as above

        everything = self._read()
        known = everything.get(str(root))
        if jobs is None:
            everything[str(root)] = _EVERYTHING
        else:
            added = {str(job.name): _digest(job) for job in jobs}
            old = known if isinstance(known, dict) else {}
            everything[str(root)] = {**old, **added}
        path = private_dir(self.folder) / _FILE
        new = path.with_suffix(f".{os.getpid()}")
        new.touch(mode=0o600)
        new.write_text(json.dumps(everything, indent=1, sort_keys=True), "utf-8")
        new.replace(path)

    def _read(self) -> dict[str, object]:
        import json  # noqa: PLC0415 - only where a job asks for Docker

        try:
            found = json.loads((self.folder / _FILE).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _asks(job: Job) -> bool:
    image = "" if job.image is None else job.image.name
    services = [service.name for service in job.services]
    if any("$" in name for name in (image, *services)):
        known = effective(expand_all(job.variables, keep_undefined=True))
        image = expand(image, known, keep_undefined=True)
        services = [expand(name, known, keep_undefined=True) for name in services]
    return is_docker(image) or any(map(is_docker_service, services))


def _may_start(job: Job, task: Task) -> bool:
    if job.when is not When.MANUAL or job.name in task.selection.named:
        return True
    return bool(task.manual & {"all", job.name})


def _digest(job: Job) -> str:
    """Return a hash over what a job does with Docker: its own words in the YAML."""
    import hashlib  # noqa: PLC0415 - only where a job asks for Docker

    written = [
        (variable.name, variable.value)
        for variable in job.variables
        if Level.ROOT <= variable.level <= Level.RULE
    ]
    words = (
        *(job.pre_get_sources_script, job.before_script, job.script),
        *(job.after_script, job.run, job.image, job.services, sorted(written)),
    )
    return hashlib.sha256(repr(words).encode()).hexdigest()


def _somebody_is_there() -> bool:
    environ: Mapping[str, str] = os.environ
    return sys.stdin.isatty() and sys.stderr.isatty() and not environ.get("CI")


def _ask(task: Task, jobs: Sequence[Job]) -> str:
    import click  # noqa: PLC0415 - loaded by now

    from spotci.report.terminal import printable  # noqa: PLC0415 - as used

    project = task.loaded.project
    text = _QUESTION.format(
        jobs=f"{len(jobs)} jobs" if len(jobs) > 1 else "A job",
        ask="ask" if len(jobs) > 1 else "asks",
        place=project.root,
        engine=_daemon(project.settings.engine),
        names=_names(jobs),
    )
    click.echo(printable(text), err=True)
    answer: str = click.prompt(
        "Answer", type=click.Choice(["y", "a", "n"], case_sensitive=False), err=True
    )
    return answer.lower()


def _daemon(engine: EngineSection) -> str:
    if engine.kind == "host":
        return "your own Docker, with all your containers"
    return f"the daemon of {engine.name}"


def _names(jobs: Sequence[Job]) -> str:
    names = [job.name for job in jobs[:_NAMED]]
    if len(jobs) > _NAMED:
        return f"{', '.join(names)} and {len(jobs) - _NAMED} more"
    return ", ".join(names)
