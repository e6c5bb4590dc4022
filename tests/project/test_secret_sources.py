from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from spotci.errors import UsageError
from spotci.project import ContextOptions, make_context
from spotci.project.secret_sources import read_secrets, secrets_file
from spotci.variables import Level, effective

if TYPE_CHECKING:
    from pathlib import Path

    from tests.project.repositories import GitFolder

SECRET = "c0rrect-horse"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MINE": SECRET}


def written(environ: dict[str, str], text: str) -> Path:
    path = secrets_file(environ)
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def values(environ: dict[str, str], text: str) -> dict[str, str]:
    written(environ, text)
    found = read_secrets("acme/web", environ)
    return {item.variable.name: item.variable.value for item in found.secrets}


def test_without_a_file_there_are_none(environ: dict[str, str]) -> None:
    assert read_secrets("acme/web", environ).secrets == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param('{ env = "MINE" }', SECRET, id="environment"),
        pytest.param('{ file = "~/kept" }', "from a file", id="file"),
        pytest.param(
            '{ file = "~/kept", type = "file" }', "from a file\n", id="file variable"
        ),
        pytest.param(
            '{ command = ["printf", "%s\\n", "a $HOME; b"] }',
            "a $HOME; b",
            id="command",
        ),
    ],
)
def test_values_come_from_where_they_are_kept(
    environ: dict[str, str], tmp_path: Path, entry: str, expected: str
) -> None:
    (tmp_path / "kept").write_text("from a file\n")

    assert values(environ, f'["*"]\nSECRET = {entry}') == {"SECRET": expected}


def test_a_keyring_is_asked(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    kept = {("gitlab", "ada"): SECRET}
    keyring.get_password = lambda service, user: kept.get((service, user))  # type: ignore[attr-defined]
    errors.KeyringError = RuntimeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)

    text = '["*"]\nTOKEN = { keyring = "gitlab", user = "ada" }'
    assert values(environ, text) == {"TOKEN": SECRET}
    with pytest.raises(UsageError, match=r'the keyring has nothing of "x", ""'):
        values(environ, '["*"]\nTOKEN = { keyring = "x" }')


def test_without_the_extra_the_keyring_is_told(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(UsageError) as caught:
        values(environ, '["*"]\nTOKEN = { keyring = "x" }')

    assert str(caught.value).endswith(
        "TOKEN: the keyring needs an extra\npip install spotci[keyring]"
    )


def test_tables_are_for_projects(environ: dict[str, str]) -> None:
    text = '["*"]\nA = { env = "MINE" }\n["acme/*"]\nB = { env = "MINE" }\n'

    assert values(environ, text + '["other/*"]\nC = { env = "NONE" }') == {
        "A": SECRET,
        "B": SECRET,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A = 1", "A must be a table of a pattern of projects"),
        ('["*"]\nA = "value"', "A must say where the value is"),
        ('["*"]\nA = { vault = "x" }', 'A: unknown key "vault"'),
        ('["*"]\nA = { env = "MINE", file = "/x" }', "A: needs one source"),
        ('["*"]\nA = { env = "NONE" }', "A: NONE is not in the environment"),
        ('["*"]\nA = { file = "kept" }', "A: kept must be absolute, or begin with ~/"),
        ('["*"]\nA = { file = "/none" }', "A: /none: No such file or directory"),
        ('["*"]\nA = { command = "pass" }', "A: command must be a list"),
        ('["*"]\nA = { command = ["/none"] }', "A: /none: No such file or directory"),
        (
            '["*"]\nA = { command = ["sh", "-c", "echo s3cret >&2; exit 3"] }',
            "A: sh ended with exit code 3",
        ),
        ('["*"]\nA = { command = ["true"] }', "A: command gives nothing"),
        ("[", "Invalid"),
    ],
)
def test_what_cannot_be_had_is_told_without_a_value(
    environ: dict[str, str], text: str, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        values(environ, text)

    assert expected in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_others_write_is_refused(environ: dict[str, str]) -> None:
    path = written(environ, "")
    path.chmod(0o620)

    with pytest.raises(UsageError, match="can be written by others"):
        read_secrets("acme/web", environ)


def test_they_are_masked_project_variables_with_scopes(repository: GitFolder) -> None:
    environ = {**repository.environ, "MINE": f"{SECRET}$HOME"}
    written(
        environ,
        '["*"]\nNAME = { env = "MINE" }\n'
        'SCOPED = { env = "MINE", environment = "production" }\n'
        'SHORT = { command = ["echo", "abc"] }',
    )

    context = make_context(repository.open(MINE=environ["MINE"]), ContextOptions(iid=1))

    found = effective(context.variables)["NAME"]
    assert (found.value, found.level) == (f"{SECRET}$HOME", Level.PROJECT)
    assert (found.masked, found.expand) == (True, False)
    assert found.origin == "secrets.toml: env"
    ((scope, scoped),) = context.scoped_variables
    assert (scope, scoped.name, scoped.masked) == ("production", "SCOPED", True)
    assert any("SHORT: fewer than 8" in item.message for item in context.warnings)
