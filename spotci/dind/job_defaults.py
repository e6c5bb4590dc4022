"""What the settings of the engine give to every container of a job. Pure.

The folders of ``engine.volumes``, as gitlab-runner mounts its ``volumes`` into jobs and
services, and the authorities of ``engine.ca_certificates``. The latter come by
variables that add to what an image trusts, where a program has such a variable: the
image's own list is of its own kind and place, and is left alone.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dind import boot
from spotci.executor.backend import Mount

if TYPE_CHECKING:
    from spotci.dind.settings import EngineSettings
    from spotci.executor.backend import ContainerSpec

__all__ = ["with_defaults"]

#: OpenSSL, curl, Go and Python read each folder of the first, and the image's file all
#: the same; git hands the third on to curl.
_AUTHORITIES = {
    "SSL_CERT_DIR": f"/etc/ssl/certs:{boot.AUTHORITIES}",
    "NODE_EXTRA_CA_CERTS": f"{boot.AUTHORITIES}/ca.pem",
    "GIT_SSL_CAPATH": boot.AUTHORITIES,
}


def with_defaults(spec: ContainerSpec, settings: EngineSettings) -> ContainerSpec:
    """Return a container with what the settings give to all; its own wins."""
    own = settings.kind == "dind"
    mounts = [
        Mount(
            source=boot.extra_volume_path(index) if own else volume.source,
            target=volume.target,
            read_only=volume.read_only,
        )
        for index, volume in enumerate(settings.volumes)
    ]
    environment: dict[str, str] = {}
    if settings.ca_certificates and own:
        environment = _AUTHORITIES
        folder = boot.AUTHORITIES
        mounts.append(Mount(source=folder, target=folder, read_only=True))
    taken = {mount.target for mount in spec.mounts}
    added = tuple(mount for mount in mounts if mount.target not in taken)
    if not added and not environment:
        return spec
    return replace(
        spec,
        mounts=(*spec.mounts, *added),
        environment=MappingProxyType({**environment, **spec.environment}),
    )
