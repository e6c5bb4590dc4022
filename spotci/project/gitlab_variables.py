"""Variables of groups and projects, read from their GitLab server.

Only for projects that ``gitlab.variables`` of the user's own settings names. The values
live in memory alone: no answer is cached. GitLab documents what is asked for under
"Project-level CI/CD variables API" and "Group-level CI/CD variables API".
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from spotci.errors import UsageError
from spotci.project.envfiles import FileVariables
from spotci.project.load_settings import REPOSITORY_FILE
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.project.fetch import FetchError
    from spotci.project.gitlab_api import GitlabApi
    from spotci.project.project import Project

__all__ = ["read_gitlab_variables"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OFF = "without variables of the server: SPOTCI_GITLAB_VARIABLES="
_FORBIDDEN = frozenset({401, 403, 404})
#: What a token of no owner of a group gets, and one that may not even see the group.
_NOT_FOR_YOU = frozenset({403, 404})
#: What a repository may say of itself, though not to get at the variables of others.
_IDENTITY = ("project.path", "project.remote")
_PROTECTION = (
    "project.default_branch",
    "project.protected_branches",
    "project.protected_tags",
)


def read_gitlab_variables(project: Project, *, protected: bool) -> FileVariables:
    """Return the variables that the server has for a project; none unless asked for.

    ``protected`` says whether the ref gets protected variables. Raises UsageError,
    which never shows the token, for anything that cannot be had: a secret that is
    silently missing would mislead. A group that refuses is a warning: few developers
    own the groups above their projects.
    """
    found = FileVariables()
    patterns = project.settings.gitlab.variables
    if not any(fnmatchcase(project.path, pattern) for pattern in patterns):
        return found
    if key := _said_by_repository(project, _IDENTITY):
        raise UsageError(
            f"a repository that sets {key} gets no variables of the server",
            hint=f"set {key} in ~/.config/spotci/config.toml",
        )
    key = _said_by_repository(project, _PROTECTION)
    if protected and key:
        found.warn(f"the repository sets {key}: it gets no protected variables")
        protected = False
    api = _api(project)
    path = project.path
    about = _ask(api, "projects", path, "")
    namespace = about.get("namespace", {}) if isinstance(about, dict) else {}
    if namespace.get("kind") == "group":
        parts = str(namespace["full_path"]).split("/")
        # The nearest group comes last: it wins.
        for end in range(1, len(parts) + 1):
            group = "/".join(parts[:end])
            for entry in _of_group(api, group, found):
                _add(found, entry, Level.GROUP, f"group {group}", protected=protected)
    for entry in _ask(api, "projects", path, "variables"):
        _add(found, entry, Level.PROJECT, f"project {path}", protected=protected)
    return found


def _said_by_repository(project: Project, keys: Sequence[str]) -> str | None:
    origins = project.settings.origins
    untrusted = (REPOSITORY_FILE, ".gitlab-ci-local-env")
    return next((k for k in keys if origins.get(k, "").startswith(untrusted)), None)


def _api(project: Project) -> GitlabApi:
    # Most runs ask no server: these are slow to load.
    from spotci.project.outside import memory_api  # noqa: PLC0415 - start-up time

    if project.settings.include.offline:
        raise UsageError("variables of GitLab cannot be read offline", hint=_OFF)
    api = memory_api(project)
    if not api.token:
        raise UsageError(
            f"variables of {project.path} need a token for {api.url}",
            hint="set SPOTCI_GITLAB_URL and SPOTCI_GITLAB_TOKEN; " + _OFF,
        )
    return api


def _of_group(
    api: GitlabApi, group: str, found: FileVariables
) -> Sequence[dict[str, Any]]:
    from spotci.project.fetch import FetchError  # noqa: PLC0415 - start-up time

    try:
        return api.listing("groups", group, "variables")
    except FetchError as error:
        if error.status not in _NOT_FOR_YOU:
            raise _unreadable("groups", group, error) from None
        found.warn(
            f"jobs run without the variables of group {group}: the token may not read"
            f" them ({error}); it takes one of an owner of the group"
        )
        return ()


def _ask(api: GitlabApi, kind: str, path: str, what: str) -> Any:  # noqa: ANN401 - what a server answers
    from spotci.project.fetch import FetchError  # noqa: PLC0415 - start-up time

    try:
        return api.listing(kind, path, what) if what else api.about(kind, path)
    except FetchError as error:
        raise _unreadable(kind, path, error) from None


def _unreadable(kind: str, path: str, error: FetchError) -> UsageError:
    owner = "an owner" if kind == "groups" else "a maintainer"
    hint = f"it takes a token of {owner} with the scope read_api; {_OFF}"
    return UsageError(
        f"variables of {kind.removesuffix('s')} {path} could not be read because"
        f" of {error}",
        hint=hint if error.status in _FORBIDDEN else _OFF,
    )


def _add(
    found: FileVariables,
    entry: dict[str, Any],
    level: Level,
    where: str,
    *,
    protected: bool,
) -> None:
    name, value = entry.get("key"), entry.get("value")
    if entry.get("protected") and not protected:
        return
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        found.warn(f"{where} has a variable without a name, ignored")
        return
    if not isinstance(value, str):
        found.warn(f"{where}: {name} is hidden: GitLab does not tell its value")
        return
    variable = Variable(
        name=name,
        value=value,
        level=level,
        expand=not entry.get("raw"),
        file=entry.get("variable_type") == "file",
        masked=bool(entry.get("masked") or entry.get("hidden")),
        origin=f"GitLab: {where}",
    )
    found.add(variable, str(entry.get("environment_scope") or "*"))
