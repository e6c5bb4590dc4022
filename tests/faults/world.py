"""A user with a project and an engine of his own, to whom faults can happen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker.errors import NotFound

from spotci.dind.boot import socket_dir
from spotci.dind.labels import MARK, ROLE, USER, Role
from spotci.dind.library import connect
from spotci.dind.settings import EngineSettings
from spotci.dind.transport import Address
from spotci.runs import RunStore
from tests.e2e.project import Project, own_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker.api.client import APIClient

__all__ = ["World", "make_world", "until"]


@dataclass(kw_only=True)
class World:
    """What one user has; see the module."""

    host: APIClient
    project: Project
    settings: EngineSettings
    _inner: dict[str, APIClient] = field(default_factory=dict)

    @property
    def runs(self) -> RunStore:
        return RunStore(self.project.root / ".spotci")

    def write(self, pipeline: str, **files: str) -> None:
        """Write the pipeline and other files, and commit them all."""
        (self.project.root / ".gitlab-ci.yml").write_text(pipeline)
        for name, content in files.items():
            (self.project.root / name).write_text(content)
        self.project.git("add", "--all")
        self.project.git("commit", "--quiet", "--allow-empty", "--message=Change")

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a session of its own, with its output in pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", "spotci", *arguments],
            cwd=self.project.root,
            env=self.project.environ,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def engine(self) -> APIClient:
        """Return a client of the daemon in the engine, which has to answer."""
        state = self.host.inspect_container(self.settings.name)
        identity = f"{state['Id']} {state['State']['StartedAt']}"
        if identity not in self._inner:
            socket = socket_dir(self.settings) / "docker.sock"
            client = connect(Address(url=f"unix://{socket}"))
            self._inner[identity] = client
        return self._inner[identity]

    def shell(self, script: str, *arguments: str) -> str:
        """Run a script in the engine's container, and return what it prints."""
        made = self.host.exec_create(
            self.settings.name, ["sh", "-c", script, "sh", *arguments]
        )
        output = bytes(self.host.exec_start(made["Id"])).decode(errors="replace")
        code = self.host.exec_inspect(made["Id"])["ExitCode"]
        assert code == 0, f"exit code {code}: {output}"
        return output

    def containers(self) -> list[str]:
        """Return the names of all containers in the engine."""
        found = self.engine().containers(all=True)
        return [item["Names"][0].lstrip("/") for item in found]

    def labelled(self) -> list[str]:
        """Return the names of all that bears our label in the engine."""
        client, filters = self.engine(), {"label": f"{MARK}=1"}
        return [
            *self.containers(),
            *(item["Name"] for item in client.networks(filters=filters)),
            *(
                item["Name"]
                for item in client.volumes(filters=filters)["Volumes"] or ()
            ),
        ]

    def kill_engine(self) -> None:
        """Kill the engine's container, as a crash of it does."""
        self.host.kill(self.settings.name, signal.SIGKILL)

    def bound(self, role: Role, size: str) -> None:
        """Make the work or data volume of the engine, which does not exist yet, small.

        It is in memory: filling it fills nothing else.
        """
        volumes = {
            Role.WORK: self.settings.work_volume,
            Role.DATA: self.settings.data_volume,
            Role.PUSHED: self.settings.registry_volume,
        }
        self.host.create_volume(
            volumes[role],
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"size={size}"},
            labels={
                MARK: "1",
                USER: str(os.getuid()),
                ROLE: role,
                "spotci.engine": self.settings.name,
            },
        )

    def host_objects(self) -> list[str]:
        """Return what the engine has on the host."""
        filters = {"label": f"spotci.engine={self.settings.name}"}
        host = self.host
        return [
            *(item["Names"][0] for item in host.containers(all=True, filters=filters)),
            *(item["Name"] for item in host.volumes(filters=filters)["Volumes"] or ()),
            *(item["Name"] for item in host.networks(filters=filters)),
        ]

    def events(self) -> list[dict[str, Any]]:
        """Return the recorded events of the newest run; each line has to be whole."""
        file = self.runs.find().events_file
        return [json.loads(line) for line in file.read_text().splitlines()]

    def remove(self) -> None:
        """Remove the engine, whatever state it is in."""
        for client in self._inner.values():
            client.close()
        self.project.spotci("clean", "--force")
        assert self.host_objects() == []


def make_world(host: APIClient, folder: Path, name: str) -> World:
    """Return a user whose home and project lie in a folder; the engine is not made."""
    home, root = folder / "home", folder / "project"
    home.mkdir(parents=True)
    root.mkdir()
    environ = own_environment(home, name)
    environ["TMPDIR"] = str(folder / "tmp")
    (folder / "tmp").mkdir()
    project = Project(root, environ)
    project.git("init", "--quiet", "--initial-branch=main")
    settings = EngineSettings(
        name=name,
        network=environ["SPOTCI_ENGINE_NETWORK"],
        registry_name=environ["SPOTCI_REGISTRY_NAME"],
        registry_port=int(environ["SPOTCI_REGISTRY_PORT"]),
        state_dir=home / ".local" / "state" / "spotci",
    )
    return World(host=host, project=project, settings=settings)


def until(condition: Callable[[], object], *, within: float) -> float:
    """Wait until a condition holds; return the seconds that it took."""
    started = time.monotonic()
    while not condition():
        took = time.monotonic() - started
        assert took < within, f"not so after {took:.0f} s"
        time.sleep(0.05)
    return time.monotonic() - started


def gone(host: APIClient, container: str) -> bool:
    """Say whether a container does not exist."""
    try:
        host.inspect_container(container)
    except NotFound:
        return True
    return False
