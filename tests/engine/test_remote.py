"""An engine in a Docker that only ssh leads to.

The ssh is one that stands in: it leads to the daemon of this machine. That nothing of
this machine is needed over there is seen from what the engine is made of.
"""

from __future__ import annotations

import os
import shlex
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from spotci.dind.backend import open_backend
from spotci.dind.clean import Kind, find_objects
from spotci.dind.engine import engine_status, open_engine, stop_engine
from spotci.executor.backend import ContainerSpec
from tests.engine.real import IMAGE, load_image, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from docker.api.client import APIClient

    from spotci.dind.settings import EngineSettings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

_SSH = """
import os, socket, threading
link = socket.socket(socket.AF_UNIX)
link.connect("/var/run/docker.sock")

def forward():
    while data := os.read(0, 65536):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)

threading.Thread(target=forward, daemon=True).start()
while data := link.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def elsewhere(
    fresh: EngineSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EngineSettings:
    program = tmp_path / "program.py"
    program.write_text(_SSH)
    command = shlex.join([sys.executable, str(program)])
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/sh\nexec {command}\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return replace(fresh, docker_host="ssh://build.example.com", transport="socket")


async def test_jobs_run_where_only_ssh_leads_to(
    elsewhere: EngineSettings, host: APIClient
) -> None:
    engine = await open_engine(elsewhere, progress=quiet)
    await load_image(engine, IMAGE)
    await to_thread.run_sync(engine.close)
    spec = ContainerSpec(
        name=f"spot-ci-{uuid.uuid4().hex[:8]}",
        image=IMAGE,
        command=("sh", "-c", "read line; echo got $line"),
        stdin=True,
    )
    async with open_backend(elsewhere, uuid.uuid4().hex[:8], progress=quiet) as backend:
        container = await backend.engine.create(spec)
        async with backend.engine.start(container, stdin=b"it\n") as process:
            output = b"".join([piece async for piece in process.output])
            end = await process.wait()
    status = await engine_status(elsewhere)
    found = await to_thread.run_sync(host.inspect_container, elsewhere.name)
    ours = await find_objects(elsewhere)
    stopped = await stop_engine(elsewhere)

    assert (output, end.code) == (b"got it\n", 0)
    assert (status.state, status.machine) == ("running", "build.example.com")
    assert {mount["Type"] for mount in found["Mounts"]} == {"volume"}
    published = found["HostConfig"]["PortBindings"]
    assert list(published) == [f"{elsewhere.registry_port}/tcp"]
    assert {each["HostIp"] for (each,) in published.values()} == {"127.0.0.1"}
    # Folders and notes of this machine belong to engines of this machine.
    assert not {item.kind for item in ours} & {Kind.FOLDER, Kind.IMAGE}
    assert len(ours) == 6
    assert stopped
