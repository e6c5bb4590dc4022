"""What the engine's container is: its program, its configuration, its digest. Pure.

The program replaces the image's own entrypoint, which would open a TCP listener
without authentication or generate certificates of its own; it does all else that the
entrypoint of ``docker:dind`` does, see docker-library/docker. It needs a POSIX shell,
``openssl``, ``iptables`` and ``dockerd``, and runs in busybox as in Debian.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.dind import labels

if TYPE_CHECKING:
    from spotci.dind.settings import EngineSettings, ExtraVolume

__all__ = [
    "AUTHORITIES",
    "CERTIFICATES",
    "SOCKET",
    "SOCKET_DIR",
    "TLS_PORT",
    "engine_config",
    "engine_digest",
    "engine_files",
    "extra_volume_path",
    "socket_dir",
]

#: Where the socket's folder is seen in the engine, and from there in jobs.
SOCKET_DIR = "/run/spot-ci"
SOCKET = f"{SOCKET_DIR}/docker.sock"
#: Folder with ``client/{ca,cert,key}.pem`` in the engine.
CERTIFICATES = "/spotci/certs"
TLS_PORT = 2376
#: Folder with the authorities of the settings: ``ca.pem`` has all, and each has a file
#: of its own under the name by which OpenSSL looks for it.
AUTHORITIES = "/etc/spot-ci/ca"

#: A path of a unix socket has at most 107 bytes on Linux, 103 on macOS.
_LONGEST_SOCKET = 100

_PROGRAM = r"""
set -eu
socket=$1 certificates=$2 group=$3
shift 3

# A daemon that was killed leaves these, and will not start where they exist.
find /run /var/run \( -name 'docker*.pid' -o -name 'containerd*.pid' \) \
  -exec rm -f {} + 2>/dev/null || :
mkdir -p "${socket%/*}"
rm -f "$socket"

# The image's wrapper does this for nested daemons: AppArmor is looked for where
# securityfs is; with cgroup v2 no process may stay in the root group, or controllers
# cannot be handed down.
export container=docker
if [ -d /sys/kernel/security ] && ! mountpoint -q /sys/kernel/security; then
  mount -t securityfs none /sys/kernel/security 2>/dev/null || :
fi
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs \
    2>/dev/null || :
  sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers \
    >/sys/fs/cgroup/cgroup.subtree_control || :
fi
mount --make-rshared / || :

# One kernel has one of two packet filters in use; the other's rules would not count.
legacy=/usr/local/sbin/.iptables-legacy
if [ -d "$legacy" ]; then
  if cat /proc/net/ip_tables_names 2>/dev/null | grep -q . ||
    { ! iptables -nL >/dev/null 2>&1 && "$legacy/iptables" -nL >/dev/null 2>&1; }; then
    export PATH="$legacy:$PATH"
  fi
fi

# The registry and the daemon serve this network namespace, the containers below it,
# and the host through published ports, whose connections come from the gateway.
# A container beside this one gets nothing.
route=$(ip route | awk '$1 == "default" { print $5, $3; exit }')
iptables -w -I INPUT -i "${route% *}" -p tcp --syn ! -s "${route#* }" \
  -j REJECT --reject-with tcp-reset

# Docker's own resolver is at this namespace's loopback. Containers below could not
# reach it there, so the daemon would give them public resolvers instead, which an
# office may not let through: offer it at the gateway's address, as kind does.
if grep -q '^nameserver 127\.0\.0\.11' /etc/resolv.conf; then
  sed "s/^nameserver 127\.0\.0\.11/nameserver ${route#* }/" /etc/resolv.conf \
    >/tmp/spot-ci-resolv.conf
  cat /tmp/spot-ci-resolv.conf >/etc/resolv.conf
fi
if rules=$(iptables -w -t nat -S DOCKER_OUTPUT 2>/dev/null); then
  echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
  for protocol in tcp udp; do
    resolver=$(echo "$rules" | sed -n "s/.* -p $protocol .*--to-destination //p")
    for chain in PREROUTING OUTPUT; do
      iptables -w -t nat -A "$chain" -d "${route#* }" -p "$protocol" --dport 53 \
        -j DNAT --to-destination "$resolver"
    done
  done
fi

sign() { # folder, common name, extensions
  mkdir -p "$1"
  openssl ecparam -name prime256v1 -genkey -noout -out "$1/key.pem"
  openssl req -new -key "$1/key.pem" -subj "/CN=$2" -out "$1/csr.pem"
  printf '%s\n' "$3" >"$1/extensions"
  openssl x509 -req -days 825 -in "$1/csr.pem" -out "$1/cert.pem" \
    -CA ca/cert.pem -CAkey ca/key.pem -CAcreateserial -extfile "$1/extensions"
  cp ca/cert.pem "$1/ca.pem"
  rm -f "$1/csr.pem" "$1/extensions"
}
if ! openssl x509 -checkend 2592000 -noout -in "$certificates/client/cert.pem" \
  >/dev/null 2>&1; then
  rm -rf "$certificates" "$certificates.new"
  (
    umask 077
    mkdir -p "$certificates.new/ca"
    cd "$certificates.new"
    openssl ecparam -name prime256v1 -genkey -noout -out ca/key.pem
    openssl req -new -x509 -days 3650 -key ca/key.pem -subj '/CN=spotci engine CA' \
      -out ca/cert.pem
    # The public image names localhost and docker; the others are aliases in use.
    names=DNS:localhost,DNS:docker,DNS:dind,DNS:docker-dind,IP:127.0.0.1,IP:::1
    sign server 'spotci engine' "extendedKeyUsage = serverAuth
subjectAltName = $names"
    sign client 'spotci client' 'extendedKeyUsage = clientAuth'
  ) >/tmp/spot-ci-certificates.log 2>&1 || {
    cat /tmp/spot-ci-certificates.log >&2
    exit 1
  }
  # Jobs that may command the engine read these as any user.
  chmod 755 "$certificates.new" "$certificates.new/client"
  chmod 644 "$certificates.new/client/"*
  mv "$certificates.new" "$certificates"
fi

# Go reads every file of this folder; OpenSSL finds one by the hash of its subject.
authorities=/etc/spot-ci/ca
if [ -d "$authorities" ]; then
  rm -f "$authorities"/*.[0-9]*
  cat "$authorities"/*.crt >"$authorities/ca.pem"
  cp "$authorities/ca.pem" /etc/ssl/certs/spot-ci.pem
  for file in "$authorities"/*.crt; do
    hash=$(openssl x509 -noout -hash -in "$file") n=0
    while [ -e "$authorities/$hash.$n" ]; do n=$((n + 1)); done
    cp "$file" "$authorities/$hash.$n"
  done
fi

exec dockerd --log-level=warn --group="$group" --host="unix://$socket" \
  --host=tcp://0.0.0.0:2376 --tlsverify --tlscacert="$certificates/server/ca.pem" \
  --tlscert="$certificates/server/cert.pem" --tlskey="$certificates/server/key.pem" "$@"
"""


def socket_dir(settings: EngineSettings) -> Path:
    """Return the folder on the host that holds the engine's socket.

    Below the state folder, or where that is too deep for a socket's path, below the
    folder for temporary files.
    """
    folder = settings.state_dir.absolute() / settings.name
    if len(str(folder / "docker.sock")) <= _LONGEST_SOCKET:
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"spot-ci-{os.getuid()}-{digest}"


def engine_config(
    settings: EngineSettings, *, registry_port: int | None
) -> dict[str, object]:
    """Return what the engine's container is created from, for the Engine API.

    ``registry_port`` is the port on the host's loopback, None for any free one. The
    label with the digest is the same for each: a port that was taken once is no
    reason to make the engine anew.
    """
    ours = {
        **labels.host_labels(settings.name, labels.Role.ENGINE),
        labels.CONFIG: engine_digest(settings),
    }
    return {**_config(settings, registry_port), "Labels": ours}


def engine_digest(settings: EngineSettings) -> str:
    """Return the digest of all that these settings make the container from."""
    made = [_config(settings, settings.registry_port), *settings.ca_certificates]
    config = json.dumps(made, sort_keys=True)
    return hashlib.sha256(config.encode()).hexdigest()[:16]


def engine_files(settings: EngineSettings) -> dict[str, bytes]:
    """Return the files that the container gets before it starts, by their paths."""
    return {
        f"{AUTHORITIES}/{index}.crt": text.encode()
        for index, text in enumerate(settings.ca_certificates)
    }


def extra_volume_path(index: int) -> str:
    """Return where the engine has a volume of ``EngineSettings.volumes``."""
    return f"/mnt/spot-ci/{index}"


def _config(settings: EngineSettings, registry_port: int | None) -> dict[str, object]:
    published = {f"{settings.registry_port}/tcp": _loopback(registry_port)}
    mounts = [
        _volume(settings, labels.Role.DATA, "/var/lib/docker"),
        _volume(settings, labels.Role.WORK, "/spotci"),
        *(_extra(index, volume) for index, volume in enumerate(settings.volumes)),
    ]
    if settings.transport == "socket":
        # A bind that Docker would create itself would belong to root; a mount of
        # type bind is refused instead where the folder is missing.
        source = str(socket_dir(settings))
        mounts.append({"Type": "bind", "Source": source, "Target": SOCKET_DIR})
    elif settings.transport == "tls":
        published[f"{TLS_PORT}/tcp"] = _loopback(None)
    mirrors = [*settings.mirrors]
    if settings.registry_mirror is not None:
        mirrors.insert(0, f"http://127.0.0.1:{settings.mirror_port}")
    arguments = [
        *(f"--registry-mirror={mirror}" for mirror in mirrors),
        *(f"--insecure-registry={name}" for name in settings.insecure_registries),
    ]
    return {
        "Image": settings.image,
        "Hostname": settings.name[:63],
        "Entrypoint": ["sh", "-c", _PROGRAM, settings.name],
        "Cmd": [SOCKET, CERTIFICATES, str(os.getgid()), *arguments],
        "Env": [
            # The image's own would send its docker command elsewhere.
            f"DOCKER_HOST=unix://{SOCKET}",
            "DOCKER_TLS_CERTDIR=",
            *(f"{name}={value}" for name, value in sorted(settings.proxies.items())),
        ],
        "ExposedPorts": {port: {} for port in published},
        "StopSignal": "SIGTERM",
        "HostConfig": {
            "Privileged": True,
            "Init": True,
            # Daemons that remap users refuse privileged containers otherwise.
            "UsernsMode": "host",
            "NetworkMode": settings.network,
            "Mounts": mounts,
            "PortBindings": published,
            "Memory": settings.memory or 0,
            "NanoCpus": round((settings.cpus or 0) * 1e9),
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "10m", "max-file": "1"},
            },
        },
    }


def _volume(
    settings: EngineSettings, role: labels.Role, target: str
) -> dict[str, object]:
    data = role is labels.Role.DATA
    return {
        "Type": "volume",
        "Source": settings.data_volume if data else settings.work_volume,
        "Target": target,
        "VolumeOptions": {"Labels": labels.host_labels(settings.name, role)},
    }


def _extra(index: int, volume: ExtraVolume) -> dict[str, object]:
    # Whether a job may write to it is said where the job gets it.
    return {
        "Type": "bind" if volume.source.startswith("/") else "volume",
        "Source": volume.source,
        "Target": extra_volume_path(index),
    }


def _loopback(port: int | None) -> list[dict[str, str]]:
    return [{"HostIp": "127.0.0.1", "HostPort": "" if port is None else str(port)}]
