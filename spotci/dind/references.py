"""Names of images: registry, repository, tag, digest. Pure.

Docker's grammar: what stands before the first slash is a registry if it has a dot or a
colon or is ``localhost``; anything else is a repository of Docker Hub.
"""

from __future__ import annotations

import re

from spotci.dataclass import dataclass

__all__ = ["HUB", "Reference"]

HUB = "docker.io"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ID = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image as its name says. ``repository`` begins with the registry if written.

    The name of a bare id has neither tag nor repository.
    """

    repository: str
    tag: str | None = None
    digest: str | None = None

    @staticmethod
    def parse(name: str) -> Reference:
        """Read a name. Never fails: what is no name is refused by the daemon."""
        if _ID.fullmatch(name):
            return Reference(repository="", digest=name)
        rest, _, digest = name.partition("@")
        head, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        if not colon and not digest:
            tag = "latest"
        return Reference(
            repository=f"{head}{slash}{last}", tag=tag or None, digest=digest or None
        )

    @property
    def name(self) -> str:
        """The name in full: without a tag, some calls would mean all tags."""
        if not self.repository:
            return self.digest or ""
        if self.digest is not None:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}"

    @property
    def registry(self) -> str:
        """Host, and port if any, of its registry; ``docker.io`` where none is named."""
        head, slash, _ = self.repository.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost"):
            return HUB if head == f"index.{HUB}" else head
        return HUB

    def is_on_loopback(self, port: int) -> bool:
        """Say whether its registry is the one at this port of the loopback."""
        host, _, at = self.registry.rpartition(":")
        return host in _LOOPBACK and at == str(port)

    def at(self, digest: str) -> Reference:
        """Return the same repository's image of this digest."""
        return Reference(repository=self.repository, digest=digest)
