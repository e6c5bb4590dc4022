"""``spotci run --watch``: runs again what a change concerns, until Ctrl-C.

What a change concerns is decided as GitLab would for a push of these files: a job whose
rules ask for other files by ``changes`` is left out. To these come the jobs that
download artifacts from them, and those that have not passed yet. A change of the
configuration concerns all.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.cli import failure
from spotci.cli.earlier import reusing
from spotci.cli.loading import load, record_folder
from spotci.cli.selection import Request, select, select_manual
from spotci.dataclass import dataclass
from spotci.errors import SpotciError, UsageError
from spotci.events import JobStatus
from spotci.parser.nodes import Mapping as MappingNode
from spotci.pipeline import When
from spotci.project.git import GitCommandError, git_output
from spotci.report.terminal import printable
from spotci.runs import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen
    from spotci.cli.selection import Selection
    from spotci.pipeline import JobName
    from spotci.project import Project

__all__ = ["Watch", "affected_jobs", "changed_paths"]

#: Milliseconds without a change that end a group of changes, and the most for one.
_STEP = 200
_DEBOUNCE = 2000
#: Milliseconds between two looks at whether it is to end.
_LOOK = 300
#: Folders that are never an input.
_OURS = frozenset({".git", ".spotci"})
#: Paths in one command of git.
_PATHS = 500
#: Names of changed files in one line.
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What ``run --watch`` was asked for.

    ``run`` runs a request once and plays manual jobs: ``manual`` the first time.
    """

    chosen: Chosen
    overrides: Mapping[str, object]
    request: Request
    manual: tuple[str, ...]
    run: Callable[[Loaded, Request, tuple[str, ...]], int]

    def begin(self, loaded: Loaded) -> int:
        """Run once, then after every change; return the code of the last run.

        Raises UsageError where watchfiles is not installed.
        """
        groups = _watched(loaded.project)
        code = self.run(loaded, self.request, self.manual)
        while code != failure.INTERRUPTED:
            changed = _next(groups)
            if changed is None:
                break
            code = self._again(changed, code)
        return code

    def _again(self, changed: set[str], code: int) -> int:
        """Run what a change concerns; what is wrong now may be right the next time."""
        try:
            loaded = load(self.chosen, overrides=self.overrides)
            chosen = replace(
                self.chosen, changed=tuple(sorted(changed)), changed_since=None
            )
            narrow = load(chosen, overrides=self.overrides)
            names = affected_jobs(
                *(loaded, narrow, self.request),
                manual=self.manual,
                changed=changed,
                passed=_passed(loaded),
            )
            if not names:
                _say(f"{_shown(changed)} changed, which concerns no job")
                return code
            _say(f"{_shown(changed)} changed: {', '.join(names)}")
            return self.run(loaded, reusing(loaded, Request(names=names)), ())
        except Exception as error:
            if not all(isinstance(leaf, SpotciError) for leaf in failure.leaves(error)):
                raise
            return failure.report(error)


def affected_jobs(
    loaded: Loaded,
    narrow: Loaded,
    request: Request,
    *,
    manual: tuple[str, ...],
    changed: AbstractSet[str],
    passed: Collection[JobName],
) -> tuple[JobName, ...]:
    """Return the jobs of a request that a change concerns, in the pipeline's order.

    ``narrow`` is the pipeline of a push of these files alone. Manual jobs do not count
    where they are neither named nor among ``manual``.
    """
    excluded = loaded.compilation.excluded_jobs
    selection = select(loaded.pipeline, excluded, request)
    wanted = selection.named | select_manual(selection.pipeline, manual)
    jobs = [
        name
        for name, job in selection.pipeline.jobs.items()
        if job.when is not When.MANUAL or wanted & {name, "all"}
    ]
    if not changed.isdisjoint(_configuration(loaded)):
        return tuple(jobs)
    kept = narrow.compilation.pipeline.jobs if narrow.compilation.pipeline else {}
    found = {
        name
        for name in jobs
        # What is excluded anyway runs because it was named.
        if name in kept or name in excluded or name not in passed
    }
    return tuple(_with_consumers(selection, jobs, found))


def _with_consumers(
    selection: Selection, jobs: Iterable[JobName], found: set[JobName]
) -> Iterator[JobName]:
    pipeline = selection.pipeline
    for name in jobs:  # what a job downloads from comes before it
        sources = pipeline.artifact_sources(pipeline.jobs[name])
        if name in found or any(
            source in found and pipeline.jobs[source].artifacts for source in sources
        ):
            found.add(name)
            yield name


def _configuration(loaded: Loaded) -> frozenset[str]:
    """Return the files that the pipeline is made of, as far as its keys tell."""
    names = {loaded.project.settings.project.config, ".spotci.toml"}

    root = loaded.compilation.config.root
    for entry in () if root is None else root.entries.values():
        names.add(entry.span.file.name)
        if isinstance(entry.value, MappingNode):
            names.update(key.span.file.name for key in entry.value.entries.values())
    return frozenset(names)


def _passed(loaded: Loaded) -> frozenset[JobName]:
    """Return the jobs that passed the last time that they ran."""
    latest: dict[JobName, JobStatus] = {}
    for run in RunStore(record_folder(loaded.project)).list():
        for name, result in run.results.items():
            latest.setdefault(name, result.status)
    return frozenset(
        name for name, status in latest.items() if status is JobStatus.SUCCESS
    )


def _watched(project: Project) -> Iterator[set[str]]:
    """Yield groups of changed paths, relative to the project; ends with Ctrl-C."""
    try:
        import watchfiles  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "--watch needs watchfiles, which is not installed",
            hint="pip install 'spotci[watch]'",
        ) from None
    # It would report Ctrl-C, which is the way to end this.
    logging.getLogger("watchfiles").setLevel(logging.ERROR)
    watched = watchfiles.watch(
        project.root,
        watch_filter=lambda _, path: _is_input(project.root, path),
        debounce=_DEBOUNCE,
        step=_STEP,
        raise_interrupt=False,
        rust_timeout=_LOOK,
        yield_on_timeout=True,
        # Git's folders and links may lead anywhere.
        ignore_permission_denied=True,
    )
    # It begins to listen when it is first asked: now, so that no change is missed.
    first = next(watched, set())
    return _groups(project, itertools.chain([first], watched))


def _next(groups: Iterator[set[str]]) -> set[str] | None:
    """Wait for the next group; None where Ctrl-C came, even before the listening."""
    try:
        print("spotci: waits for changes, Ctrl-C ends it", file=sys.stderr)
        return next(groups, None)
    except KeyboardInterrupt:
        return None


def _groups(
    project: Project, watched: Iterable[AbstractSet[tuple[object, str]]]
) -> Iterator[set[str]]:
    for group in watched:
        paths = {Path(path).relative_to(project.root).as_posix() for _, path in group}
        if changed := changed_paths(project, paths):
            yield changed


def changed_paths(project: Project, paths: Iterable[str]) -> set[str]:
    """Return the paths that jobs may see: not what git ignores, nor what came and went.

    Without git, those that exist.
    """
    if project.git is None:
        return {path for path in paths if (project.root / path).is_file()}
    found: set[str] = set()
    wanted = sorted(paths)
    for begin in range(0, len(wanted), _PATHS):
        some = wanted[begin : begin + _PATHS]
        command = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        try:
            output = git_output(
                project.root,
                project.environ,
                *command,
                "--",
                *some,
                extra={"GIT_LITERAL_PATHSPECS": "1"},
            )
        except GitCommandError:
            continue
        found.update(os.fsdecode(output).split("\0"))
    # A folder stands for what is in it, which has changes of its own.
    return found & set(wanted)


def _is_input(root: Path, path: str) -> bool:
    return Path(path).relative_to(root).parts[:1] not in {(name,) for name in _OURS}


def _say(text: str) -> None:
    print(f"\nspotci: {printable(text)}", file=sys.stderr)


def _shown(paths: Collection[str]) -> str:
    names = sorted(paths)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
