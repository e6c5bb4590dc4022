"""Prepares the ``.git`` of the jobs: a repository of its own, as a runner makes it.

HEAD is detached at the commit, with as many commits as ``GIT_DEPTH`` says and the tags
that point into them. Nothing of the developer's is shared: objects are copied, and
neither hooks nor configuration nor credentials go along.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import field
from threading import Lock
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.project.git import git_output

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.project.git import GitRepository
    from spotci.project.project import Project

__all__ = ["GitDirectories"]

#: Git may ask an upload-pack for a commit only by a name, unless it is told.
_UPLOAD_PACK = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"
_QUIET = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "fetch.writeCommitGraph=false",
)


@dataclass(slots=True, kw_only=True)
class GitDirectories:
    """The git folders of a run, one for each depth that is asked for.

    ``with_index`` takes over from the developer's index what it knows of unchanged
    files, so that ``git status`` in a job need not read them all.
    """

    project: Project
    scratch: Path
    with_index: bool
    _lock: Lock = field(default_factory=Lock)
    _prepared: dict[int, Path] = field(default_factory=dict)

    def key(self, depth: int) -> str:
        """Return a digest of all that ``prepare`` makes the folder from.

        It costs no process: the refs are read from where git keeps them.
        """
        project, repository = self.project, self.project.git
        if repository is None:
            raise ValueError("a project without git has no git folder")
        facts = (
            *(str(depth), project.sha, repository.branch or ""),
            *(project.server_url, project.path),
            *(f"{name} {sha}" for name, sha in sorted(repository.refs.items())),
        )
        found = hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape"))
        common = repository.common
        files = [common / "packed-refs", common / "shallow", *_refs(common)]
        if self.with_index:
            directory = repository.directory
            files += [
                directory / name for name in ("index", *_shared_indexes(directory))
            ]
        for file in files:
            found.update(b"\0" + _state_of(file))
        return found.hexdigest()[:32]

    def prepare(self, depth: int) -> Path:
        """Return a git folder with ``depth`` commits, 0 for all; made once.

        May be called from several threads. Raises GitCommandError.
        """
        with self._lock:
            if depth not in self._prepared:
                self._prepared[depth] = self._make(depth)
            return self._prepared[depth]

    def _make(self, depth: int) -> Path:
        repository = self.project.git
        if repository is None:
            raise ValueError("a project without git has no git folder")
        work_tree = self.scratch / f"git-{depth}"
        shutil.rmtree(work_tree, ignore_errors=True)
        work_tree.mkdir(parents=True)
        directory = work_tree / ".git"
        self._run(work_tree, "init", "-q", "--template=", *_object_format(self.project))
        if repository.commit is not None:
            self._fetch(work_tree, repository, depth)
            self._run(
                work_tree, "update-ref", "--no-deref", "HEAD", repository.commit.sha
            )
            self._write_index(work_tree, repository)
        self._configure(work_tree)
        return directory

    def _run(self, work_tree: Path, *arguments: str) -> bytes:
        return git_output(work_tree, self.project.environ, *arguments)

    def _fetch(self, work_tree: Path, repository: GitRepository, depth: int) -> None:
        sha = repository.commit.sha if repository.commit else "HEAD"
        branch = repository.branch
        target = f"refs/remotes/origin/{branch}" if branch else "refs/pipelines/1"
        refspecs = [f"+{sha}:{target}"]
        if depth == 0:
            refspecs += ["+refs/tags/*:refs/tags/*"]
            refspecs += [
                f"+{name}:{name}"
                for name in repository.refs
                if name.startswith("refs/remotes/origin/")
                and name not in repository.symrefs
                and name != target
            ]
        self._run(
            work_tree,
            *_QUIET,
            "fetch",
            "-q",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--update-shallow",
            f"--upload-pack={_UPLOAD_PACK}",
            *((f"--depth={depth}",) if depth else ()),
            str(repository.common),
            *refspecs,
        )

    def _write_index(self, work_tree: Path, repository: GitRepository) -> None:
        sha = repository.commit.sha if repository.commit else "HEAD"
        if not self.with_index:
            self._run(work_tree, *_QUIET, "read-tree", sha)
            return
        # The index knows times and sizes; read-tree keeps them for the entries that
        # the commit has, too. What is staged is dropped: its objects were not fetched,
        # and the job sees it as a change of the working tree.
        for file in ("index", *_shared_indexes(repository.directory)):
            source = repository.directory / file
            if source.is_file():
                # With its time: a file that was changed in the second in which the
                # index was written is told by that alone, and only over the tree.
                shutil.copy2(source, work_tree / ".git" / file)
        git_output(
            work_tree,
            self.project.environ,
            *_QUIET,
            "read-tree",
            "--reset",
            sha,
            extra={
                "GIT_DIR": str(work_tree / ".git"),
                "GIT_WORK_TREE": str(repository.toplevel),
            },
        )

    def _configure(self, work_tree: Path) -> None:
        url = f"{self.project.server_url}/{self.project.path}.git"
        settings = {
            "remote.origin.url": url,
            "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
            # Inode, owner and change time differ in a container; size and time not.
            "core.checkStat": "minimal",
            "core.trustctime": "false",
        }
        lines = []
        for key, value in settings.items():
            section, _, name = key.rpartition(".")
            head, _, sub = section.partition(".")
            title = f'[{head} "{sub}"]' if sub else f"[{head}]"
            lines += [title, f"\t{name} = {_quoted(value)}"]
        with (work_tree / ".git" / "config").open("a", encoding="utf-8") as config:
            config.write("\n".join(lines) + "\n")


def _object_format(project: Project) -> tuple[str, ...]:
    # The length of an id tells its kind.
    return ("--object-format=sha256",) if len(project.sha) == len("0" * 64) else ()


def _refs(common: Path) -> list[Path]:
    """Return the files of the tags, and of all refs where they are in tables."""
    places = (common / "refs" / "tags", common / "reftable")
    return sorted(file for place in places for file in place.rglob("*"))


def _state_of(file: Path) -> bytes:
    """Return what tells a change of a small file, or of an index by its time, too."""
    try:
        with file.open("rb") as content:
            inside = hashlib.file_digest(content, "sha256").digest()
        # A file that was changed in the second in which the index was written is told
        # by the time of the index alone.
        time = file.stat().st_mtime_ns if "index" in file.name else 0
    except (FileNotFoundError, IsADirectoryError):
        return os.fsencode(file.name)
    return os.fsencode(file.name) + inside + str(time).encode()


def _shared_indexes(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.glob("sharedindex.*"))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
