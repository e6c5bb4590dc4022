"""The repository, asked through the ``git`` program.

What every command needs is read by four processes that run at once; what only some
need (changed files, the list of files, old versions) is asked for by them.
"""

from __future__ import annotations

import subprocess
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import SpotciError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Commit",
    "Git",
    "GitCommandError",
    "GitRepository",
    "git_output",
    "git_outputs",
    "read_git",
]

#: Git puts these into the environment of hooks; there they would misdirect us.
_LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
_SETTINGS = {
    # Reading must not write: a diff would refresh the developer's index.
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "diff.autoRefreshIndex",
    "GIT_CONFIG_VALUE_0": "false",
    "GIT_TERMINAL_PROMPT": "0",
    # Paths are given as they are, never as patterns.
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
}
_TOPLEVEL = ("rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
_CONFIG = ("config", "--list", "-z")
_REFS = (
    "for-each-ref",
    "--format=%(HEAD)%00%(refname)%00%(objectname)%00%(symref)",
    "refs/heads",
    "refs/remotes",
)
_HEAD = (
    "log",
    "-1",
    "--no-show-signature",
    "--encoding=UTF-8",
    "--decorate=full",
    # Given explicitly, the pattern beats log.excludeDecoration of the user.
    "--decorate-refs=refs/tags/",
    "--format=format:%H%x00%P%x00%an%x00%ae%x00%cI%x00%D%x00%B",
)


class GitCommandError(SpotciError):
    """A git command failed; ``stderr`` is what it said."""

    def __init__(self, command: str, stderr: str) -> None:
        super().__init__(f"git {command}: {stderr}")
        self.stderr = stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit; ``timestamp`` is the committer's, ISO 8601 with offset."""

    sha: str
    parents: tuple[str, ...] = ()
    author_name: str = ""
    author_email: str = ""
    timestamp: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepository:
    """A working tree of git and what every command wants to know of it.

    ``commit`` is None before the first one, ``branch`` where HEAD is detached;
    ``tags`` point at HEAD. ``refs`` maps the full names of branches, local and
    remote, to commits; ``symrefs`` those that stand for another to its name.
    ``remote`` is the one that counts: that of the branch, ``origin``, or the first.
    ``upstreams`` maps branches to the full names of their upstream branches.
    """

    toplevel: Path
    #: The git folder of this working tree, and the one that all worktrees share.
    directory: Path
    common: Path
    commit: Commit | None = None
    branch: str | None = None
    tags: tuple[str, ...] = ()
    refs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    symrefs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    remote: str = "origin"
    upstreams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def upstream(self, branch: str) -> str | None:
        """Return the commit of a branch's upstream, as it was when last fetched."""
        tracked = self.upstreams.get(branch, f"refs/remotes/{self.remote}/{branch}")
        return self.refs.get(tracked)

    def resolve(self, ref: str) -> str | None:
        """Return the commit of a branch by its short or full name.

        A branch of the remote comes before a local one of the same name: it is what
        the server has.
        """
        for name in (
            f"refs/remotes/{self.remote}/{ref.removeprefix('refs/heads/')}",
            f"refs/heads/{ref.removeprefix('refs/heads/')}",
            f"refs/remotes/{ref}",
            ref,
        ):
            if name in self.refs:
                return self.refs[name]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """What git says about a folder; outside a repository the user's settings alone.

    ``config`` maps keys, section and name in lower case, to their values, the one
    that counts last.
    """

    repository: GitRepository | None = None
    config: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def setting(self, key: str) -> str | None:
        """Return the value of a key, or None."""
        values = self.config.get(key)
        return values[-1] if values else None


def git_output(
    directory: Path,
    environ: Mapping[str, str],
    *arguments: str,
    stdin: bytes = b"",
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Run git in a folder and return its output; raises GitCommandError."""
    process = _start(directory, environ, arguments, extra, stdin=subprocess.PIPE)
    with process:
        output, errors = process.communicate(stdin)
    if process.returncode != 0:
        raise GitCommandError(arguments[0], _text(errors))
    return output


def git_outputs(
    directory: Path, environ: Mapping[str, str], *commands: Sequence[str]
) -> list[tuple[int, bytes, str]]:
    """Run several git commands at once; return code, output and errors of each."""
    processes = [
        _start(directory, environ, command, None, stdin=subprocess.DEVNULL)
        for command in commands
    ]
    results = []
    for process in processes:
        with process:
            output, errors = process.communicate()
        results.append((process.returncode, output, _text(errors)))
    return results


def read_git(directory: Path, environ: Mapping[str, str]) -> Git:
    """Read what git knows about a folder. Everything works without git, too.

    Raises UsageError where git refuses the repository, as one of another owner.
    """
    commands = (_TOPLEVEL, _CONFIG, _REFS, _HEAD)
    try:
        top, config, refs, head = git_outputs(directory, environ, *commands)
    except FileNotFoundError:
        return Git()
    settings = _settings(config[1])
    if top[0] != 0:
        _check_refusal(top[2])
        return Git(config=settings)
    toplevel, git_directory, common = (
        top[1].decode(errors="surrogateescape").splitlines()
    )
    branch, found, symrefs = _refs(refs[1])
    commit, tags = _head(head[1]) if head[0] == 0 else (None, ())
    if commit is None:
        branch = _unborn_branch(directory, environ)
    return Git(
        repository=GitRepository(
            toplevel=Path(toplevel),
            directory=Path(git_directory),
            common=(directory / common).resolve(),
            commit=commit,
            branch=branch,
            tags=tags,
            refs=found,
            symrefs=symrefs,
            remote=_remote_name(settings, branch) or "origin",
            upstreams=_upstreams(settings),
        ),
        config=settings,
    )


def read_commit(
    directory: Path, environ: Mapping[str, str], ref: str
) -> tuple[Commit, tuple[str, ...]]:
    """Return the commit that a name stands for, and the tags that point at it.

    Raises UsageError where there is none.
    """
    try:
        name = ("rev-parse", "--verify", "-q", "--end-of-options", f"{ref}^{{commit}}")
        sha = _text(git_output(directory, environ, *name))
        return _head(git_output(directory, environ, *_HEAD, sha))
    except GitCommandError:
        raise UsageError(f'there is no commit "{ref}"') from None


def _start(
    directory: Path,
    environ: Mapping[str, str],
    arguments: Sequence[str],
    extra: Mapping[str, str] | None,
    *,
    stdin: int,
) -> subprocess.Popen[bytes]:
    environment = {
        name: value for name, value in environ.items() if name not in _LOCAL_VARIABLES
    }
    return subprocess.Popen(
        ["git", *arguments],
        cwd=directory,
        env={**environment, **_SETTINGS, **(extra or {})},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _check_refusal(errors: str) -> None:
    # A bare repository and the inside of .git have no working tree: no repository
    # for us. Anything else is a repository that git will not read.
    if "not a git repository" in errors or "must be run in a work tree" in errors:
        return
    raise UsageError(f"git cannot read this repository: {errors}")


def _settings(output: bytes) -> Mapping[str, tuple[str, ...]]:
    settings: dict[str, tuple[str, ...]] = {}
    for record in _text(output, strip=False).split("\0"):
        key, separator, value = record.partition("\n")
        if key:
            # A key without a value is true, as in "[core] bare".
            entry = value if separator else "true"
            settings[key] = (*settings.get(key, ()), entry)
    return MappingProxyType(settings)


def _refs(output: bytes) -> tuple[str | None, Mapping[str, str], Mapping[str, str]]:
    branch = None
    refs, symrefs = {}, {}
    for line in _text(output, strip=False).splitlines():
        mark, name, sha, target = line.split("\0")
        refs[name] = sha
        if target:
            symrefs[name] = target
        if mark == "*":
            branch = name.removeprefix("refs/heads/")
    return branch, MappingProxyType(refs), MappingProxyType(symrefs)


def _head(output: bytes) -> tuple[Commit, tuple[str, ...]]:
    # A message in an encoding that it does not declare is still shown.
    fields = output.decode("utf-8", "replace").split("\0", 6)
    sha, parents, name, email, timestamp, decorations, message = fields
    commit = Commit(
        sha=sha,
        parents=tuple(parents.split()),
        author_name=name,
        author_email=email,
        timestamp=timestamp,
        message=message,
    )
    tags = (
        part.removeprefix("tag: ").removeprefix("refs/tags/")
        for part in decorations.split(", ")
        if part.startswith("tag: ")
    )
    return commit, tuple(sorted(tags))


def _remote_name(
    config: Mapping[str, tuple[str, ...]], branch: str | None
) -> str | None:
    names = [
        key.removeprefix("remote.").removesuffix(".url")
        for key in config
        if key.startswith("remote.") and key.endswith(".url")
    ]
    tracked = config.get(f"branch.{branch}.remote", ("",))[-1]
    return next((name for name in (tracked, "origin", *names) if name in names), None)


def _upstreams(config: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    found = {}
    for key, values in config.items():
        if not (key.startswith("branch.") and key.endswith(".merge")):
            continue
        branch = key.removeprefix("branch.").removesuffix(".merge")
        remote = config.get(f"branch.{branch}.remote", ("",))[-1]
        name = values[-1].removeprefix("refs/heads/")
        # A branch that tracks a local one has the remote ".".
        prefix = "refs/heads/" if remote == "." else f"refs/remotes/{remote}/"
        found[branch] = prefix + name
    return MappingProxyType(found)


def _unborn_branch(directory: Path, environ: Mapping[str, str]) -> str | None:
    try:
        output = git_output(directory, environ, "symbolic-ref", "-q", "--short", "HEAD")
    except GitCommandError:
        return None
    return _text(output)


def _text(output: bytes, *, strip: bool = True) -> str:
    # Names and messages may be in any encoding; paths must survive the round trip.
    text = output.decode("utf-8", "surrogateescape")
    return text.strip() if strip else text
