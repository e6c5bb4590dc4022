"""Files that were fetched, kept in the user's cache folder.

What belongs to a commit is kept for ever; what belongs to a branch or a URL is fetched
again when it is older than the settings allow, and used all the same where no server
answers. The folder is the user's own: it may hold files of private projects.
"""

from __future__ import annotations

import os
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.project.fetch import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["IncludeCache", "cache_folder"]


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Return ``spotci`` in the user's cache folder, or None without a home."""
    if folder := environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "spotci"
    if home := environ.get("HOME"):
        return Path(home) / ".cache" / "spotci"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludeCache:
    """A cache in ``folder``, none at all where that is None. ``ttl`` is in seconds."""

    folder: Path | None
    ttl: float
    offline: bool = False

    def get(
        self, key: str, fetch: Callable[[], bytes], *, immutable: bool = False
    ) -> bytes:
        """Return what is cached under a key, or fetch it; raises FetchError.

        Offline, whatever is there is used, and ``fetch`` is never called.
        """
        file = self._file(key)
        if file is not None and self._fresh(file, immutable=immutable):
            try:
                return file.read_bytes()
            except FileNotFoundError:  # removed meanwhile
                pass
        if self.offline:
            raise FetchError("the offline mode: there is no copy in the cache")
        try:
            content = fetch()
        except FetchError as error:
            if error.offline and file is not None and file.is_file():
                return file.read_bytes()
            raise
        if file is not None:
            _write(file, content)
        return content

    def _file(self, key: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / "includes" / sha256(key.encode()).hexdigest()

    def _fresh(self, file: Path, *, immutable: bool) -> bool:
        try:
            age = time.time() - file.stat().st_mtime
        except OSError:
            return False
        return immutable or self.offline or 0 <= age < self.ttl


def _write(file: Path, content: bytes) -> None:
    # A cache that cannot be written costs time, nothing else.
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(content)
        Path(name).replace(file)
    except OSError:
        return
