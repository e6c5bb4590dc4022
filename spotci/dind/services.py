"""Docker in jobs: the engine itself under the names of a ``docker:dind`` service.

Nothing is started for such a service. The job gets the engine's socket, and the
service's host name leads to the engine, whose daemon there takes whoever shows the
client's certificate of ``/certs/client``.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dind import boot
from spotci.executor.backend import DockerAccess, Mount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.dind.shell import Shell
    from spotci.executor.backend import ContainerSpec

__all__ = ["docker_access", "host_access", "is_given", "reach_registry"]

_SOCKET = "/var/run/docker.sock"

# The registry listens in the engine's network namespace; the job's loopback is its own.
# Connections of the job to the port there are led to its gateway, which is the engine.
_REACH = r"""
nsenter -t "$1" -n sh -c '
gateway=$(ip route | awk "\$1 == \"default\" { print \$3; exit }")
[ -n "$gateway" ] || exit 0
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
iptables-restore -n <<END
*nat
-A OUTPUT -d 127.0.0.1 -p tcp --dport $0 -j DNAT --to-destination $gateway:$0
-A POSTROUTING -d $gateway -p tcp --dport $0 -j MASQUERADE
COMMIT
END
' "$2"
"""


def docker_access(aliases: Sequence[str]) -> DockerAccess:
    """Return what a job needs to command the engine as these hosts.

    The socket serves every client, whatever the job's variables say of TLS: they are
    overridden. A script that insists finds ``tcp://docker:2376``, or ``dind``, and its
    certificates. There is no port without TLS: any container could command the engine.
    """
    return DockerAccess(
        environment=MappingProxyType(
            {
                "DOCKER_HOST": f"unix://{_SOCKET}",
                # Empty is unset for every client, and beats the image's and the job's.
                "DOCKER_TLS_VERIFY": "",
                "DOCKER_CERT_PATH": "",
            }
        ),
        mounts=(
            Mount(source=boot.SOCKET, target=_SOCKET),
            Mount(
                source=f"{boot.CERTIFICATES}/client",
                target="/certs/client",
                read_only=True,
            ),
        ),
        # The engine's address on its default bridge is its own on every other, too.
        extra_hosts=MappingProxyType(dict.fromkeys(aliases, "host-gateway")),
    )


def host_access() -> DockerAccess:
    """Return what a job needs to command the developer's own Docker: its socket."""
    access = docker_access(())
    socket = tuple(mount for mount in access.mounts if mount.source == boot.SOCKET)
    return replace(access, mounts=socket)


def is_given(spec: ContainerSpec) -> bool:
    """Say whether a container has been given the engine."""
    return any(mount.source == boot.SOCKET for mount in spec.mounts)


async def reach_registry(shell: Shell, pid: int, port: int) -> None:
    """Make ``localhost:<port>`` of a running container lead to the registry.

    ``pid`` is the container's, as the engine sees it. Raises EngineError.
    """
    await shell.run(_REACH, str(pid), str(port))
