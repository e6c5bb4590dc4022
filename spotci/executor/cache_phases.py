"""Restoring and saving the caches of a job, in the words of the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.executor.trace import YELLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spotci.executor.backend import LayerId, Workspace, Workspaces
    from spotci.executor.cache import JobCache
    from spotci.executor.files import FileSet
    from spotci.executor.trace import Trace

__all__ = ["CacheSaver", "find_caches", "stored_name", "tell_restored"]

_LOCAL_DOWNLOAD = (
    "No URL provided, cache will not be downloaded from shared cache server. "
    "Instead a local version of cache will be extracted."
)
_NO_KEY = "empty cache key"
_LOCAL_UPLOAD = (
    "No URL provided, cache will not be uploaded to shared cache server. "
    "Cache will be stored only locally."
)


def stored_name(project_path: str, key: str) -> str:
    """Return the name of a cache in the engine, which other projects use, too."""
    return f"{project_path}:{key}"


async def find_caches(
    workspaces: Workspaces,
    caches: Sequence[JobCache],
    *,
    project_path: str,
    attempts: int,
) -> dict[int, tuple[str, LayerId] | None]:
    """Return for each cache to restore, by position, the key that is there.

    A fault of the engine is tried again, and then counts as a cache that is missing:
    a job never fails for its caches.
    """
    found: dict[int, tuple[str, LayerId] | None] = {}
    for index, cache in enumerate(caches):
        if not cache.restores:
            continue
        found[index] = None
        for key in cache.keys:
            layer = await _look(workspaces, stored_name(project_path, key), attempts)
            if layer is not None:
                found[index] = (key, layer)
                break
    return found


async def tell_restored(
    trace: Trace,
    caches: Sequence[JobCache],
    found: Mapping[int, tuple[str, LayerId] | None],
) -> None:
    """Say which caches the job gets.

    Raises EngineError for a policy that does not exist: the runner gives up there.
    """
    for index, cache in enumerate(caches):
        for warning in cache.warnings:
            await trace.line(warning, colour=YELLOW)
        if not cache.keys:
            await trace.notice(f"Skipping cache extraction due to {_NO_KEY}")
            continue
        if cache.fault is not None:
            raise EngineError(cache.fault)
        if index not in found:
            await trace.notice(f"Not downloading cache {cache.keys[0]} due to policy")
            continue
        await _tell_search(trace, cache, found[index])


async def _tell_search(
    trace: Trace, cache: JobCache, hit: tuple[str, LayerId] | None
) -> None:
    for key in cache.keys:
        await trace.notice(f"Checking cache for {key}...")
        await trace.line(_LOCAL_DOWNLOAD)
        if hit is not None and key == hit[0]:
            await trace.notice("Successfully extracted cache")
            return
        await trace.warning("Cache file does not exist")
        await trace.line("Failed to extract cache", colour=YELLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSaver:
    """Saves the caches of one attempt of a job."""

    workspaces: Workspaces
    workspace: Workspace
    trace: Trace
    project_path: str

    async def save(self, caches: Iterable[JobCache], files: FileSet) -> None:
        """Store the caches; a fault is said in the log and nothing else."""
        for cache in caches:
            if not cache.keys:
                await self.trace.notice(f"Skipping cache archiving due to {_NO_KEY}")
            elif not cache.saves:
                await self.trace.notice(
                    f"Not uploading cache {cache.keys[0]} due to policy"
                )
            else:
                await self._save(cache, cache.keys[0], files)

    async def _save(self, cache: JobCache, key: str, files: FileSet) -> None:
        trace = self.trace
        await trace.notice(f"Creating cache {key}...")
        selected = files.select(cache.paths, untracked=cache.untracked)
        await trace.remarks(selected.remarks)
        try:
            if await self._is_up_to_date(key, selected.paths):
                await trace.line("Archive is up to date!")
            else:
                layer = await self.workspaces.collect(self.workspace, selected.paths)
                name = stored_name(self.project_path, key)
                await self.workspaces.store_cache(name, layer)
                await trace.line(_LOCAL_UPLOAD)
        except EngineError as error:
            await trace.warning(str(error))
            await trace.line("Failed to create cache", colour=YELLOW)
            return
        await trace.notice("Created cache")

    async def _is_up_to_date(self, key: str, paths: Sequence[str]) -> bool:
        """Return whether the cache that is there has all of this already.

        The runner looks for a file that is newer than its archive, so that files that
        are gone from a cache alone are no reason to make it anew.
        """
        held = await self.workspaces.cached(stored_name(self.project_path, key))
        if held is None:
            return False
        return not paths or await self.workspaces.unchanged(self.workspace, paths, held)


async def _look(workspaces: Workspaces, name: str, attempts: int) -> LayerId | None:
    for attempt in range(attempts):
        try:
            return await workspaces.cached(name)
        except EngineError:
            if attempt == attempts - 1:
                break
    return None
