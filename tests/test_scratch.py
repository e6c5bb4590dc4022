from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spotci import scratch
from spotci.processes import ProcessStamp, current_process

if TYPE_CHECKING:
    from collections.abc import Callable

#: A process that makes a folder, says so, and waits to be killed.
_MAKER = """
import sys, time
from spotci.scratch import hold_scratch, make_scratch
folder = make_scratch("shell")
if "keep" in sys.argv:
    hold_scratch(folder)
(folder / "jobs" / "0").mkdir(parents=True)
(folder / "jobs" / "0" / "secret").write_text("x")
print(folder, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def killed(temporary: Path) -> Callable[..., Path]:
    """Return the folder of a process that was killed."""

    def make(*arguments: str) -> Path:
        process = subprocess.Popen(
            [sys.executable, "-c", _MAKER, *arguments],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            folder = Path(process.stdout.readline().strip())
            process.send_signal(signal.SIGKILL)
        return folder

    return make


def test_a_folder_is_private_and_goes_with_its_block() -> None:
    with scratch.scratch_folder("files") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert scratch.leftover_scratch() == ()
        scratch.sweep_scratch()
        assert folder.is_dir()

    assert not folder.exists()


def test_the_folder_of_a_killed_process_is_swept(killed: Callable[..., Path]) -> None:
    folder = killed()

    assert scratch.leftover_scratch() == (folder,)
    scratch.sweep_scratch()

    assert not folder.exists()


def test_what_was_kept_is_left_by_a_sweep(killed: Callable[..., Path]) -> None:
    folder = killed("keep")

    scratch.sweep_scratch()

    assert scratch.leftover_scratch() == (folder,)
    assert (folder / "jobs/0/secret").exists()


@pytest.mark.parametrize(
    ("owner", "age", "left"),
    [
        pytest.param(None, 0, False, id="being made"),
        pytest.param(None, 2, True, id="killed as it was made"),
        pytest.param("no JSON", 2, True, id="torn"),
        pytest.param({"boot": "another"}, 0, True, id="of an earlier boot"),
        pytest.param({"start": "1"}, 0, True, id="number in use again"),
        pytest.param({}, 2, False, id="alive"),
    ],
)
def test_whose_folders_are_left(
    temporary: Path, owner: str | dict[str, str] | None, age: int, left: bool
) -> None:
    folder = temporary / "spot-ci-files-abc"
    folder.mkdir()
    if isinstance(owner, dict):
        owner = json.dumps({**current_process().to_json(), **owner})
    if owner is not None:
        (folder / ".owner.json").write_text(owner)
    hours_ago = time.time() - 3600 * age
    os.utime(folder, (hours_ago, hours_ago))

    assert scratch.leftover_scratch() == ((folder,) if left else ())


def test_folders_of_others_are_left_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = ProcessStamp(pid=1, boot="another").to_json()
    for name in ("spot-ci-0-0123456789ab", "spotci-abc", "spot-ci-shell-abc"):
        (temporary / name).mkdir()
        (temporary / name / ".owner.json").write_text(json.dumps(gone))
    (temporary / "elsewhere").mkdir()
    (temporary / "spot-ci-shell-link").symlink_to(temporary / "elsewhere")
    monkeypatch.setattr(os, "getuid", lambda: 4711)

    scratch.sweep_scratch()

    assert len(list(temporary.iterdir())) == 5


def test_a_folder_without_rights_goes_all_the_same(temporary: Path) -> None:
    inner = temporary / "folder" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0)

    scratch.remove_folder(temporary / "folder")

    assert not (temporary / "folder").exists()


def test_no_folder_for_temporary_files(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "none"))

    scratch.sweep_scratch()

    assert scratch.leftover_scratch() == ()
