from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.cli.notify import escape_sequence, notify_end

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, "\x1b]9;spotci: failed unit\x07", id="most"),
        pytest.param(
            {"VTE_VERSION": "7600"},
            "\x1b]777;notify;spotci: failed;unit\x07",
            id="terminals of VTE",
        ),
        pytest.param(
            {"TERM": "rxvt-unicode"},
            "\x1b]777;notify;spotci: failed;unit\x07",
            id="rxvt",
        ),
        pytest.param(
            {"TMUX": "/tmp/tmux"},
            "\x1bPtmux;\x1b\x1b]9;spotci: failed unit\x07\x1b\\",
            id="inside tmux",
        ),
    ],
)
def test_the_terminal_is_told(environ: dict[str, str], expected: str) -> None:
    assert escape_sequence("spotci: failed", "unit", environ) == expected


def test_names_cannot_end_the_sequence() -> None:
    sequence = escape_sequence("a", "b\x07\x1b]0;title\x07\nc\x1b[31m", {})

    assert sequence == "\x1b]9;a b c\x07"


def test_a_desktop_is_told_by_its_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >"{tmp_path}/told"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")

    notify_end(None, 1)

    told = (tmp_path / "told").read_text()
    assert told == "--app-name=spotci|--|spotci: failed||"


def test_where_nobody_looks_on_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    notify_end(None, 0)

    assert capfd.readouterr() == ("", "")
