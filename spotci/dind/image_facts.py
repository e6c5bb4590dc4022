"""What a daemon's description of an image says. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spotci.dind.references import Reference
from spotci.executor.backend import ImageInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["image_info", "is_newer", "suits_platform"]

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"}
_TCP = re.compile(r"(\d+)(?:/tcp)?")


def image_info(name: str, found: Mapping[str, Any]) -> ImageInfo:
    """Return what the executor needs, from what a daemon says of an image."""
    config = found.get("Config") or {}
    exposed = map(_TCP.fullmatch, config.get("ExposedPorts") or {})
    ports = [int(match[1]) for match in exposed if match]
    repository = Reference.parse(name).repository
    digests = found.get("RepoDigests") or ()
    own = [digest for digest in digests if digest.startswith(f"{repository}@")]
    return ImageInfo(
        id=str(found["Id"]),
        name=name,
        digest=next(iter((*own, *digests)), None),
        exposed_ports=tuple(sorted(ports)),
        user=str(config.get("User") or ""),
    )


def is_newer(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Say whether another daemon's image of a name is a later one. Pure.

    It is by when the name was given: a pull or a build does that. The daemons are on
    one machine, and so is their clock.
    """
    if theirs["Id"] == ours["Id"]:
        return False
    # Daemons that store images in different ways have different ids for one image.
    if set(theirs.get("RepoDigests") or ()) & set(ours.get("RepoDigests") or ()):
        return False
    return _tagged_at(theirs) > _tagged_at(ours)


def suits_platform(found: Mapping[str, Any], platform: str | None) -> bool:
    """Say whether an image is for a platform: ``os/architecture[/variant]``."""
    if not platform:
        return True
    parts = platform.lower().split("/")
    if len(parts) == 1:
        # Docker takes either alone.
        wanted = _MACHINES.get(parts[0], parts[0])
        return wanted in (found.get("Os"), found.get("Architecture"))
    parts[1] = _MACHINES.get(parts[1], parts[1])
    has = [found.get("Os"), found.get("Architecture"), found.get("Variant") or None]
    return all(
        part == value
        for part, value in zip(parts, has, strict=False)
        # Not every image says its variant.
        if value is not None
    )


def _tagged_at(found: Mapping[str, Any]) -> datetime:
    """Return when the image got its name, or was made where that is not known."""
    tagged = str((found.get("Metadata") or {}).get("LastTagTime") or "")
    if not tagged or tagged.startswith("0001-"):
        tagged = str(found.get("Created") or "")
    try:
        # Go writes nine digits of a second, and the time zone of the daemon.
        time = datetime.fromisoformat(tagged)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
