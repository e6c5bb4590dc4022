"""Reads what ``include`` names outside of the project, from a checkout or a server.

========= ===================================================================
project   a local checkout that the settings name, else the GitLab server
remote    the URL; see :mod:`spotci.project.fetch` for what is refused
template  a folder that the settings name, else GitLab's own repository
component a local checkout, else the server of the address
========= ===================================================================

The messages of errors are GitLab's. Files from servers are cached.
"""

from __future__ import annotations

import base64
import hmac
import re
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spotci.errors import ReadError
from spotci.project.checkouts import (
    Checkout,
    is_semantic_version,
    semantic_versions,
    source_file,
)
from spotci.project.fetch import Fetcher, FetchError
from spotci.project.gitlab_api import AccessError, GitlabApi
from spotci.project.include_cache import IncludeCache, cache_folder
from spotci.project.load_settings import REPOSITORY_FILE
from spotci.source import Component, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.project.project import Project
    from spotci.source import SourceFile

__all__ = ["OutsideReader", "memory_api"]

_TEMPLATE_END = ".gitlab-ci.yml"
_GITLAB = "https://gitlab.com"
_TEMPLATE_PROJECT = "gitlab-org/gitlab"
_TEMPLATE_FOLDER = "lib/gitlab/ci/templates"
_COMPONENT = re.compile(
    r"(?P<host>[^/@]+)/(?P<project>[^@]+)/(?P<name>[^/@]+)@(?P<version>[^@]+)"
)
#: A version with one or two numbers: the highest release that begins with them.
_PARTIAL_VERSION = re.compile(r"\d+(\.\d+)?")
_SECRET_PART = re.compile(r"(?<=//)[^/@]*(?=@)|(?<=token=)[^&#]+")


class OutsideReader:
    """Reads files of other projects and of the web for one project.

    ``own`` is the checkout of the project itself: its includes may name it, too.
    """

    def __init__(self, project: Project, own: Checkout) -> None:
        self._project = project
        self._own = own
        self._checkouts: dict[str, Checkout] = {}

    def origin(self, project: str, ref: str | None) -> Origin:
        """Return where a file of a project is read; raises where the ref is not."""
        checkout = self._checkout(project)
        if checkout is None:
            sha = self._api(None).commit(project, ref)
            return Origin(project=project, ref=sha)
        if checkout.is_current(ref):
            # What is checked out is read from the disk: its developer works on it.
            return Origin(project=project)
        commit = checkout.commit_of(ref or "HEAD")
        if commit is None:
            raise ReadError(f"Project `{project}` reference `{ref}` does not exist!")
        return Origin(project=project, ref=commit)

    def read(self, origin: Origin, path: str) -> bytes | None:
        """Return a file of another project, or None where it has no such file."""
        project = origin.project or ""
        checkout = self._checkout(project)
        if checkout is None:
            sha = origin.ref or self._api(origin.host).commit(project, None)
            return self._api(origin.host).file(project, path, sha)
        if origin.ref is None or not checkout.sha:
            return checkout.read(path)
        return checkout.read_at(origin.ref, path)

    def files(self, origin: Origin) -> Sequence[str]:
        """Return the paths of another project."""
        project = origin.project or ""
        checkout = self._checkout(project)
        if checkout is not None:
            return checkout.files(origin.ref)
        api = self._api(origin.host)
        return api.files(project, origin.ref or api.commit(project, None))

    def project(self, project: str, path: str, ref: str | None) -> SourceFile:
        """Read a file of another project."""
        origin = self.origin(project, ref)
        content = self.read(origin, path)
        if content is None:
            raise ReadError(f"Project `{project}` file `{path}` does not exist!")
        if not content.strip():
            raise ReadError(f"Project `{project}` file `{path}` is empty!")
        return source_file(f"{path}@{project}", content, origin)

    def remote(self, url: str, integrity: str | None) -> SourceFile:
        """Fetch a URL, and compare its content with a digest where one is given."""
        shown = _SECRET_PART.sub("[MASKED]", url)
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ReadError(f"Remote file `{shown}` does not have a valid address!")
        try:
            # With a digest the content cannot change: what is cached is what it was.
            content = self._cache.get(
                f"{url} {integrity}",
                lambda: _verified(self._fetcher.get(url).body, integrity, shown),
                immutable=integrity is not None,
            )
        except FetchError as error:
            raise ReadError(
                f"Remote file `{shown}` could not be fetched because of {error}!",
                hint=_fetch_hint(error, parts.netloc),
            ) from None
        if not content.strip():
            raise ReadError(f"Included file `{shown}` is empty or does not exist!")
        return source_file(shown, content, Origin())

    def template(self, name: str) -> SourceFile:
        """Read one of GitLab's templates, such as ``Jobs/SAST.gitlab-ci.yml``."""
        if not name.endswith(_TEMPLATE_END):
            raise ReadError(f"Template file `{name}` is not a valid location!")
        content = self._template(name)
        if content is None or not content.strip():
            raise ReadError(f"Included file `{name}` is empty or does not exist!")
        return source_file(name, content, Origin())

    def component(self, address: str) -> SourceFile:
        """Read a component ``host/project/name@version``.

        Other than GitLab, which knows itself alone, any server may be named: the
        project of a developer can have its remote elsewhere.
        """
        match = _COMPONENT.fullmatch(address)
        if match is None:
            raise ReadError(
                f"Component '{address}' - the component path is not supported",
                hint="write host/group/project/name@version",
            )
        host, project, version = match["host"], match["project"], match["version"]
        # The server of the project may lie below a path, which is part of its name.
        own = self._project.server_url.partition("://")[2]
        if f"{host}/{project}/".startswith(f"{own}/"):
            project = f"{host}/{project}".removeprefix(f"{own}/")
            host = None
        try:
            resolved, sha = self._component_version(host, project, version, address)
        except AccessError as error:
            raise ReadError(
                f"Component '{address}' - project does not exist or you don't have"
                " sufficient permissions",
                hint=error.hint,
            ) from None
        origin = Origin(project=project, ref=sha, host=host)
        for path in (
            f"templates/{match['name']}.yml",
            f"templates/{match['name']}/template.yml",
        ):
            content = self.read(origin, path)
            if content is not None and content.strip():
                # GitLab knows the version of a release, not of a branch or a commit.
                component = Component(
                    name=match["name"],
                    sha=sha,
                    version=resolved if is_semantic_version(resolved) else None,
                    reference=version,
                )
                return source_file(address, content, origin, component)
        raise ReadError(f"Component '{address}' - content not found")

    def _checkout(self, project: str) -> Checkout | None:
        if project == self._project.path and self._project.git is not None:
            return self._own
        folder = self._project.settings.projects.get(project)
        if folder is None:
            return None
        if project not in self._checkouts:
            root = Path(folder)
            origin = self._project.settings.origins.get(f"projects.{project}", "")
            # A repository may name its neighbours, not any folder of its reader.
            needs_git = origin.startswith(REPOSITORY_FILE)
            if not root.is_dir() or (needs_git and not (root / ".git").exists()):
                raise ReadError(
                    f"Project `{project}` not found or access denied! Make sure any "
                    "includes in the pipeline configuration are correctly defined.",
                    hint=f"the settings name {folder}, which is no git checkout",
                )
            self._checkouts[project] = Checkout(
                root=root, environ=self._project.environ
            )
        return self._checkouts[project]

    def _component_version(
        self, host: str | None, project: str, version: str, address: str
    ) -> tuple[str, str]:
        """Return the tag, branch or commit that a version means, and its commit."""
        checkout = self._checkout(project)
        partial = version == "~latest" or _PARTIAL_VERSION.fullmatch(version)
        if checkout is not None:
            names = semantic_versions(checkout.tags(), version) if partial else []
            for name in (*names[:1], version):
                if sha := checkout.commit_of(name):
                    return name, sha
            if version == "~latest" and not names:
                # No version yet: its developer tries what is checked out.
                return checkout.sha or "HEAD", checkout.sha
        else:
            api = self._api(host)
            names = semantic_versions(api.releases(project), version) if partial else []
            if names or version != "~latest":
                name = names[0] if names else version
                if (found := api.find_commit(project, name)) is not None:
                    return name, found
        raise ReadError(
            f"Component '{address}' - content not found",
            hint=f'"{project}" has no version "{version}"',
        )

    def _template(self, name: str) -> bytes | None:
        settings = self._project.settings.include
        if settings.templates is not None:
            folder = (self._project.root / settings.templates).expanduser()
            return Checkout(root=folder, environ=self._project.environ).read(name)
        api = GitlabApi(
            url=_GITLAB,
            token=_token_for(self._project, _GITLAB),
            fetcher=self._fetcher,
            cache=self._cache,
        )
        sha = api.commit(_TEMPLATE_PROJECT, settings.templates_ref)
        return api.file(_TEMPLATE_PROJECT, f"{_TEMPLATE_FOLDER}/{name}", sha)

    def _api(self, host: str | None) -> GitlabApi:
        url = self._project.server_url if host is None else f"https://{host}"
        if host is None and not self._project.has_remote:
            raise ReadError(
                "the GitLab server of this project is not known",
                hint="add a git remote, set SPOTCI_GITLAB_URL, or name local checkouts "
                'in .spotci.toml: [projects] "group/project" = "../project"',
            )
        return GitlabApi(
            url=url,
            token=_token_for(self._project, url),
            fetcher=self._fetcher,
            cache=self._cache,
        )

    @cached_property
    def _cache(self) -> IncludeCache:
        settings = self._project.settings.include
        return IncludeCache(
            folder=cache_folder(self._project.environ),
            ttl=settings.ttl.total_seconds(),
            offline=settings.offline,
        )

    @cached_property
    def _fetcher(self) -> Fetcher:
        return _fetcher_for(self._project)


def memory_api(project: Project) -> GitlabApi:
    """Return the server of a project; nothing that it answers is kept on disk."""
    return GitlabApi(
        url=project.server_url,
        token=_token_for(project, project.server_url),
        fetcher=_fetcher_for(project),
        cache=IncludeCache(folder=None, ttl=0),
    )


def _token_for(project: Project, url: str) -> str | None:
    # The remote may be anybody's server: a token goes only where its owner said.
    settings = project.settings.gitlab
    owner = (settings.url or _GITLAB).rstrip("/")
    if url.rstrip("/") != owner:
        return None
    if settings.token is not None:
        return settings.token
    return project.environ.get(settings.token_variable or "")


def _fetcher_for(project: Project) -> Fetcher:
    settings = project.settings
    allowed = set(settings.include.allow_hosts)
    if settings.gitlab.url is not None:
        # The user's own server may stand in the local network.
        allowed.add(f"{project.remote.host}:{project.remote.port}")
    return Fetcher(
        environ=project.environ,
        allow_http=settings.include.allow_http,
        allow_hosts=frozenset(allowed),
        timeout=settings.include.timeout.total_seconds(),
    )


def _verified(content: bytes, integrity: str | None, shown: str) -> bytes:
    if integrity is None:
        return content
    kind, _, expected = integrity.partition("-")
    actual = base64.b64encode(sha256(content).digest()).decode()
    if kind != "sha256" or not hmac.compare_digest(actual, expected):
        raise ReadError(
            f"Remote file `{shown}` does not match its integrity!",
            hint=f"the content has sha256-{actual}",
        )
    return content


def _fetch_hint(error: FetchError, authority: str) -> str | None:
    if "only https" in str(error):
        return "to allow it: SPOTCI_INCLUDE_ALLOW_HTTP=true"
    if "not allowed" in str(error):
        return f"to allow it: SPOTCI_INCLUDE_ALLOW_HOSTS={authority.rpartition('@')[2]}"
    return None
