"""``cache``: the keys, and which caches a job restores and saves (pure).

GitLab's server makes the keys, with a suffix for protected refs; its runner expands
the variables in them and cleans them. "Caching in GitLab CI/CD" describes both.
"""

from __future__ import annotations

import posixpath
import re
from hashlib import sha1
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.executor.doublestar import compile_pattern, is_literal
from spotci.pipeline import CachePolicy, SaveWhen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spotci.executor.plan import RunPlan
    from spotci.pipeline import Cache, CacheKey
    from spotci.tree import SourceTree

__all__ = ["JobCache", "clean_key", "resolve_caches"]

_ENCODED = re.compile(r"%(2f|2e|5c)", re.IGNORECASE)
_DECODED = {"2f": "/", "2e": ".", "5c": "/"}
_DEFAULT = "default"
_FALLBACK = "CACHE_FALLBACK_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCache:
    """A cache of one job, its variables expanded.

    ``keys`` are those to look for, the first is the one to save under; there are none
    where nothing is left of that one. ``warnings`` are lines for the log. ``policy``
    None is one that the runner does not know: ``fault`` is why it gives up the job.
    """

    keys: tuple[str, ...]
    paths: tuple[str, ...]
    untracked: bool
    policy: CachePolicy | None
    when: SaveWhen
    warnings: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def restores(self) -> bool:
        """Whether the policy lets the job take the cache."""
        return self.policy in (CachePolicy.PULL_PUSH, CachePolicy.PULL)

    @property
    def saves(self) -> bool:
        """Whether the policy lets the job save the cache."""
        return self.policy in (CachePolicy.PULL_PUSH, CachePolicy.PUSH)

    def saves_after(self, *, success: bool) -> bool:
        """Return whether the cache is about jobs that ended this way."""
        wanted = SaveWhen.ON_SUCCESS if success else SaveWhen.ON_FAILURE
        return self.when in (wanted, SaveWhen.ALWAYS)


def resolve_caches(
    caches: Sequence[Cache], plan: RunPlan, expand: Callable[[str], str]
) -> tuple[JobCache, ...]:
    """Return the caches of a job that are about any file.

    May read the repository, for ``key:files``: call it in a thread.
    """
    return tuple(
        _resolve(cache, index, plan, expand)
        for index, cache in enumerate(caches)
        if cache.paths or cache.untracked
    )


def clean_key(key: str) -> str:
    """Return the key as the runner cleans it: it cannot climb out of its folder."""
    plain = _ENCODED.sub(lambda match: _DECODED[match[1].lower()], key)
    path = plain.replace("\\", "/").replace("\0", "")
    while True:
        # Without its trailing spaces, what was a name may be "..".
        clean = posixpath.normpath(f"/{path.rstrip()}").lstrip("/")
        if clean == path:
            return clean
        path = clean


def _resolve(
    cache: Cache, index: int, plan: RunPlan, expand: Callable[[str], str]
) -> JobCache:
    warnings: list[str] = []
    suffix = "" if cache.unprotect else _suffix(protected=plan.protected)
    written = _key(cache.key, index, plan.tree)
    keys = [_cleaned(expand(written + suffix), warnings)]
    if keys[0]:
        others = [expand(key + suffix) for key in cache.fallback_keys]
        common = expand(f"${_FALLBACK}")
        if common.endswith("-protected"):
            warnings.append(
                f'{_FALLBACK} "{common}" not allowed to end in "-protected"'
            )
        elif common:
            others.append(common)
        keys += [_cleaned(key, warnings) for key in others]
    # None at all is what a job has that does not set it.
    policy = expand(cache.policy) or CachePolicy.PULL_PUSH
    known = policy in set(CachePolicy)
    return JobCache(
        keys=tuple(dict.fromkeys(filter(None, keys))),
        paths=tuple(expand(path) for path in cache.paths),
        untracked=cache.untracked,
        policy=CachePolicy(policy) if known else None,
        when=cache.when,
        warnings=tuple(warnings),
        fault=None if known else f"unknown cache policy {policy} for {keys[0]}",
    )


def _cleaned(key: str, warnings: list[str]) -> str:
    """Return the key as the runner cleans it, and note what it says of that."""
    clean = clean_key(key)
    if key and not clean:
        warnings.append(f'cache key "{key}" could not be sanitized')
    elif clean != key:
        warnings.append(f'cache key "{key}" sanitized to "{clean}"')
    return clean


def _suffix(*, protected: bool) -> str:
    return "-protected" if protected else "-non_protected"


def _key(key: CacheKey, index: int, tree: SourceTree) -> str:
    """Return the key before its variables are expanded."""
    files = key.files or key.files_commits
    if not files:
        return key.text or _DEFAULT
    prefix = key.prefix
    if prefix is None:
        # GitLab tells caches of one job apart by their place and their files.
        names = "_".join(name.split(".")[0] for name in files)
        prefix = f"{index}_{names}"
    return f"{prefix}-{_digest(files, tree)}"


def _digest(files: Sequence[str], tree: SourceTree) -> str:
    """Return the digest of the files' blobs; commits are not looked at."""
    if tree.blob_ids is None:
        return _DEFAULT
    paths = [path for pattern in files for path in _paths(pattern, tree)]
    ids: Mapping[str, str] = tree.blob_ids(tuple(dict.fromkeys(paths)))
    if not ids:
        return _DEFAULT
    joined = "-".join(sorted(set(ids.values()))).encode()
    return sha1(joined, usedforsecurity=False).hexdigest()


def _paths(pattern: str, tree: SourceTree) -> list[str]:
    known = {entry.path for entry in tree.entries}
    if is_literal(pattern):
        path = pattern.removeprefix("./")
        return [path] if path in known else []
    try:
        matches = compile_pattern(pattern)
    except ValueError:
        return []
    return sorted(path for path in known if matches(path))
