"""The repository's own compose file: which of its services want a port of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ComposeService", "services_at"]

#: The names that Docker Compose looks for, in its order.
_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """A service of a compose file, which is relative to the repository."""

    file: str
    name: str
    profiles: tuple[str, ...] = ()


def services_at(root: Path, port: int) -> tuple[ComposeService, ...]:
    """Return the services that publish a port of the host.

    Ports with variables in them are not understood; a file that cannot be read has no
    services.
    """
    file = next((name for name in _FILES if (root / name).is_file()), None)
    if file is None:
        return ()
    services = _read(root / file)
    return tuple(
        ComposeService(
            file=file,
            name=str(name),
            profiles=tuple(map(str, service.get("profiles") or ())),
        )
        for name, service in services.items()
        if isinstance(service, dict) and port in _published(service)
    )


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - where there is a file
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

    try:
        content = YAML(typ="safe").load(path.read_text("utf-8"))
    except (OSError, ValueError, YAMLError):
        return {}
    services = content.get("services") if isinstance(content, dict) else None
    return services if isinstance(services, dict) else {}


def _published(service: dict[str, Any]) -> Iterator[int]:
    for entry in service.get("ports") or ():
        if isinstance(entry, dict):
            published = str(entry.get("published", ""))
        else:
            # ``[address:]published:target[/protocol]``; a target alone gets any port.
            _, _, rest = str(entry).rpartition("]:")
            *before, _ = rest.split(":")
            published = before[-1] if before else ""
        if published.isdecimal():
            yield int(published)
