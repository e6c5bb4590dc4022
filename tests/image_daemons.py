"""Docker daemons in memory, as far as images go, and an engine made of two."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from anyio import to_thread

from spotci.dind.library import translated
from spotci.dind.settings import EngineSettings
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spotci.dind.engine import DindEngine

__all__ = ["FakeDaemon", "FakeRegistry", "make_engine"]

T = TypeVar("T")


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
    """What a Daemon is asked about images; it is its own client of the library, too."""

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

    @property
    def client(self) -> FakeDaemon:
        return self

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        operation: str,
        subject: str,
        error: type[EngineError],
    ) -> dict[str, Any] | None:
        kind, _, name = path.removeprefix("/").partition("/")
        if method == "POST" and query is not None:
            self._tag(name.removesuffix("/tag"), f"{query['repo']}:{query['tag']}")
            return None
        answer = self._inspect if kind == "images" else self._distribution
        try:
            return answer(name.removesuffix("/json"))
        except LookupError as fault:
            words = str(fault.args[0])
            raise error(
                words, operation=operation, subject=subject, status=404
            ) from fault

    def _tag(self, identity: str, name: str) -> None:
        self.calls.append(f"tag {identity} {name}")
        self.images[name] = self.images[identity]

    async def call(
        self,
        operation: str,
        subject: str,
        function: Callable[[Any], T],
        *,
        abandon: bool = False,
        error: type[EngineError] = EngineError,
    ) -> T:
        def perform() -> T:
            with translated(operation, subject, error=error):
                return function(self)

        return await to_thread.run_sync(perform, abandon_on_cancel=abandon)

    def _inspect(self, name: str) -> dict[str, Any]:
        self.calls.append(f"inspect {name}")
        if name not in self.images:
            raise LookupError(f"No such image: {name}")
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

    def _distribution(self, name: str) -> dict[str, Any]:
        self.calls.append(f"distribution {name}")
        digest = self._digest(name)
        if digest is None:
            raise LookupError(self.registry.refusal)
        return {"Descriptor": {"digest": digest}}

    def _digest(self, name: str) -> str | None:
        known = self.registry.images
        if "@" in name:
            digest = name.partition("@")[2]
            return digest if digest in known.values() else None
        return known.get(name)


@dataclass
class _Outer:
    daemon: FakeDaemon


@dataclass
class _Engine:
    inner: FakeDaemon
    outer: _Outer
    settings: EngineSettings = field(default_factory=EngineSettings)


def make_engine(client: FakeDaemon, host: FakeDaemon) -> DindEngine:
    """Return what the images of an engine need of it."""
    return cast("DindEngine", _Engine(client, _Outer(host)))
