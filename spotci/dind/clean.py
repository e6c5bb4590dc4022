"""Finds and removes what is ours on this machine, and nothing else.

Ours is what bears our label and this user's id; of images, which have no labels of
ours, those that were pulled for the engine. The engine need not work, nor exist.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from spotci.dataclass import dataclass
from spotci.dind.boot import socket_dir
from spotci.dind.labels import ENGINE, MARK, ROLE, USER, Role
from spotci.dind.outer import connect_outer
from spotci.dind.state import engine_lock, pulled_images
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from docker.api.client import APIClient

    from spotci.dind.outer import Outer
    from spotci.dind.settings import EngineSettings

__all__ = ["Found", "Kind", "Part", "clean", "find_objects"]

_NOT_FOUND = 404
_CONFLICT = 409


class Kind(StrEnum):
    """Kinds of objects, in the order in which they can be removed."""

    CONTAINER = "container"
    VOLUME = "volume"
    NETWORK = "network"
    IMAGE = "image"
    FOLDER = "folder"


class Part(StrEnum):
    """What can be removed apart from the rest, at the cost of making it again.

    Any part takes the containers along: a volume in use cannot be removed.
    """

    #: Snapshots, artifact layers and caches of jobs.
    CACHE = "cache"
    #: Images in the engine and its registry, and those that the engine is made from.
    IMAGES = "images"


_PARTS = {
    Part.CACHE: frozenset({Role.WORK}),
    Part.IMAGES: frozenset({Role.DATA, Role.PUSHED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object of ours. ``size`` is in bytes, None where it was not asked for."""

    kind: Kind
    id: str
    name: str
    role: str = ""
    engine: str = ""
    size: int | None = None
    #: Whether a run of spotci uses it right now.
    busy: bool = False


async def find_objects(
    settings: EngineSettings,
    *,
    parts: Collection[Part] = (),
    every_engine: bool = False,
    sizes: bool = False,
) -> tuple[Found, ...]:
    """Return what ``clean`` would remove, in its order; change nothing.

    No ``parts`` is everything. With ``every_engine`` the objects of all engines of this
    user are found, whatever their names. Sizes take Docker some seconds.
    """
    outer = await connect_outer(settings, os.environ)
    wanted = {f"{MARK}=1", f"{USER}={os.getuid()}"}
    if not every_engine:
        wanted.add(f"{ENGINE}={settings.name}")
    found = await outer.daemon.call(
        "list", "objects", partial(_labelled, sorted(wanted)), abandon=True
    )
    if outer.machine is None and (not parts or Part.IMAGES in parts):
        found += await outer.daemon.call(
            "list", "images", partial(_images, pulled_images(settings))
        )
    # The folders here are those of engines here, which may have the same names.
    if not parts and outer.machine is None:
        found += _folders(settings, every_engine=every_engine)
    usage = await _usage(outer) if sizes else {}
    order = list(Kind)
    chosen = [_sized(item, usage) for item in found if _is_chosen(item, parts)]
    return tuple(sorted(chosen, key=lambda item: (order.index(item.kind), item.name)))


async def clean(
    settings: EngineSettings, objects: Iterable[Found], *, force: bool = False
) -> tuple[Found, ...]:
    """Remove these objects, and return those that were removed.

    One that is gone already is no error, and one that cannot be removed does not keep
    the others; its error is raised at the end. Raises EngineError and removes nothing
    where a run uses one of them, unless ``force`` is given.
    """
    objects = tuple(objects)
    busy = [item.name for item in objects if item.busy]
    if busy and not force:
        raise EngineError(
            "a run uses it right now",
            operation="remove",
            subject=", ".join(busy),
            hint="wait for the run, or end it",
        )
    outer = await connect_outer(settings, os.environ)
    removed: list[Found] = []
    faults: list[EngineError] = []
    async with AsyncExitStack() as stack:
        # A disk that takes no file of a lock is what is to be cleaned.
        with suppress(EngineError):
            await stack.enter_async_context(engine_lock(settings))
        for item in objects:
            try:
                await outer.daemon.call(
                    f"remove {item.kind}", item.name, partial(_remove, item)
                )
            except EngineError as fault:
                # An image may be in use by containers that are not ours: it stays.
                kept = item.kind is Kind.IMAGE and fault.status == _CONFLICT
                if fault.status != _NOT_FOUND and not kept:
                    faults.append(fault)
            else:
                removed.append(item)
    if faults:
        raise faults[0]
    return tuple(removed)


def _is_chosen(item: Found, parts: Collection[Part]) -> bool:
    if not parts or item.kind in (Kind.CONTAINER, Kind.IMAGE):
        return True
    return any(item.role in _PARTS[part] for part in parts)


def _labelled(wanted: list[str], client: APIClient) -> list[Found]:
    filters: dict[str, Any] = {"label": wanted}
    containers = client.containers(all=True, filters=filters)
    volumes = client.volumes(filters=filters)["Volumes"] or ()
    networks = client.networks(filters=filters)
    # A run has its lease in the engine: a command that runs there.
    busy = {
        item["Id"]
        for item in containers
        if client.inspect_container(item["Id"]).get("ExecIDs")
    }
    return [
        *(
            _found(Kind.CONTAINER, item["Id"], item["Names"][0].lstrip("/"), item, busy)
            for item in containers
        ),
        *(_found(Kind.VOLUME, item["Name"], item["Name"], item) for item in volumes),
        *(_found(Kind.NETWORK, item["Id"], item["Name"], item) for item in networks),
    ]


def _found(
    kind: Kind,
    identity: str,
    name: str,
    item: Mapping[str, Any],
    busy: Collection[str] = (),
) -> Found:
    return Found(
        kind=kind,
        id=identity,
        name=name,
        role=item["Labels"].get(ROLE, ""),
        engine=item["Labels"].get(ENGINE, ""),
        busy=identity in busy,
    )


def _images(names: Iterable[str], client: APIClient) -> list[Found]:
    return [
        Found(kind=Kind.IMAGE, id=item["Id"], name=name)
        for name in names
        for item in client.images(name=name)
    ]


def _folders(settings: EngineSettings, *, every_engine: bool) -> list[Found]:
    """Return the state folder, or the engine's own in it where others have theirs."""
    place, own = settings.state_dir, socket_dir(settings)
    folders = {child for child in place.glob("*") if child.is_dir()}
    places = {own} if folders - {own} and not every_engine else {place, own}
    return [
        Found(kind=Kind.FOLDER, id=str(place), name=str(place), engine=settings.name)
        for place in places
        if place.is_dir()
    ]


async def _usage(outer: Outer) -> dict[str, int]:
    """Return bytes by id of images and containers and by name of volumes."""
    found: dict[str, Any] = await outer.daemon.ask(
        "GET", "/system/df", operation="measure", subject="disk usage"
    )
    usage = {item["Id"]: int(item.get("Size") or 0) for item in found["Images"] or ()}
    for item in found["Containers"] or ():
        usage[item["Id"]] = int(item.get("SizeRw") or 0)
    for item in found["Volumes"] or ():
        # -1 is Docker's word for unknown.
        size = (item.get("UsageData") or {}).get("Size", -1)
        usage[item["Name"]] = max(0, int(size))
    return usage


def _sized(item: Found, usage: Mapping[str, int]) -> Found:
    if item.kind is Kind.FOLDER:
        files = (path for path in Path(item.id).rglob("*") if path.is_file())
        return replace(item, size=sum(path.stat().st_size for path in files))
    return replace(item, size=usage.get(item.id))


def _remove(item: Found, client: APIClient) -> None:
    match item.kind:
        case Kind.CONTAINER:
            client.remove_container(item.id, v=True, force=True)
        case Kind.VOLUME:
            client.remove_volume(item.id)
        case Kind.NETWORK:
            client.remove_network(item.id)
        case Kind.IMAGE:
            client.remove_image(item.name)
        case Kind.FOLDER:
            shutil.rmtree(item.id, ignore_errors=True)
        case _:
            assert_never(item.kind)
