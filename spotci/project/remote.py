"""Remote URLs of git, as far as they tell a GitLab host and a project path.

============================================ ==================================
``git@host:group/sub/project.git``           the scp-like form, ssh on port 22
``ssh://git@host:2222/group/project.git``    ssh on another port
``https://user:token@host:8443/group/x.git`` the web; what is before ``@`` is dropped
``/srv/git/x.git`` ``../x`` ``file:///x``    a folder: there is no host
============================================ ==================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Remote", "apply_instead_of", "parse_remote", "project_path_of"]

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/\s]+):(?P<path>.+)")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_WEB = frozenset({"http", "https"})
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_ODD = re.compile(r"[^A-Za-z0-9_.-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: A GitLab path has a namespace; what comes without one gets this.
_NAMESPACE = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A remote repository; ``path`` is ``group/project``, without ``.git``.

    ``protocol`` and ``port`` are those of the web interface: where the URL is one of
    ssh they are assumed to be https on 443. ``ssh_port`` is None where the URL does
    not tell it. Nothing in it is secret.
    """

    host: str
    path: str
    protocol: str = "https"
    port: int = 443
    ssh_port: int | None = None

    @property
    def fqdn(self) -> str:
        """``CI_SERVER_FQDN``: the host, with its port where that is not the usual."""
        usual = _DEFAULT_PORTS.get(self.protocol) == self.port
        return self.host if usual else f"{self.host}:{self.port}"

    @property
    def server_url(self) -> str:
        """``CI_SERVER_URL``."""
        return f"{self.protocol}://{self.fqdn}"


def parse_remote(url: str) -> Remote | None:
    """Return what a URL tells, or None where it names no host or no path."""
    url = url.strip()
    if "://" in url:
        return _of_url(url)
    if _DRIVE.match(url) or url.startswith(("/", ".", "~")):
        return None
    match = _SCP.fullmatch(url)
    if match is None:
        return None
    return _remote(match["host"].strip("[]"), match["path"], ssh_port=22)


def apply_instead_of(url: str, config: Mapping[str, Sequence[str]]) -> str:
    """Rewrite a URL by ``url.<base>.insteadOf``: the longest prefix wins, as in git."""
    best, base = "", ""
    for key, prefixes in config.items():
        if not (key.startswith("url.") and key.endswith(".insteadof")):
            continue
        for prefix in prefixes:
            if url.startswith(prefix) and len(prefix) > len(best):
                best, base = prefix, key.removeprefix("url.").removesuffix(".insteadof")
    return base + url.removeprefix(best) if best else url


def project_path_of(path: str) -> str:
    """Return a safe ``group/project`` of any path; it becomes part of folder names.

    Characters that GitLab does not allow become dashes, and ``.`` and ``..`` vanish.
    """
    segments = [_ODD.sub("-", part).strip("-") for part in path.split("/")]
    segments = [part for part in segments if part.strip(".")]
    if not segments:
        return f"{_NAMESPACE}/project"
    segments[-1] = segments[-1].removesuffix(".git") or "project"
    return "/".join(segments if len(segments) > 1 else [_NAMESPACE, *segments])


def _of_url(url: str) -> Remote | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number, a bracket that is not closed
        return None
    if not host or parts.scheme == "file":
        return None
    path = unquote(parts.path)
    if parts.scheme in _SSH:
        return _remote(host, path, ssh_port=port or 22)
    if parts.scheme in _WEB:
        usual = _DEFAULT_PORTS[parts.scheme]
        return _remote(host, path, protocol=parts.scheme, port=port or usual)
    return _remote(host, path)


def _remote(
    host: str,
    path: str,
    *,
    protocol: str = "https",
    port: int = 443,
    ssh_port: int | None = None,
) -> Remote | None:
    if not path.strip("/"):
        return None
    return Remote(
        host=host.lower(),
        path=project_path_of(path),
        protocol=protocol,
        port=port,
        ssh_port=ssh_port,
    )
