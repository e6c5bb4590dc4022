from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.dind.settings import EngineSettings
from spotci.dind.state import engine_lock, note_pulled, private_dir, pulled_images
from spotci.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(state_dir=tmp_path / "state")


def test_a_private_folder_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert private_dir(path) == path
    assert path.stat().st_mode & 0o777 == 0o700

    path.chmod(0o755)
    private_dir(path)

    assert path.stat().st_mode & 0o777 == 0o700


def test_a_link_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")

    with pytest.raises(EngineError) as caught:
        private_dir(link)

    assert str(caught.value) == (
        f"use folder {link}: belongs to somebody else\n"
        "hint: choose another state folder"
    )


def test_a_file_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EngineError, match=r"^make folder .*/file: File exists$"):
        private_dir(tmp_path / "file")


async def test_a_lock_that_cannot_be_had_is_an_error(settings: EngineSettings) -> None:
    place = settings.state_dir / f"{settings.name}.lock"
    place.mkdir(parents=True)

    with pytest.raises(EngineError, match=f"lock engine {place}: Is a directory"):
        async with engine_lock(settings):
            pass


async def test_the_lock_lets_one_in_at_a_time(settings: EngineSettings) -> None:
    order: list[str] = []

    async def work(name: str) -> None:
        async with engine_lock(settings):
            order.append(f"{name} in")
            await anyio.sleep(0.01)
            order.append(f"{name} out")

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(work, name)

    assert sorted(order[::2]) == ["a in", "b in", "c in"]
    assert [x.replace("in", "out") for x in order[::2]] == order[1::2]


async def test_the_lock_outlives_the_removal_of_its_folder(
    settings: EngineSettings,
) -> None:
    entered = anyio.Event()

    async def second() -> None:
        async with engine_lock(settings):
            entered.set()

    async with anyio.create_task_group() as tasks:
        async with engine_lock(settings):
            tasks.start_soon(second)
            await anyio.wait_all_tasks_blocked()
            shutil.rmtree(settings.state_dir)
        with anyio.fail_after(5):
            await entered.wait()

    assert settings.state_dir.is_dir()


def test_pulled_images_are_remembered(settings: EngineSettings) -> None:
    assert pulled_images(settings) == ()

    for name in ("registry:2", "docker:28-dind", "registry:2"):
        note_pulled(settings, name)

    assert pulled_images(settings) == ("docker:28-dind", "registry:2")
