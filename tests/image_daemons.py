"""Docker daemons in memory, as far as images go, and an engine made of two."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import requests
from docker.errors import APIError

from spotci.dind.calls import Calls
from spotci.dind.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spotci.dind.engine import DindEngine

__all__ = ["FakeDaemon", "FakeRegistry", "make_engine"]


@dataclass
class FakeRegistry:
    """What a registry has: names to digests, or the words of its refusal."""

    images: dict[str, str] = field(default_factory=dict)
    refusal: str = "manifest unknown"
    platform: str = "amd64"
    #: Pulls wait until this is set.
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()


@dataclass
class FakeDaemon:
    """The calls of the docker library that are about images."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)
    #: Names, and ids, to what an inspection says.
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    pulled_with: list[dict[str, str]] = field(default_factory=list)
    keeps_names: bool = True
    #: A copy pauses after its first piece until this is set.
    flowing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.flowing.set()

    def add(
        self,
        name: str,
        identity: str,
        *,
        tagged: str = "2026-01-01T00:00:00Z",
        **fields: object,
    ) -> None:
        found: dict[str, Any] = {
            "Id": identity,
            "Os": "linux",
            "Architecture": "amd64",
            "Size": 300,
            "Metadata": {"LastTagTime": tagged},
            **fields,
        }
        self.images[name] = self.images[identity] = found

    def count(self, call: str) -> int:
        return self.calls.count(call)

    def inspect_image(self, name: str) -> dict[str, Any]:
        self.calls.append(f"inspect {name}")
        if name not in self.images:
            raise api_error(404, f"No such image: {name}")
        return self.images[name]

    def get_image(self, name: str, *, chunk_size: int) -> Iterator[bytes]:
        del chunk_size
        self.calls.append(f"save {name}")
        found = self.images[name]
        yield json.dumps(found).encode()
        self.flowing.wait(10)
        yield b"\0" * 100
        yield name.encode()

    def load_image(
        self, data: Iterable[bytes], *, quiet: bool
    ) -> Iterator[dict[str, Any]]:
        assert quiet
        pieces = list(data)
        name, found = pieces[-1].decode(), json.loads(pieces[0])
        self.calls.append(f"load {name}")
        if self.keeps_names and "@" not in name:
            self.add(name, found["Id"], tagged="2026-06-01T00:00:00Z")
            yield {"stream": f"Loaded image: {name}\n"}
        else:
            self.add(found["Id"], found["Id"], tagged="0001-01-01T00:00:00Z")
            yield {"stream": f"Loaded image ID: {found['Id']}\n"}

    def tag(self, identity: str, repository: str, tag: str) -> None:
        self.calls.append(f"tag {identity} {repository}:{tag}")
        self.images[f"{repository}:{tag}"] = self.images[identity]

    def pull(  # the library's own signature
        self,
        repository: str,
        *,
        tag: str,
        stream: bool,
        decode: bool,
        auth_config: dict[str, str],
        platform: str | None,
    ) -> Iterator[dict[str, Any]]:
        assert stream
        assert decode
        name = f"{repository}{'@' if tag.startswith('sha256:') else ':'}{tag}"
        self.calls.append(f"pull {name}" + (f" {platform}" if platform else ""))
        self.pulled_with.append(auth_config)
        yield {"status": f"Pulling from {repository}", "id": tag}
        yield {
            "status": "Downloading",
            "id": "a1",
            "progressDetail": {"current": 10, "total": 40},
        }
        self.registry.open.wait(10)
        digest = self._digest(name)
        if digest is None:
            message = self.registry.refusal
            yield {"error": message, "errorDetail": {"message": message}}
            return
        yield {"status": "Pull complete", "id": "a1"}
        self.add(
            name,
            f"id-{digest}",
            RepoDigests=[f"{repository}@{digest}"],
            Architecture=self.registry.platform,
        )
        self.images[f"{repository}@{digest}"] = self.images[name]

    def inspect_distribution(
        self, name: str, auth_config: dict[str, str]
    ) -> dict[str, Any]:
        assert auth_config == {}
        self.calls.append(f"distribution {name}")
        digest = self._digest(name)
        if digest is None:
            raise api_error(404, self.registry.refusal)
        return {"Descriptor": {"digest": digest}}

    def _digest(self, name: str) -> str | None:
        known = self.registry.images
        if "@" in name:
            digest = name.partition("@")[2]
            return digest if digest in known.values() else None
        return known.get(name)


@dataclass
class _Engine:
    client: FakeDaemon
    host: FakeDaemon
    settings: EngineSettings = field(default_factory=EngineSettings)
    calls: Calls = field(default_factory=Calls)


def make_engine(client: FakeDaemon, host: FakeDaemon) -> DindEngine:
    """Return what the images of an engine need of it."""
    return cast("DindEngine", _Engine(client, host))


def api_error(status: int, message: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError(message, response=response, explanation=message)
