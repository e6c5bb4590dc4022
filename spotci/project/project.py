"""A project: a folder, what git and the settings say of it, and its GitLab identity."""

from __future__ import annotations

import os
import zlib
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.project.git import git_output, read_commit, read_git
from spotci.project.load_settings import load_settings
from spotci.project.remote import (
    Remote,
    apply_instead_of,
    parse_remote,
    project_path_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.project.git import Git, GitRepository
    from spotci.project.settings import Settings

__all__ = ["Project", "at_commit", "open_project", "with_config_file"]

_CONFIG_FILE = ".gitlab-ci.yml"
#: The host of a project that has no remote: reserved, never a server by accident.
_NO_HOST = "localhost"
_DEFAULT_BRANCH = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project on disk. ``root`` is what ``CI_PROJECT_DIR`` is made of.

    ``git`` is None outside a repository and where there is no git. ``remote`` always
    tells a host and a path; ``has_remote`` says whether a server is behind them.
    """

    root: Path
    git: GitRepository | None
    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    remote: Remote
    has_remote: bool
    user_name: str
    user_email: str
    default_branch: str

    @property
    def path(self) -> str:
        """``CI_PROJECT_PATH``."""
        return self.remote.path

    @property
    def id(self) -> int:
        """``CI_PROJECT_ID``: as set, or a number that stays the same for a path."""
        return self.settings.project.id or stable_number(self.path)

    @property
    def namespace_id(self) -> int:
        """``CI_PROJECT_NAMESPACE_ID``."""
        return stable_number(self.path.rpartition("/")[0])

    @property
    def user_id(self) -> int:
        """``GITLAB_USER_ID``."""
        return stable_number(self.user_email)

    @property
    def user_login(self) -> str:
        """``GITLAB_USER_LOGIN``: what stands before the ``@``."""
        return self.user_email.partition("@")[0] or self.user_name

    @property
    def server_url(self) -> str:
        """``CI_SERVER_URL``."""
        base = self.settings.gitlab.url
        return base.rstrip("/") if base else self.remote.server_url

    @property
    def sha(self) -> str:
        """The commit of HEAD, or an empty text before the first one."""
        return self.git.commit.sha if self.git and self.git.commit else ""

    def git_output(
        self,
        *arguments: str,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git in the root; raises GitCommandError."""
        return git_output(self.root, self.environ, *arguments, stdin=stdin, extra=extra)


def open_project(
    directory: Path,
    environ: Mapping[str, str],
    *,
    overrides: Mapping[str, object] | None = None,
) -> Project:
    """Open the project that a folder belongs to.

    Its root is the top of the git repository; without git, the folder itself. A
    folder with a ``.gitlab-ci.yml`` in a repository that has none at its top, such as
    an example in a larger project, is a root too. ``overrides`` are settings of the
    command line, ``section.key`` to value. Raises UsageError.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder")
    environ = MappingProxyType(dict(environ))
    git = read_git(directory, environ)
    root = _root(directory, git.repository)
    settings = load_settings(root, environ, overrides=overrides)
    url = _remote_url(git, settings.project.remote)
    found = parse_remote(apply_instead_of(url, git.config)) if url else None
    return Project(
        root=root,
        git=git.repository,
        settings=settings,
        environ=environ,
        remote=_identity(root, settings, found),
        has_remote=found is not None or settings.gitlab.url is not None,
        user_name=_user(git, "name", environ),
        user_email=_user(git, "email", environ),
        default_branch=settings.project.default_branch or _default_branch(git),
    )


def at_commit(project: Project, ref: str) -> Project:
    """Return the project as if another commit were checked out on its branch.

    The settings and the files of variables stay as they are: they belong to the
    machine. To be read with the source ``head``. Raises UsageError.
    """
    if project.git is None:
        raise UsageError(f"{project.root} is no git repository: it has no commits")
    commit, tags = read_commit(project.root, project.environ, ref)
    return replace(project, git=replace(project.git, commit=commit, tags=tags))


def with_config_file(project: Project, path: Path) -> Project:
    """Return the project with another file that its pipelines begin with.

    Raises UsageError for one that is not in the project.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - git knows links by name
    try:
        name = absolute.relative_to(project.root).as_posix()
    except ValueError:
        raise UsageError(f"{path} is not in the project {project.root}") from None
    settings = project.settings
    return replace(
        project,
        settings=replace(
            settings,
            project=replace(settings.project, config=name),
            origins=MappingProxyType(
                {**settings.origins, "project.config": "command line"}
            ),
        ),
    )


def stable_number(text: str) -> int:
    """Return a number for a text that is the same on every machine."""
    return zlib.crc32(text.encode("utf-8", "surrogateescape")) % 90_000_000 + 10_000_000


def _root(directory: Path, repository: GitRepository | None) -> Path:
    if repository is None:
        return directory
    top = repository.toplevel
    if (top / _CONFIG_FILE).exists():
        return top
    for folder in (directory, *directory.parents):
        if folder == top:
            break
        if (folder / _CONFIG_FILE).exists():
            return folder
    return top


def _remote_url(git: Git, chosen: str | None) -> str | None:
    if git.repository is None:
        return None
    name = chosen or git.repository.remote
    url = git.setting(f"remote.{name}.url")
    if url is None and chosen is not None:
        raise UsageError(
            f'there is no git remote "{chosen}", which project.remote names'
        )
    return url


def _identity(root: Path, settings: Settings, found: Remote | None) -> Remote:
    # Where there is no server the folder's name is the project's.
    remote = found or Remote(host=_NO_HOST, path=project_path_of(root.name))
    path, url = remote.path, settings.gitlab.url
    host, protocol, port = remote.host, remote.protocol, remote.port
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f'gitlab.url must be a web address, not "{url}"')
        host, protocol = parts.hostname, parts.scheme
        port = parts.port or (443 if protocol == "https" else 80)
        # A server below a path: https://example.com/gitlab.
        prefix = parts.path.strip("/")
        if prefix and path.startswith(f"{prefix}/"):
            path = project_path_of(path.removeprefix(f"{prefix}/"))
    if settings.project.path is not None:
        path = project_path_of(settings.project.path)
    return Remote(
        host=host, path=path, protocol=protocol, port=port, ssh_port=remote.ssh_port
    )


def _user(git: Git, key: str, environ: Mapping[str, str]) -> str:
    variable = f"GIT_AUTHOR_{key.upper()}"
    if found := git.setting(f"user.{key}") or environ.get(variable):
        return found
    login = environ.get("USER") or environ.get("LOGNAME") or "local"
    return login if key == "name" else f"{login}@localhost"


def _default_branch(git: Git) -> str:
    repository = git.repository
    initial = git.setting("init.defaultbranch")
    if repository is None:
        return initial or _DEFAULT_BRANCH
    prefix = f"refs/remotes/{repository.remote}/"
    if target := repository.symrefs.get(f"{prefix}HEAD"):
        return target.removeprefix(prefix)
    names = ("main", "master", *([initial] if initial else []))
    for name in names:
        if f"{prefix}{name}" in repository.refs:
            return name
    for name in names:
        if f"refs/heads/{name}" in repository.refs:
            return name
    return repository.branch or initial or _DEFAULT_BRANCH
