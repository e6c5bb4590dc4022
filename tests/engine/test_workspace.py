"""The contract of workspaces on the real engine, by overlay mounts and by copying."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.dind.backend import open_backend
from spotci.errors import EngineError
from spotci.executor.backend import WorkspaceSpec
from tests.engine.real import quiet
from tests.workspace_contract import CHECKS, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.dind.engine import DindEngine
    from tests.workspace_contract import Check

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("overlay", [True, False], ids=["overlay", "copy"])
@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_contract(
    engine: DindEngine, tmp_path: Path, check: Check, *, overlay: bool
) -> None:
    async with open_backend(
        engine.settings, "contract", progress=quiet, overlay=overlay
    ) as backend:
        await check(backend.workspaces, tmp_path)


async def test_a_shared_path_is_given_once(engine: DindEngine) -> None:
    spec = WorkspaceSpec(
        name="shared", project_dir="/builds/a/b", snapshot=None, shared_path=True
    )
    async with open_backend(engine.settings, "shared", progress=quiet) as backend:
        first = await backend.workspaces.open(spec)

        with pytest.raises(EngineError) as error:
            await backend.workspaces.open(spec)
        await backend.workspaces.close(first)
        await backend.workspaces.open(spec)

    assert error.value.status == 409


async def test_many_layers_are_merged(engine: DindEngine, tmp_path: Path) -> None:
    async with open_backend(engine.settings, "layers", progress=quiet) as backend:
        port = backend.workspaces
        layers = []
        for number in range(100):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / f"f{number}").write_text(str(number))
            (folder / "last").write_text(str(number))
            layers.append(await port.adopt(folder))

        workspace = await port.open(
            WorkspaceSpec(
                name="many",
                project_dir="/builds/a/b",
                snapshot=None,
                layers=tuple(layers),
            )
        )

        assert len(await port.listing(workspace)) == 101
        assert await port.read(workspace, "last", limit=9) == b"99"


async def test_links_and_hostile_members_do_not_leave_the_record(
    engine: DindEngine, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    source = tmp_path / "source"
    source.mkdir()
    (source / "good").write_text("1")
    (source / "link").symlink_to(outside)
    (source / "absolute").symlink_to("/etc/hostname")
    async with open_backend(engine.settings, "hostile", progress=quiet) as backend:
        layer = await backend.workspaces.adopt(source)

        with pytest.raises(EngineError):
            await backend.workspaces.read(layer, "absolute", limit=9)
        with pytest.raises(EngineError):
            await backend.workspaces.read(layer, "link/x", limit=9)
        await backend.workspaces.export(layer, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]
