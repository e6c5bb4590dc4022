"""Asks a GitLab server for files and lists of projects (REST API, version 4)."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from spotci.dataclass import dataclass
from spotci.errors import ReadError
from spotci.project.fetch import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.project.fetch import Fetcher
    from spotci.project.include_cache import IncludeCache

__all__ = ["AccessError", "GitlabApi"]

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NOT_FOUND = 404
_REFUSED = frozenset({401, 403, _NOT_FOUND})
#: Pages of a listing that are read at most; each has 100 entries.
_PAGES = 200
_TOKEN_HINT = (
    "a private project needs a token: SPOTCI_GITLAB_URL and SPOTCI_GITLAB_TOKEN; "  # noqa: S105 - no token
    "or name a local checkout in .spotci.toml: "
)


class AccessError(ReadError):
    """A project does not exist, or the token does not open it: servers do not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitlabApi:
    """A server at ``url``; the token, if any, is sent to it alone."""

    url: str
    token: str | None
    fetcher: Fetcher
    cache: IncludeCache

    def commit(self, project: str, ref: str | None) -> str:
        """Return the commit of a ref, of the default branch where it is None.

        Raises AccessError where the project, and ReadError where the ref does not
        exist.
        """
        sha = self.find_commit(project, ref)
        if sha is None:
            raise ReadError(f"Project `{project}` reference `{ref}` does not exist!")
        return sha

    def find_commit(self, project: str, ref: str | None) -> str | None:
        """Return the commit of a ref, or None where there is none in the project."""
        if ref is not None and _SHA.fullmatch(ref):
            return ref
        name = quote(ref or "HEAD", safe="")
        try:
            found = self._json(f"{_project(project)}/repository/commits/{name}")
        except FetchError as error:
            if error.status not in _REFUSED:
                raise _failed(project, error) from None
            self._check_project(project)
            return None
        sha = found.get("id") if isinstance(found, dict) else None
        if not isinstance(sha, str) or not _SHA.fullmatch(sha):
            raise ReadError(f"Project `{project}` gave an answer that is no commit!")
        return sha

    def file(self, project: str, path: str, sha: str) -> bytes | None:
        """Return a file of a commit, or None where there is no such file."""
        place = f"{_project(project)}/repository/files/{quote(path, safe='')}/raw"
        try:
            return self._get(f"{place}?{urlencode({'ref': sha})}", immutable=True)
        except FetchError as error:
            if error.status == _NOT_FOUND:
                return None
            raise _failed(project, error) from None

    def files(self, project: str, sha: str) -> list[str]:
        """Return the paths of all files of a commit."""
        entries = self._pages(
            project, "repository/tree", {"ref": sha, "recursive": "true"}
        )
        return [str(entry["path"]) for entry in entries if entry.get("type") == "blob"]

    def releases(self, project: str) -> list[str]:
        """Return the tags of the releases of a project."""
        entries = self._pages(project, "releases", {})
        return [str(entry["tag_name"]) for entry in entries if "tag_name" in entry]

    def _pages(
        self, project: str, what: str, parameters: dict[str, str]
    ) -> Sequence[dict[str, Any]]:
        try:
            return self.listing("projects", project, what, parameters)
        except FetchError as error:
            if error.status in _REFUSED:
                raise _denied(project) from None
            raise _failed(project, error) from None

    def about(self, kind: str, path: str) -> Any:  # noqa: ANN401 - what a server answers
        """Return what the server tells of one of ``projects``; raises FetchError."""
        return self._json(f"{kind}/{quote(path, safe='')}")

    def listing(
        self,
        kind: str,
        path: str,
        what: str,
        parameters: Mapping[str, str] = MappingProxyType({}),
    ) -> Sequence[dict[str, Any]]:
        """Return all pages of a list of one of ``projects`` or ``groups``.

        Raises FetchError.
        """
        entries: list[dict[str, Any]] = []
        for page in range(1, _PAGES + 1):
            query = urlencode({**parameters, "per_page": "100", "page": str(page)})
            found = self._json(f"{kind}/{quote(path, safe='')}/{what}?{query}")
            if not isinstance(found, list) or not found:
                break
            entries += [entry for entry in found if isinstance(entry, dict)]
        return entries

    def _check_project(self, project: str) -> None:
        try:
            self._json(_project(project))
        except FetchError as error:
            if error.status in _REFUSED:
                raise _denied(project) from None
            raise _failed(project, error) from None

    def _json(self, path: str) -> Any:  # noqa: ANN401 - what a server answers
        body = self._get(path, immutable=False)
        try:
            return json.loads(body)
        except ValueError:
            raise FetchError("an answer that is not JSON") from None

    def _get(self, path: str, *, immutable: bool) -> bytes:
        url = f"{self.url}/api/v4/{path}"
        headers = {"PRIVATE-TOKEN": self.token} if self.token else {}
        return self.cache.get(
            url, lambda: self.fetcher.get(url, headers).body, immutable=immutable
        )


def _project(project: str) -> str:
    return f"projects/{quote(project, safe='')}"


def _denied(project: str) -> AccessError:
    return AccessError(
        f"Project `{project}` not found or access denied! Make sure any includes in "
        "the pipeline configuration are correctly defined.",
        hint=f'{_TOKEN_HINT}[projects] "{project}" = "../{project.rpartition("/")[2]}"',
    )


def _failed(project: str, error: FetchError) -> ReadError:
    return ReadError(
        f"Project `{project}` could not be read because of {error}!",
        hint=f'a local checkout can stand in: [projects] "{project}" = "../…"',
    )
