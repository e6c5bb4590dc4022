"""Files of variables that are read without being asked, and those that are named.

In the order of precedence, the weakest first:

================================== ==================================================
``~/.gitlab-ci-local/variables.yml`` ``global`` as instance, ``group`` as group,
                                     ``project`` as project variables
``secrets.toml`` of the user         project variables, masked
``.gitlab-ci-local-variables.yml``   project variables, YAML or ``KEY=VALUE``
``.gitlab-ci-local-env.dind``        project variables
``variables.files`` of the settings  project variables
``.spotci.env``                      project variables
``--env-file``                       project variables
``.gitlab-ci-local-env``             ``VARIABLE`` as pipeline variables
``GCL_VARIABLE``                     pipeline variables
``--variable``                       pipeline variables
================================== ==================================================

Values for ``spec:inputs`` stand in ``.gitlab-ci-local-inputs.yml``, in the option
``INPUT`` of the same files, and in ``--input``.
"""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import ConfigWarning, UsageError
from spotci.project.dotenv import parse_pairs, read_pairs
from spotci.project.load_settings import REPOSITORY_FILE
from spotci.project.options_files import HOME_FOLDER, OPTIONS_FILE, read_options
from spotci.project.secret_sources import read_secrets
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spotci.project.dotenv import Pair
    from spotci.project.options_files import Option
    from spotci.project.project import Project

__all__ = ["FileVariables", "read_env_files"]

_DIND_FILE = ".gitlab-ci-local-env.dind"
_INPUTS_FILE = ".gitlab-ci-local-inputs.yml"
_OWN_FILE = ".spotci.env"


@dataclass(slots=True, kw_only=True)
class FileVariables:
    """What the files hold; ``scoped`` are pairs of environment scope and variable.

    ``unset`` are names of predefined variables that must not exist, ``inputs`` values
    for ``spec:inputs``.
    """

    variables: list[Variable] = field(default_factory=list)
    scoped: list[tuple[str, Variable]] = field(default_factory=list)
    unset: set[str] = field(default_factory=set)
    inputs: dict[str, object] = field(default_factory=dict)
    warnings: list[ConfigWarning] = field(default_factory=list)

    def add(self, variable: Variable, scope: str = "*") -> None:
        """Add a variable, for all environments or for those of a scope."""
        if scope == "*":
            self.variables.append(variable)
        else:
            self.scoped.append((scope, variable))

    def warn(self, message: str) -> None:
        """Add a warning."""
        self.warnings.append(ConfigWarning(message=message))


def read_env_files(project: Project, named: Sequence[str] = ()) -> FileVariables:
    """Read all files of variables of a project, and those that the user named.

    Raises UsageError for a named file that does not exist, and for a file that cannot
    be understood.
    """
    found = FileVariables()
    settings = project.settings
    own = read_secrets(project.path, project.environ)
    for secret in own.secrets:
        found.add(secret.variable, secret.environment)
    found.warnings += own.warnings
    _read_yaml_files(project, found)
    _read_lenient(_own_file(project, _DIND_FILE), found)
    for name in settings.variables.files:
        _read_strict(_own_file(project, name, "variables.files"), name, found)
    _read_strict(_own_file(project, _OWN_FILE), _OWN_FILE, found, optional=True)
    for name in named:
        _read_strict(Path(name), name, found)
    # The folder of a repository may be a link that leads out of it.
    _own_file(project, OPTIONS_FILE)
    _read_options(project, found)
    return found


def _own_file(project: Project, name: str, key: str | None = None) -> Path:
    # What the repository says must not reach out of it, also through a link: a
    # hostile one would read the secrets of its neighbour. The user may.
    path = project.root / name
    origin = project.settings.origins.get(key or "", REPOSITORY_FILE)
    trusted = not origin.startswith((REPOSITORY_FILE, OPTIONS_FILE))
    if trusted or Path(os.path.realpath(path)).is_relative_to(project.root):
        return path
    raise UsageError(
        f'"{name}" leads out of the repository',
        hint="name the file with --env-file, or in ~/.config/spotci/config.toml",
    )


def _read_yaml_files(project: Project, found: FileVariables) -> None:
    home = project.environ.get("HOME")
    local = _own_file(
        project,
        project.settings.variables.gitlab_ci_local,
        "variables.gitlab_ci_local",
    )
    global_file = Path(home, HOME_FOLDER, "variables.yml") if home else None
    inputs = _own_file(project, _INPUTS_FILE)
    files = (local, inputs, *([global_file] if global_file else []))
    if not any(path.is_file() for path in files):
        return
    # The YAML library is loaded only where there is such a file.
    from spotci.project.variables_files import (  # noqa: PLC0415 - start-up time
        read_home_file,
        read_inputs_file,
        read_local_file,
    )

    if global_file is not None and global_file.is_file():
        read_home_file(project, global_file, found)
    if local.is_file():
        read_local_file(project, local, found)
    if inputs.is_file():
        found.inputs.update(read_inputs_file(inputs))


def _read_lenient(path: Path, found: FileVariables) -> None:
    # A file of another tool: what is no pair there is none of our business.
    for pair in read_pairs(path):
        if pair.name is None:
            found.warn(f"{path.name}:{pair.line}: not KEY=VALUE, ignored")
    _add_pairs(read_pairs(path), path.name, found)


def _read_strict(
    path: Path, name: str, found: FileVariables, *, optional: bool = False
) -> None:
    if not path.is_file():
        if optional:
            return
        raise UsageError(f'env file "{name}" does not exist')
    pairs = read_pairs(path)
    for pair in pairs:
        if pair.name is None:
            raise UsageError(f"{name}:{pair.line}: not KEY=VALUE")
    _add_pairs(pairs, name, found)


def _add_pairs(pairs: Iterable[Pair], name: str, found: FileVariables) -> None:
    for pair in pairs:
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


def _read_options(project: Project, found: FileVariables) -> None:
    for option in read_options(project.root, project.environ):
        match option.name:
            case "VARIABLE":
                for name, value in _assignments(option):
                    found.add(
                        Variable(
                            name=name,
                            value=value,
                            level=Level.PIPELINE,
                            origin=option.origin,
                        )
                    )
            case "UNSET_VARIABLE":
                found.unset.update(option.values)
            case "INPUT":
                for entry in option.values:
                    name, separator, text = entry.partition("=")
                    if separator:
                        found.inputs[name] = text
            case _:
                pass


def _assignments(option: Option) -> Iterator[tuple[str, str]]:
    # In a file a value may have quotes of its own; in the environment it is what it is.
    if option.several:
        for pair in parse_pairs("\n".join(option.values)):
            if pair.name is not None:
                yield pair.name, pair.value
        return
    name, separator, value = option.value.partition("=")
    if separator and name.isidentifier():
        yield name, value
