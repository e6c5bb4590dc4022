"""The YAML files of variables of gitlab-ci-local, as its README documents them.

The file of a project maps names to values; that of the user has three sections::

    project:
      gitlab.com/group/project.git: {NAME: value}
    group:
      gitlab.com/group/: {NAME: value}
    global:
      NAME: value

A value is a text, or ``{type: variable | file, values: {<environment>: text}}``. A text
that is the path of a file, beginning with ``/`` or ``~``, makes a file variable with
the content of that file. Two attributes are ours, named as GitLab's API names them:
``masked`` hides the values in logs, ``raw`` keeps them from expansion.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.project.dotenv import parse_pairs
from spotci.project.git import GitCommandError
from spotci.project.masking import SHORTEST_SECRET
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from spotci.project.envfiles import FileVariables
    from spotci.project.project import Project

__all__ = ["read_home_file", "read_inputs_file", "read_local_file"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_KEYS = ("type", "values", "masked", "raw")


def read_home_file(project: Project, path: Path, found: FileVariables) -> None:
    """Read the user's file: what it has for all, for the groups, for the project."""
    reader = _Reader(project=project, path=path, name=path.name, found=found)
    root = reader.document(_text(path))
    if root is None:
        return
    sections = dict(reader.entries(root))
    where = f"/{project.remote.host}/{project.path}/"
    if section := sections.get("global"):
        reader.add_all(section, Level.INSTANCE)
    for key, node in reader.section(sections.get("group")):
        if f"/{_normalised(key)}/" in where.removesuffix(f"{_name(project)}/"):
            reader.add_all(node, Level.GROUP)
    for key, node in reader.section(sections.get("project")):
        if where.endswith(f"/{_normalised(key)}/"):
            reader.add_all(node, Level.PROJECT)


def read_local_file(project: Project, path: Path, found: FileVariables) -> None:
    """Read the project's file; one that is not YAML holds ``KEY=VALUE`` lines."""
    name = project.settings.variables.gitlab_ci_local
    reader = _Reader(project=project, path=path, name=name, found=found)
    text = _text(path)
    root = reader.document(text, lines_allowed=True)
    if root is not None:
        reader.add_all(root, Level.PROJECT)
        return
    for pair in parse_pairs(text):
        if pair.name is not None:
            found.add(
                Variable(
                    name=pair.name,
                    value=pair.value,
                    level=Level.PROJECT,
                    expand=not pair.raw,
                    origin=f"{name}:{pair.line}",
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attributes:
    """What a map says of a variable beside its values."""

    file: bool
    masked: bool
    raw: bool


def read_inputs_file(path: Path) -> dict[str, object]:
    """Read values for ``spec:inputs``, with the types that YAML gives them.

    Raises UsageError for a file that is no map of names.
    """
    try:
        document = YAML(typ="safe").load(_text(path))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path.name}:{mark.line + 1}" if mark else path.name
        raise UsageError(f"{place}: not YAML") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UsageError(f"{path.name}: must be a map of inputs")
    return {str(name): value for name, value in document.items()}


@dataclass(slots=True, kw_only=True)
class _Reader:
    project: Project
    path: Path
    name: str
    found: FileVariables

    def document(self, text: str, *, lines_allowed: bool = False) -> Any:  # noqa: ANN401 - ruamel.yaml has no types
        try:
            node = YAML(typ="safe").compose(text)
        except YAMLError as error:
            if lines_allowed and _looks_like_lines(text):
                return None
            mark = getattr(error, "problem_mark", None)
            place = f"{self.name}:{mark.line + 1}" if mark else self.name
            problem = getattr(error, "problem", None) or "not YAML"
            raise UsageError(f"{place}: {problem}") from None
        if node is None or isinstance(node, MappingNode):
            return node
        if lines_allowed and isinstance(node, ScalarNode):
            return None
        raise self.error(node, "must be a map of variables")

    def error(self, node: Any, message: str) -> UsageError:  # noqa: ANN401 - as above
        return UsageError(f"{self.name}:{node.start_mark.line + 1}: {message}")

    def entries(self, node: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - as above
        if isinstance(node, ScalarNode) and node.tag == _NULL:
            return []
        if not isinstance(node, MappingNode):
            raise self.error(node, "must be a map")
        return [(str(key.value), value) for key, value in node.value]

    def section(self, node: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - as above
        return [] if node is None else self.entries(node)

    def add_all(self, node: Any, level: Level) -> None:  # noqa: ANN401 - as above
        for name, value in self.entries(node):
            if not _NAME.fullmatch(name):
                raise self.error(value, f'"{name}" is no name of a variable')
            self._add(name, value, level)

    def _add(self, name: str, node: Any, level: Level) -> None:  # noqa: ANN401 - as above
        if isinstance(node, ScalarNode):
            self._add_value(name, node, level, said=None, scope="*")
            return
        parts = dict(self.entries(node))
        line = node.start_mark.line + 1
        for key in (key for key in parts if key not in _KEYS):
            self.found.warn(f'{self.name}:{line}: {name}: unknown key "{key}", ignored')
        kind = parts["type"].value if "type" in parts else "variable"
        if kind not in {"variable", "file"}:
            raise self.error(node, f"{name}: type must be variable or file")
        if "values" not in parts:
            raise self.error(node, f"{name}: must be a text or have values")
        said = _Attributes(
            file=kind == "file",
            masked=self._switch(name, "masked", parts.get("masked")),
            raw=self._switch(name, "raw", parts.get("raw")),
        )
        for scope, value in self.entries(parts["values"]):
            self._add_value(name, value, level, said=said, scope=scope)

    def _switch(self, name: str, key: str, node: Any) -> bool:  # noqa: ANN401 - as above
        if node is None:
            return False
        if not isinstance(node, ScalarNode) or node.tag != _BOOL:
            raise self.error(node, f"{name}: {key} must be true or false")
        return bool(node.value.lower() == "true")

    def _add_value(
        self,
        name: str,
        node: Any,  # noqa: ANN401 - as above
        level: Level,
        *,
        said: _Attributes | None,
        scope: str,
    ) -> None:
        if not isinstance(node, ScalarNode):
            raise self.error(node, f"{name}: must be a text")
        # The text as it is written: a variable of GitLab has no other type.
        value = "" if node.tag == _NULL else str(node.value)
        if said is None:
            content = self._file_content(name, value)
            value = value if content is None else content
            said = _Attributes(file=content is not None, masked=False, raw=False)
        origin = f"{self.name}:{node.start_mark.line + 1}"
        short = len(value) < SHORTEST_SECRET
        if said.masked and short:
            self.found.warn(
                f"{origin}: {name}: fewer than {SHORTEST_SECRET} characters: it is"
                " not masked"
            )
        variable = Variable(
            name=name,
            value=value,
            level=level,
            expand=not said.raw,
            file=said.file,
            masked=said.masked and not short,
            origin=origin,
        )
        self.found.add(variable, scope)

    def _file_content(self, name: str, value: str) -> str | None:
        if not value.startswith(("/", "~/")) or "\n" in value or "\0" in value:
            return None
        home = self.project.environ.get("HOME", "/")
        path = Path(home, value[2:]) if value.startswith("~/") else Path(value)
        try:
            if not path.is_file():
                return None
            if self._came_with_repository() and not self._inside(path):
                self.found.warn(
                    f"{self.name}: {name} names a file outside of the repository; it "
                    "is not read, since this file is part of the repository"
                )
                return None
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{self.name}: {name}: {value} cannot be read: {error}"
            ) from None

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.project.root)

    def _came_with_repository(self) -> bool:
        # A hostile repository could ask for ~/.ssh/id_rsa; the developer's own file,
        # which git does not know, may.
        if self.project.git is None or not self._inside(self.path):
            return False
        try:
            self.project.git_output("ls-files", "--error-unmatch", "--", str(self.path))
        except GitCommandError:
            return False
        return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: cannot be read: {error}") from None


def _looks_like_lines(text: str) -> bool:
    pairs = parse_pairs(text)
    return bool(pairs) and all(pair.name is not None for pair in pairs)


def _normalised(key: str) -> str:
    return key.replace(":", "/").removesuffix(".git").strip("/")


def _name(project: Project) -> str:
    return project.path.rpartition("/")[2]
