from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from spotci.cli.init import settings_file
from spotci.project import Settings, load_settings
from spotci.project.settings import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

#: A setting as it is written, and what is not set.
_SETTING = re.compile(r'^# ((?:"|\w)[^ ]* = (?!""$).*)$', re.MULTILINE)


@pytest.mark.parametrize("trusted", [False, True])
def test_nothing_is_set(*, trusted: bool) -> None:
    found = tomllib.loads(settings_file(trusted=trusted))

    assert all(table == {} for table in found.values())


def test_without_its_marks_the_file_says_the_defaults(tmp_path: Path) -> None:
    text = settings_file(trusted=False).partition("[projects]")[0]
    (tmp_path / ".spotci.toml").write_text(_SETTING.sub(r"\1", text))

    settings = load_settings(tmp_path, {})

    defaults = Settings()
    for section in SECTIONS:
        assert getattr(settings, section) == getattr(defaults, section)


def test_the_users_file_has_every_key() -> None:
    text = settings_file(trusted=True)

    for section, kind in SECTIONS.items():
        assert f"\n[{section}]\n" in text
        for key in kind.__dataclass_fields__:
            assert re.search(rf"^# {key} = ", text, re.MULTILINE), key


def test_a_repositorys_file_has_no_key_that_it_must_not_have() -> None:
    assert "# kind = " not in settings_file(trusted=False)
    assert "# kind = " in settings_file(trusted=True)


def test_no_line_is_long_and_none_holds_marks_of_markdown() -> None:
    lines = settings_file(trusted=True).splitlines()

    assert [line for line in lines if len(line) > 79 and " = " not in line] == []
    assert not any("`" in line or "](" in line for line in lines)


def test_a_file_is_written_once(
    project: Callable[[dict[str, str]], CommandLine],
) -> None:
    spotci = project({})
    file = spotci.folder / ".spotci.toml"

    assert spotci("init").code == 0
    written = file.read_text()
    file.write_text("# mine\n")
    again = spotci("init")

    assert (again.code, file.read_text()) == (2, "# mine\n")
    assert "exists already" in again.err
    assert spotci("init", "--force").code == 0
    assert file.read_text() == written


def test_the_users_file_lies_in_his_folder(
    project: Callable[[dict[str, str]], CommandLine], tmp_path: Path
) -> None:
    done = project({})("init", "--user")

    assert done.code == 0
    assert (tmp_path / "home" / ".config" / "spotci" / "config.toml").is_file()
