"""Reads the settings from their sources; see :mod:`spotci.project.settings`."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.project.options_files import read_options
from spotci.project.setting_values import WrongValueError
from spotci.project.settings import SECTIONS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["REPOSITORY_FILE", "load_settings", "user_file"]

REPOSITORY_FILE = ".spotci.toml"
_PREFIX = "SPOTCI_"
#: Variables of the environment that are no settings.
_NO_SETTINGS = frozenset({"SPOTCI_CONFIG"})
_TEST_PREFIX = "SPOTCI_TEST_"
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"\s*\[\s*(?P<name>[^\[\]]+?)\s*\]")
_ASSIGNMENT = re.compile(r"""\s*(?P<name>"[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=""")
#: Options of gitlab-ci-local, as files and the environment have them, and ours.
_GITLAB_CI_LOCAL = {
    "ARTIFACTS_TO_SOURCE": "run.artifacts_to_source",
    "CONCURRENCY": "run.concurrency",
    "DEFAULT_BRANCH": "project.default_branch",
    "DEFAULT_IMAGE": "run.default_image",
    "EVALUATE_RULE_CHANGES": "run.evaluate_changes",
    "FILE": "project.config",
    "PULL_POLICY": "run.pull_policy",
    "TIMESTAMPS": "run.timestamps",
    "VARIABLES_FILE": "variables.gitlab_ci_local",
}


def load_settings(
    root: Path,
    environ: Mapping[str, str],
    *,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Read the settings of a repository at ``root``.

    ``overrides`` maps ``section.key`` to values of the command line. Raises UsageError
    that names the file and line for an unknown key, a wrong value, or a key that a
    repository must not set.
    """
    layer = _Layer()
    for option in read_options(root, environ):
        if (setting := _GITLAB_CI_LOCAL.get(option.name)) is not None:
            layer.put(setting, option.value, option.origin)
    user = user_file(environ)
    if user is not None:
        _read_toml(user, str(user), layer, trusted=True)
    _read_toml(root / REPOSITORY_FILE, REPOSITORY_FILE, layer, trusted=False)
    _read_environment(environ, layer)
    for key, value in (overrides or {}).items():
        layer.put(key, value, "command line")
    return layer.settings()


def user_file(environ: Mapping[str, str]) -> Path | None:
    """Return where the user's own file is, or would be; None without a home."""
    if explicit := environ.get("SPOTCI_CONFIG"):
        return Path(explicit)
    if folder := environ.get("XDG_CONFIG_HOME"):
        return Path(folder) / "spotci" / "config.toml"
    if home := environ.get("HOME"):
        return Path(home) / ".config" / "spotci" / "config.toml"
    return None


@dataclass(slots=True)
class _Layer:
    """The values so far; a later ``put`` replaces an earlier one."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: object, origin: str) -> None:
        """Check and store a value; raises UsageError."""
        section, _, name = key.partition(".")
        known = _keys(section)
        if name not in known:
            raise UsageError(
                f'{origin}: unknown setting "{key}"',
                hint=_did_you_mean(key, (f"{section}.{word}" for word in known)),
            )
        try:
            typed = known[name].metadata["read"](value)
        except WrongValueError as error:
            raise UsageError(f"{origin}: {key} {error}") from None
        self.values.setdefault(section, {})[name] = typed
        self.origins[key] = origin

    def settings(self) -> Settings:
        """Return the result."""
        sections = {
            name: kind(**self.values.get(name, {})) for name, kind in SECTIONS.items()
        }
        return Settings(
            **sections,
            projects=MappingProxyType(self.projects),
            origins=MappingProxyType(self.origins),
        )


def _keys(section: str) -> dict[str, dataclasses.Field[Any]]:
    kind = SECTIONS.get(section)
    return {} if kind is None else {key.name: key for key in dataclasses.fields(kind)}


def _read_toml(path: Path, name: str, layer: _Layer, *, trusted: bool) -> None:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: cannot be read: {error}") from None
    document = _parse(content, name)
    lines = _lines(content)
    for section, values in document.items():
        place = _at(name, lines.get(section))
        if section != "projects" and section not in SECTIONS:
            raise UsageError(
                f'{place}: unknown section "{section}"',
                hint=_did_you_mean(section, (*SECTIONS, "projects")),
            )
        if not isinstance(values, dict):
            raise UsageError(f'{place}: "{section}" must be a section: [{section}]')
        for key, value in values.items():
            full = f"{section}.{key}"
            origin = _at(name, lines.get(full))
            if section == "projects":
                _put_project(layer, key, value, origin, path.parent)
                continue
            if not trusted:
                _refuse_untrusted(section, key, origin)
            layer.put(full, value, origin)


def _parse(content: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        match = _PLACE.search(message)
        if match is None or match[1] is None:
            raise UsageError(f"{name}: {message}") from None
        text = message[: match.start()]
        raise UsageError(f"{name}:{match[1]}:{match[2]}: {text}") from None


def _lines(content: str) -> dict[str, int]:
    # tomllib keeps no places. Keys of ours are plain, so that this finds them all;
    # at worst an error names the file alone.
    found: dict[str, int] = {}
    section = ""
    for number, line in enumerate(content.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = header["name"].strip("\"'")
            found.setdefault(section, number)
        elif assignment := _ASSIGNMENT.match(line):
            name = assignment["name"].strip("\"'")
            found.setdefault(f"{section}.{name}" if section else name, number)
    return found


def _put_project(
    layer: _Layer, project: str, folder: object, origin: str, base: Path
) -> None:
    if not isinstance(folder, str) or not folder:
        raise UsageError(f'{origin}: projects."{project}" must be a path')
    layer.projects[project] = str((base / Path(folder).expanduser()).resolve())
    layer.origins[f"projects.{project}"] = origin


def _refuse_untrusted(section: str, key: str, origin: str) -> None:
    known = _keys(section)
    if key in known and known[key].metadata["trusted"]:
        variable = f"{_PREFIX}{section}_{key}".upper()
        raise UsageError(
            f"{origin}: a repository must not set {section}.{key}",
            hint=f"set it in ~/.config/spotci/config.toml, or by {variable}",
        )


def _read_environment(environ: Mapping[str, str], layer: _Layer) -> None:
    names = {
        f"{_PREFIX}{section}_{key}".upper(): f"{section}.{key}"
        for section in SECTIONS
        for key in _keys(section)
    }
    for variable, value in sorted(environ.items()):
        if not variable.startswith(_PREFIX) or variable.startswith(_TEST_PREFIX):
            continue
        if variable in _NO_SETTINGS:
            continue
        if variable not in names:
            raise UsageError(
                f"unknown setting {variable} in the environment",
                hint=_did_you_mean(variable, names),
            )
        layer.put(names[variable], value, variable)


def _at(name: str, line: int | None) -> str:
    return name if line is None else f"{name}:{line}"


def _did_you_mean(word: str, known: Iterable[str]) -> str | None:
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
