"""From the settings of a project to those of the engine."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

from spotci.errors import UsageError

if TYPE_CHECKING:
    from spotci.dind.settings import EngineSettings
    from spotci.project import Project
    from spotci.project.settings import EngineSection

__all__ = ["engine_settings", "parse_size"]

_SIZE = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE
)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def engine_settings(project: Project) -> EngineSettings:
    """Return what the engine of a project is made from; raises UsageError."""
    from spotci.dind.settings import (  # noqa: PLC0415 - commands with an engine
        EngineSettings,
        default_transport,
    )

    engine, registry = project.settings.engine, project.settings.registry
    transport = (
        default_transport()
        if engine.transport == "auto"
        else cast("Literal['socket', 'tls']", engine.transport)
    )
    return EngineSettings(
        name=engine.name,
        image=engine.image,
        network=engine.network,
        registry_name=registry.name,
        registry_image=registry.image,
        registry_port=registry.port,
        memory=None if engine.memory is None else parse_size(engine.memory),
        cpus=engine.cpus,
        transport=transport,
        mirrors=engine.mirrors,
        proxies=MappingProxyType(_proxies(engine)),
    )


def parse_size(text: str) -> int:
    """Return bytes from a size as Docker writes it, ``512m`` or ``8g``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f'engine.memory must be a size such as "8g", not "{text}"')
    return int(float(match["number"]) * _UNITS[match["unit"].lower()])


def _proxies(engine: EngineSection) -> dict[str, str]:
    proxies = {}
    if engine.proxy is not None:
        proxies = {"HTTP_PROXY": engine.proxy, "HTTPS_PROXY": engine.proxy}
    if engine.no_proxy is not None:
        proxies["NO_PROXY"] = engine.no_proxy
    return proxies
