"""From the settings of a project to those of the engine."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from spotci.cli.proxies import daemon_proxies
from spotci.errors import UsageError
from spotci.sizes import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.dind.quota import Quota
    from spotci.dind.settings import EngineSettings, ExtraVolume, Transport
    from spotci.project import Project
    from spotci.project.settings import StorageSection

__all__ = ["engine_settings", "parse_size", "parse_volume", "read_certificates"]

#: Paths in containers are POSIX paths; names of volumes are Docker's.
_VOLUME = re.compile(
    r"(?P<source>/[^:]*|[a-zA-Z0-9][a-zA-Z0-9_.-]+):(?P<target>/[^:]+)(?::(?P<mode>r[ow]))?"
)
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)


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
        else cast("Transport", engine.transport)
    )
    host = engine.kind == "host"
    return EngineSettings(
        name=engine.name,
        kind="host" if host else "dind",
        image=engine.image,
        network=engine.network,
        # Another than that of the engine, which may be there as well.
        registry_name=f"{registry.name}-host" if host else registry.name,
        registry_image=registry.image,
        registry_port=registry.port,
        registry_mirror=None if host else registry.mirror,
        memory=None if engine.memory is None else parse_size(engine.memory),
        cpus=engine.cpus,
        transport=transport,
        mirrors=engine.mirrors,
        insecure_registries=engine.insecure_registries,
        ca_certificates=read_certificates(engine.ca_certificates),
        volumes=tuple(map(parse_volume, engine.volumes)),
        proxies=MappingProxyType(daemon_proxies(project.settings)),
        quota=_quota(project.settings.storage),
    )


def _quota(storage: StorageSection) -> Quota:
    from spotci.dind.quota import Quota  # noqa: PLC0415 - commands with an engine

    return Quota(
        caches=parse_bytes(storage.caches),
        keep_caches=parse_bytes(storage.keep_caches),
        images=None if storage.images is None else parse_bytes(storage.images),
        leave_free=parse_bytes(storage.leave_free),
    )


def parse_size(text: str) -> int:
    """Return bytes from a size as Docker writes it, ``512m`` or ``8g``."""
    try:
        return parse_bytes(text)
    except ValueError:
        raise UsageError(
            f'engine.memory must be a size such as "8g", not "{text}"'
        ) from None


def parse_volume(text: str) -> ExtraVolume:
    """Return a volume from ``/source:/target[:ro]``; the source may be a volume."""
    from spotci.dind.settings import ExtraVolume  # noqa: PLC0415 - as above

    match = _VOLUME.fullmatch(text)
    if match is None:
        raise UsageError(
            f'engine.volumes must be such as "/source:/target" or "name:/target:ro", '
            f'not "{text}"'
        )
    return ExtraVolume(
        source=match["source"], target=match["target"], read_only=match["mode"] == "ro"
    )


def read_certificates(files: Iterable[str]) -> tuple[str, ...]:
    """Return every certificate of these files, each in PEM; raises UsageError."""
    found: list[str] = []
    for name in files:
        path = Path(name).expanduser()
        try:
            certificates = _CERTIFICATE.findall(path.read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"engine.ca_certificates: {path}: {error}") from error
        if not certificates:
            raise UsageError(
                f"engine.ca_certificates: {path} has no certificate in PEM",
                hint="openssl x509 -inform der -in FILE -out FILE.pem turns DER to PEM",
            )
        found += [f"{text}\n" for text in certificates]
    return tuple(found)
