"""Secrets of the user's own, taken from where they are kept: ``secrets.toml``.

The file lies beside the user's settings, is never read from a repository, and holds
references rather than values. Its tables are patterns of project paths::

    ["acme/*"]
    NPM_TOKEN   = { env = "MY_NPM_TOKEN" }
    DEPLOY_KEY  = { file = "~/.ssh/deploy", type = "file" }
    DB_PASSWORD = { command = ["pass", "show", "acme/db"], environment = "production" }
    API_TOKEN   = { keyring = "gitlab", user = "ada" }

Each becomes a masked project variable, for all environments or those of a scope. The
values live in memory alone.
"""

from __future__ import annotations

import stat
import subprocess
import tomllib
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.errors import ConfigWarning, UsageError
from spotci.project.load_settings import user_file
from spotci.project.masking import SHORTEST_SECRET
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Secret", "SecretsFile", "read_secrets", "secrets_file"]

#: Seconds for a command: it may ask the user to unlock something.
_PATIENCE = 120
_SOURCES = ("env", "file", "command", "keyring")
_KEYS = frozenset({*_SOURCES, "user", "type", "environment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret variable and the scope of environments that it is for."""

    variable: Variable
    environment: str = "*"


@dataclass(slots=True)
class SecretsFile:
    """What the file gives to a project."""

    secrets: list[Secret] = field(default_factory=list)
    warnings: list[ConfigWarning] = field(default_factory=list)


def secrets_file(environ: Mapping[str, str]) -> Path | None:
    """Return where the file is, or would be; None without a home."""
    settings = user_file(environ)
    return None if settings is None else settings.with_name("secrets.toml")


def read_secrets(project_path: str, environ: Mapping[str, str]) -> SecretsFile:
    """Read the secrets of a project; of one name the last in the file wins.

    Raises UsageError, which names the file and the variable and never a value, for what
    cannot be understood or had, and for a file that others may write.
    """
    found = SecretsFile()
    path = secrets_file(environ)
    if path is None or not path.is_file():
        return found
    _check_owner(path)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise UsageError(f"{path}: {fault}") from None
    for pattern, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"{path}: {pattern} must be a table of a pattern of projects",
                hint='write: ["*"] above it, for all projects',
            )
        if fnmatchcase(project_path, pattern):
            for name, entry in table.items():
                _add(found, name, entry, path, environ)
    return found


def _check_owner(path: Path) -> None:
    # Whoever writes the file runs commands as the user.
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(
            f"{path} can be written by others", hint=f"try: chmod go-w {path}"
        )


def _add(
    found: SecretsFile,
    name: str,
    entry: object,
    path: Path,
    environ: Mapping[str, str],
) -> None:
    where = f"{path}: {name}"
    if not isinstance(entry, dict):
        raise UsageError(
            f"{where} must say where the value is",
            hint=f'write: {name} = {{ env = "…" }}, or file, command, keyring',
        )
    unknown = entry.keys() - _KEYS
    sources = [source for source in _SOURCES if source in entry]
    if unknown or len(sources) != 1:
        what = f'unknown key "{min(unknown)}"' if unknown else "needs one source"
        raise UsageError(f"{where}: {what}", hint="sources: " + ", ".join(_SOURCES))
    (source,) = sources
    value = _READERS[source](entry, where, environ)
    if not value:
        raise UsageError(f"{where}: {source} gives nothing")
    if len(value) < SHORTEST_SECRET:
        text = f"{where}: fewer than {SHORTEST_SECRET} characters: it is not masked"
        found.warnings.append(ConfigWarning(message=text))
    variable = Variable(
        name=name,
        value=value,
        level=Level.PROJECT,
        # A password with a "$" is no reference.
        expand=False,
        file=entry.get("type") == "file",
        masked=len(value) >= SHORTEST_SECRET,
        origin=f"{path.name}: {source}",
    )
    environment = str(entry.get("environment", "*"))
    found.secrets.append(Secret(variable=variable, environment=environment))


def _from_env(entry: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> str:
    name = str(entry["env"])
    if name not in environ:
        raise UsageError(f"{where}: {name} is not in the environment")
    return environ[name]


def _from_file(entry: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "/")
    name = str(entry["file"])
    path = Path(home, name[2:]) if name.startswith("~/") else Path(name)
    if not path.is_absolute():
        raise UsageError(f"{where}: {name} must be absolute, or begin with ~/")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
        raise UsageError(f"{where}: {name}: {reason}") from None
    return text if entry.get("type") == "file" else text.removesuffix("\n")


def _from_command(
    entry: Mapping[str, Any], where: str, environ: Mapping[str, str]
) -> str:
    command = entry["command"]
    if not isinstance(command, list) or not command:
        raise UsageError(f'{where}: command must be a list: ["pass", "show", "…"]')
    words = [str(word) for word in command]
    try:
        # The user's own command, from a file that nobody else writes; no shell.
        done = subprocess.run(
            words,
            env=dict(environ),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "took too long"
        raise UsageError(f"{where}: {words[0]}: {reason}") from None
    if done.returncode:
        # What it printed may hold secrets.
        raise UsageError(f"{where}: {words[0]} ended with exit code {done.returncode}")
    return done.stdout.decode("utf-8", "replace").removesuffix("\n")


def _from_keyring(
    entry: Mapping[str, Any], where: str, environ: Mapping[str, str]
) -> str:
    del environ
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow
        from keyring.errors import KeyringError  # noqa: PLC0415 - the same
    except ImportError:
        raise UsageError(
            f"{where}: the keyring needs an extra", hint="pip install spotci[keyring]"
        ) from None
    service, user = str(entry["keyring"]), str(entry.get("user", ""))
    try:
        value = keyring.get_password(service, user)
    except KeyringError as fault:
        raise UsageError(f"{where}: the keyring fails: {fault}") from None
    if value is None:
        raise UsageError(f'{where}: the keyring has nothing of "{service}", "{user}"')
    return str(value)


_READERS = {
    "env": _from_env,
    "file": _from_file,
    "command": _from_command,
    "keyring": _from_keyring,
}
