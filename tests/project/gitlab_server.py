"""A GitLab in memory: the part of its REST API that includes need.

The paths, statuses and bodies are those of GitLab's API documentation: "Projects",
"Commits", "Repository files", "Repositories" and "Releases".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.project.servers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN", "FakeGitlab", "FakeProject"]

TOKEN = "glpat-canary"


@dataclass
class FakeProject:
    """A project: ``refs`` are names to commits, ``commits`` hold files by path."""

    private: bool = False
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    releases: list[str] = field(default_factory=list)
    namespace: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, str], *refs: str) -> str:
        """Add a commit that is HEAD and all the refs; return its id."""
        content = json.dumps([files, sorted(self.commits)])
        sha = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = files
        self.refs.update(dict.fromkeys(("HEAD", *refs), sha))
        return sha

    def files(self, ref: str) -> dict[str, str] | None:
        """Return the files of a ref or a commit."""
        return self.commits.get(self.refs.get(ref, ref))


@dataclass
class FakeGitlab:
    """Projects by path; ``renamed`` leads from an old path to the present one.

    ``root`` is the path that the server lies below, such as ``/gitlab``. Projects in
    ``ill``, and owners of variables, are answered for by a proxy in front of the
    server, with an error page.
    """

    root: str = ""
    projects: dict[str, FakeProject] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    ill: set[str] = field(default_factory=set)
    #: Lists of variables by ``groups/path`` or ``projects/path``; others are refused.
    variables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def answer(self, url: str, headers: Mapping[str, str]) -> Answer | None:
        """Return the answer to a GET of a path with its query; None is no API."""
        parts, prefix = urlsplit(url), f"{self.root}/api/v4/projects/"
        if parts.path.endswith("/variables"):
            return self._variables(parts.path, parts.query)
        if not parts.path.startswith(prefix):
            return None
        token = headers.get("PRIVATE-TOKEN")
        if token not in (None, TOKEN):
            return _message(401, "401 Unauthorized")
        name, _, what = parts.path.removeprefix(prefix).partition("/")
        path = unquote(name)
        if path in self.ill:
            return Answer(b"<html>502 Bad Gateway</html>", 502)
        if path in self.renamed:
            moved = url.replace(name, self.renamed[path].replace("/", "%2F"), 1)
            return Answer(status=301, headers={"Location": moved})
        project = self.projects.get(path)
        if project is None or (project.private and token is None):
            # A stranger is not told that the project exists.
            return _message(404, "404 Project Not Found")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return _of_project(project, what, query)

    def _variables(self, path: str, query: str) -> Answer:
        place = path.removeprefix(f"{self.root}/api/v4/").removesuffix("/variables")
        if unquote(place) in self.ill:
            return Answer(b"<html>502 Bad Gateway</html>", 502)
        entries = self.variables.get(unquote(place))
        if entries is None:
            return _message(403, "403 Forbidden")
        return _page(entries, {k: v[0] for k, v in parse_qs(query).items()})


def _of_project(project: FakeProject, what: str, query: Mapping[str, str]) -> Answer:
    match what.split("/"):
        case [""]:
            return _json({"id": 1, "namespace": project.namespace})
        case ["repository", "commits", ref]:
            found = project.refs.get(unquote(ref), unquote(ref))
            if found in project.commits:
                return _json({"id": found, "short_id": found[:8]})
            return _message(404, "404 Commit Not Found")
        case ["repository", "files", path, "raw"]:
            files = project.files(query["ref"]) or {}
            text = files.get(unquote(path))
            if text is None:
                return _message(404, "404 File Not Found")
            return Answer(text.encode())
        case ["repository", "tree"]:
            files = project.files(query["ref"]) or {}
            entries = [{"path": each, "type": "blob"} for each in sorted(files)]
            return _page(entries, query)
        case ["releases"]:
            return _page([{"tag_name": tag} for tag in project.releases], query)
        case _:
            return _message(404, "404 Not Found")


def _page(entries: list[dict[str, Any]], query: Mapping[str, str]) -> Answer:
    size, number = int(query["per_page"]), int(query["page"])
    return _json(entries[(number - 1) * size : number * size])


def _json(value: Any, status: int = 200) -> Answer:
    headers = {"Content-Type": "application/json"}
    return Answer(json.dumps(value).encode(), status, headers)


def _message(status: int, text: str) -> Answer:
    return _json({"message": text}, status)
