"""What jobs made through the engine's socket and left: it goes with the last of them.

Where each job has a daemon of its own, as with gitlab-runner, what a script started
ends with the job. Here jobs share the daemon, so containers with the same name, or the
volumes of a compose file, would meet those of an earlier job. They bear no label of
ours, and nobody can tell whose they are while several jobs command the engine; as soon
as none does any more, they are removed. Images and the build cache stay.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from spotci.dind.labels import DOCKER, MARK
from spotci.dind.together import together
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.dind.engine import DindEngine

__all__ = ["remove_leftovers"]

_DOCKERS_OWN = frozenset({"bridge", "host", "none"})
#: Docker's words for what somebody uses: a network's, and a volume's.
_IN_USE = (403, 409)


async def remove_leftovers(engine: DindEngine) -> None:
    """Remove what no run made, unless a job commands the engine now.

    Raises EngineError where the engine fails.
    """
    containers = await _list(engine, "containers/json", all=True)
    if any(DOCKER in (item["Labels"] or {}) for item in containers):
        return
    left = [item["Id"] for item in _unlabelled(containers)]
    await _remove(engine, "container", left, v=True, force=True)
    networks = _unlabelled(await _list(engine, "networks"))
    names = [item["Id"] for item in networks if item["Name"] not in _DOCKERS_OWN]
    await _remove(engine, "network", names)
    volumes = await _list(engine, "volumes", filters={"dangling": ["true"]})
    await _remove(engine, "volume", [item["Name"] for item in _unlabelled(volumes)])


async def _list(engine: DindEngine, path: str, **query: object) -> list[dict[str, Any]]:
    kind = path.partition("/")[0]
    found = await engine.inner.ask(
        "GET", f"/{path}", query=query, operation="list", subject=kind
    )
    items: list[dict[str, Any]] = found["Volumes"] if kind == "volumes" else found
    return items or []


def _unlabelled(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if MARK not in (item["Labels"] or {})]


async def _remove(
    engine: DindEngine, kind: str, names: Iterable[str], **query: object
) -> None:
    async def one(name: str) -> None:
        try:
            await engine.inner.ask(
                "DELETE",
                f"/{kind}s/{name}",
                query=query,
                operation=f"remove {kind}",
                subject=name,
                missing_ok=True,
            )
        except EngineError as fault:
            if fault.status not in _IN_USE:
                raise

    await together(*(partial(one, name) for name in names))
