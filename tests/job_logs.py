"""What the log of a job says in every phase: cases for the golden files.

Each case is run on the backend in memory and on the real engine, and both have to say
what ``fixtures/job-logs/<name>.log`` holds. The wording is GitLab Runner's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from spotci import __version__
from spotci.events import JobLog, SectionStarted
from spotci.executor.job import JobRunner
from spotci.pipeline import (
    Artifacts,
    Cache,
    CacheKey,
    Image,
    Release,
    SaveWhen,
    Service,
)
from spotci.tree import SourceTree, Submodule, TreeEntry
from tests.builders import StoredGit, job, plan, variable
from tests.fakes import Events, Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.events import Event
    from spotci.executor.backend import Backend
    from spotci.pipeline import Job, JobName

__all__ = ["CASES", "IMAGE", "MISSING", "LogCase", "golden", "run_case"]

FOLDER = Path(__file__).parents[1] / "fixtures" / "job-logs"
WRITES = os.environ.get("SPOTCI_GOLDEN") == "write"
IMAGE = "busybox:1.36"
MISSING = "localhost:1/no/such:1"
_SHA = "1ecfd275aa6d7d6b4f4c1b8d2a8f4cdb0f5b6c7d"


def prints(command: str, *lines: str) -> bytes:
    """Return what the shell of a job prints of a command, and what that prints."""
    first, newline, _ = command.partition("\n")
    shown = f"{first} # collapsed multi-line command" if newline else command
    return "\n".join([f"\x1b[32;1m$ {shown}\x1b[0;m", *lines, ""]).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCase:
    """Jobs that run one after the other; the log of the last is the golden one.

    ``programs`` tell the backend in memory what the real one does by itself. The job
    is canceled once it has printed ``cancel_after``.
    """

    name: str
    jobs: tuple[Job, ...]
    programs: tuple[tuple[str, Program], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    cancel_after: str | None = None


class Watched(Events):
    """Keeps the events, and lets wait for a line."""

    def __init__(self) -> None:
        super().__init__()
        self._news = anyio.Event()

    async def __call__(self, event: Event) -> None:
        await super().__call__(event)
        self._news.set()

    async def printed(self, line: str) -> None:
        """Wait until a script has printed this line."""
        while not any(line in each.text.split("\n") for each in self.of(JobLog)):
            self._news = anyio.Event()
            await self._news.wait()


def golden(case: LogCase, log: Sequence[str]) -> list[str]:
    """Return the golden log of a case, after writing it where that is asked for."""
    file = FOLDER / f"{case.name}.log"
    if WRITES:
        file.write_text("".join(f"{line}\n" for line in log), "utf-8")
    return file.read_text("utf-8").splitlines()


async def run_case(case: LogCase, backend: Backend, folder: Path) -> list[str]:
    """Run the jobs of a case, and return the log of the last one."""
    tree = make_tree(folder)
    events = Watched()
    asked = replace(
        plan(*case.jobs, record=folder, default_image=IMAGE, **case.options),
        run=f"golden-{case.name}",
        project_path="golden/logs",
        tree=tree,
        sha=_SHA,
    )
    snapshot = await backend.workspaces.snapshot(tree.with_submodules(frozenset()))
    async with (
        JobRunner(asked, backend, events, snapshot, clock=lambda: 0.0) as runner,
        anyio.create_task_group() as tasks,
    ):
        *before, last = case.jobs
        for each in before:
            await runner.run(each, 1)
        if case.cancel_after is None:
            await runner.run(last, 1)
        else:
            tasks.start_soon(runner.run, last, 1)
            with anyio.fail_after(60):
                await events.printed(case.cancel_after)
            tasks.cancel_scope.cancel()
    description = backend.engine.description
    return [
        _normal(line, description, asked.run) for line in shown(events.all, last.name)
    ]


def make_tree(folder: Path) -> SourceTree:
    """Make the sources of the jobs: a file, a submodule, and a ``.git``."""
    root, git = folder / "sources", folder / "git"
    entries = []
    for path in ("README.md", "library/code"):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content\n")
        entries.append(TreeEntry(path=path, mode=0o100644, size=8, mtime_ns=1))
    git.mkdir()
    (git / "HEAD").write_text(f"{_SHA}\n")
    return SourceTree(
        root=root,
        entries=tuple(entries),
        tracked=frozenset({"README.md"}),
        submodules=(Submodule(path="library"),),
        sha=_SHA,
        git=StoredGit(git),
    )


def shown(events: Sequence[Event], name: JobName) -> list[str]:
    """Return titles and lines of a job; what scripts and services print is indented."""
    lines: list[str] = []
    for event in events:
        match event:
            case SectionStarted(job=job_name, title=title) if job_name == name:
                lines.append(f"== {title}")
            case JobLog(job=job_name, text=text, kind=kind) if job_name == name:
                indent = "" if kind == "runner" else "  "
                lines += [indent + line for line in text.split("\n")]
            case _:
                pass
    return lines


def _normal(line: str, description: str, run: str) -> str:
    """Return a line without what differs from engine to engine; colours as words."""
    line = line.replace(description, "ENGINE").replace(run, "RUN")
    line = line.replace(f"spotci {__version__}", "spotci VERSION")
    line = re.sub(r"sha256:\S+ for (\S+) .*\.\.\.", r"sha256:… for \1 ...", line)
    line = re.sub(r"(with (?:policy|specified policies) \S+): .*", r"\1: …", line)
    for code, word in (("32;1", "green"), ("31;1", "red"), ("0;33", "yellow")):
        line = line.replace(f"\x1b[{code}m", f"<{word}>")
    return line.replace("\x1b[0;m", "</>").rstrip()


def _git(name: str, command: str = "ls", **variables: str) -> LogCase:
    """Return a case of get_sources: nothing but the variables of the runner."""
    empty = variables.get("GIT_STRATEGY") in ("none", "empty")
    seen = () if empty else ("README.md", "library")
    return LogCase(
        name=f"get-sources-{name}",
        jobs=(job("build", script=(command,), variables=variables),),
        programs=((command, Program(output=[prints(command, *seen)])),),
    )


_FILL = "mkdir -p deps && echo 1 >deps/a"
_PRODUCE = "mkdir dist && echo 1 >dist/app && echo 2 >dist/app.log && echo A=1 >b.env"
_PRODUCED = {"dist/app": b"1\n", "dist/app.log": b"2\n", "b.env": b"A=1\n"}
_ARTIFACTS = Artifacts(
    paths=("dist/", "none"),
    exclude=("dist/*.log",),
    reports={"dotenv": ("b.env",), "junit": ("junit.xml",)},
)


def _keyed(name: str, **fields: Any) -> Cache:
    key = CacheKey(text=name)
    return Cache(**{"key": key, "paths": ("deps/",), "unprotect": True, **fields})


def _cache(
    name: str, second: str, *printed: str, files: Mapping[str, bytes | None]
) -> LogCase:
    """Return a case of a job that finds the cache that another one has saved."""
    return LogCase(
        name=f"cache-{name}",
        jobs=(
            job("first", script=(_FILL,), cache=(_keyed(name),)),
            job("second", script=(second,), cache=(_keyed(name),)),
        ),
        programs=(
            (_FILL, Program(output=[prints(_FILL)], files={"deps/a": b"1\n"})),
            (second, Program(output=[prints(second, *printed)], files=files)),
        ),
    )


CASES = (
    LogCase(
        name="success",
        jobs=(
            job(
                "build",
                before_script=("echo before",),
                script=(_PRODUCE, "for i in 1 2; do\n  echo $i\ndone", ""),
                after_script=("echo $CI_JOB_STATUS",),
                cache=(_keyed("success"), _keyed("other", policy="pull")),
                artifacts=_ARTIFACTS,
                release=Release(tag_name="v1", description="first"),
            ),
        ),
        programs=(
            (
                "echo before",
                Program(
                    output=[
                        prints("echo before", "before"),
                        prints(_PRODUCE),
                        prints("for i in 1 2; do\n", "1", "2"),
                        b"\n",
                    ],
                    files=_PRODUCED,
                ),
            ),
            (
                "echo $CI_JOB_STATUS",
                Program(output=[prints("echo $CI_JOB_STATUS", "success")]),
            ),
        ),
    ),
    LogCase(
        name="failure",
        jobs=(
            job(
                "build",
                script=(_PRODUCE, "exit 3", "echo never"),
                after_script=("echo $CI_JOB_STATUS", "exit 4"),
                cache=(
                    _keyed("failure", when=SaveWhen.ALWAYS, paths=("dist/app",)),
                    _keyed("failure-of-another"),
                ),
                artifacts=replace(_ARTIFACTS, when=SaveWhen.ON_FAILURE),
            ),
        ),
        programs=(
            (
                "exit 3",
                Program(
                    output=[prints(_PRODUCE), prints("exit 3")],
                    files=_PRODUCED,
                    code=3,
                ),
            ),
            (
                "exit 4",
                Program(
                    output=[prints("echo $CI_JOB_STATUS", "failed"), prints("exit 4")],
                    code=4,
                ),
            ),
        ),
    ),
    LogCase(
        name="artifacts-downloaded",
        jobs=(
            job("build", stage="build", script=(_PRODUCE,), artifacts=_ARTIFACTS),
            job("test", script=("cat dist/app",)),
        ),
        programs=(
            (_PRODUCE, Program(output=[prints(_PRODUCE)], files=_PRODUCED)),
            ("cat dist/app", Program(output=[prints("cat dist/app", "1")])),
        ),
    ),
    LogCase(
        name="artifacts-none",
        jobs=(job("build", script=("true",), artifacts=Artifacts(untracked=True)),),
        programs=(("true", Program(output=[prints("true")])),),
    ),
    LogCase(
        name="artifacts-dotenv-refused",
        jobs=(
            job(
                "build",
                script=("echo A B >b.env",),
                artifacts=Artifacts(reports={"dotenv": ("b.env",)}),
            ),
        ),
        programs=(
            (
                "echo A B >b.env",
                Program(output=[prints("echo A B >b.env")], files={"b.env": b"A B\n"}),
            ),
        ),
    ),
    _cache("unchanged", "ls deps", "a", files={}),
    _cache("changed", "echo 2 >deps/b", files={"deps/b": b"2\n"}),
    LogCase(
        name="cache-fallback",
        jobs=(
            job("first", script=(_FILL,), cache=(_keyed("old"),)),
            job(
                "second",
                script=("true",),
                cache=(
                    _keyed("new", fallback_keys=("old",)),
                    _keyed("push", policy="push", paths=("none/",)),
                ),
            ),
        ),
        programs=(
            (_FILL, Program(output=[prints(_FILL)], files={"deps/a": b"1\n"})),
            ("true", Program(output=[prints("true")])),
        ),
    ),
    _git("fetch"),
    _git("clone", GIT_STRATEGY="clone", GIT_DEPTH="0"),
    _git("none", GIT_STRATEGY="none"),
    _git("empty", GIT_STRATEGY="empty"),
    _git("no-checkout", GIT_CHECKOUT="false"),
    _git("submodules", GIT_SUBMODULE_STRATEGY="recursive", GIT_DEPTH="5"),
    _git("no-lfs", GIT_LFS_SKIP_SMUDGE="1"),
    _git("unknown", GIT_STRATEGY="unknown"),
    _git("outside", GIT_CLONE_PATH="/etc"),
    LogCase(
        name="get-sources-hook",
        jobs=(
            job(
                "build",
                pre_get_sources_script=("echo hook",),
                script=("true",),
            ),
        ),
        programs=(
            ("echo hook", Program(output=[prints("echo hook", "hook")])),
            ("true", Program(output=[prints("true")])),
        ),
    ),
    LogCase(
        name="get-sources-hook-failed",
        jobs=(job("build", pre_get_sources_script=("exit 5",), script=("true",)),),
        programs=(("exit 5", Program(output=[prints("exit 5")], code=5)),),
    ),
    LogCase(
        name="timeout",
        jobs=(
            job(
                "build",
                script=("sleep 600",),
                after_script=("echo never",),
                timeout=timedelta(seconds=3),
            ),
        ),
        programs=(("sleep 600", Program(output=[prints("sleep 600")], hangs=True)),),
        options={"stop_grace": 0.1},
    ),
    LogCase(
        name="timeout-of-the-script",
        jobs=(
            job(
                "build",
                script=("sleep 600",),
                after_script=("echo $CI_JOB_STATUS",),
                artifacts=Artifacts(paths=("README.md",), when=SaveWhen.ALWAYS),
                variables={"RUNNER_SCRIPT_TIMEOUT": "1s"},
            ),
        ),
        programs=(
            ("sleep 600", Program(output=[prints("sleep 600")], hangs=True)),
            (
                "echo $CI_JOB_STATUS",
                Program(output=[prints("echo $CI_JOB_STATUS", "failed")]),
            ),
        ),
        options={"stop_grace": 0.1},
    ),
    LogCase(
        name="timeout-of-the-after-script",
        jobs=(
            job(
                "build",
                script=("true",),
                after_script=("sleep 600",),
                variables={"RUNNER_AFTER_SCRIPT_TIMEOUT": "1s"},
            ),
        ),
        programs=(
            ("sleep 600", Program(output=[prints("sleep 600")], hangs=True)),
            ("true", Program(output=[prints("true")])),
        ),
        options={"stop_grace": 0.1},
    ),
    LogCase(
        name="after-script-failed",
        jobs=(job("build", script=("true",), after_script=("exit 2",)),),
        programs=(
            ("exit 2", Program(output=[prints("exit 2")], code=2)),
            ("true", Program(output=[prints("true")])),
        ),
    ),
    LogCase(
        name="canceled",
        jobs=(
            job(
                "build",
                script=("echo begin; sleep 600",),
                after_script=("echo $CI_JOB_STATUS",),
            ),
        ),
        programs=(
            (
                "sleep 600",
                Program(output=[prints("echo begin; sleep 600", "begin")], hangs=True),
            ),
            (
                "echo $CI_JOB_STATUS",
                Program(output=[prints("echo $CI_JOB_STATUS", "canceled")]),
            ),
        ),
        options={"stop_grace": 0.1},
        cancel_after="begin",
    ),
    LogCase(
        name="image-missing",
        jobs=(
            job(
                "build",
                image=Image(name=MISSING, pull_policy=("always",)),
                after_script=("echo never",),
            ),
        ),
    ),
    LogCase(
        name="service-without-a-listener",
        jobs=(
            job(
                "build",
                script=("true",),
                services=(
                    Service(
                        name=IMAGE,
                        aliases=("db",),
                        command=("sh", "-c", "echo starting; sleep 600"),
                        variables=(variable("HEALTHCHECK_TCP_PORT", "5432"),),
                    ),
                ),
            ),
        ),
        programs=(("true", Program(output=[prints("true")])),),
        options={"services_timeout": 1.0},
    ),
    LogCase(
        name="service-logs-of-a-failed-job",
        jobs=(
            job(
                "build",
                script=("exit 1",),
                services=(
                    Service(
                        name=IMAGE,
                        aliases=("db",),
                        command=("sh", "-c", "echo starting; sleep 600"),
                    ),
                ),
            ),
        ),
        programs=(("exit 1", Program(output=[prints("exit 1")], code=1)),),
    ),
)
