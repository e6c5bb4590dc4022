"""Restoring and saving the caches of a job, in the words of the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spotci.executor.backend import LayerId, Workspace, Workspaces
    from spotci.executor.cache import JobCache
    from spotci.executor.files import FileSet
    from spotci.executor.trace import Trace

__all__ = ["find_caches", "save_caches", "stored_name", "tell_restored"]

_LOCAL_DOWNLOAD = (
    "No URL provided, cache will not be downloaded from shared cache server. "
    "Instead a local version of cache will be extracted."
)
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
    """Say which caches the job gets."""
    for index, cache in enumerate(caches):
        for warning in cache.warnings:
            await trace.warning(warning)
        if not cache.keys:
            continue
        if index not in found:
            await trace.line(f"Not downloading cache {cache.keys[0]} due to policy")
            continue
        hit = found[index]
        for key in cache.keys:
            await trace.line(f"Checking cache for {key}...")
            await trace.line(_LOCAL_DOWNLOAD)
            if hit is not None and key == hit[0]:
                await trace.line("Successfully extracted cache")
                break
            await trace.warning("Cache file does not exist")
            await trace.line("Failed to extract cache")


async def save_caches(
    workspaces: Workspaces,
    workspace: Workspace,
    trace: Trace,
    caches: Iterable[JobCache],
    files: FileSet,
    *,
    project_path: str,
) -> None:
    """Store the caches; a fault is said in the log and nothing else."""
    for cache in caches:
        if not cache.keys:
            continue
        key = cache.keys[0]
        if not cache.saves:
            await trace.line(f"Not uploading cache {key} due to policy")
            continue
        await trace.line(f"Creating cache {key}...")
        selected = files.select(cache.paths, untracked=cache.untracked)
        for remark in selected.remarks:
            if remark.warning:
                await trace.warning(remark.text)
            else:
                await trace.line(remark.text)
        if not selected.paths:
            await trace.line("Archive is up to date!")
            continue
        try:
            layer = await workspaces.collect(workspace, selected.paths)
            await workspaces.store_cache(stored_name(project_path, key), layer)
        except EngineError as error:
            await trace.warning(str(error))
            await trace.line("Failed to create cache")
            continue
        await trace.line(_LOCAL_UPLOAD)
        await trace.line("Created cache")


async def _look(workspaces: Workspaces, name: str, attempts: int) -> LayerId | None:
    for attempt in range(attempts):
        try:
            return await workspaces.cached(name)
        except EngineError:
            if attempt == attempts - 1:
                break
    return None
