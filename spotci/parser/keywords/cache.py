"""``cache``: one, or a list of at most four.

GitLab: ``Entry::Caches``, ``Entry::Cache`` and ``Entry::Key``.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from spotci.parser.keywords.decoding import (
    attribute,
    boolean,
    choice,
    flattened,
    given,
    is_blank,
    nested,
    string,
    strings,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.pipeline import Cache, CacheKey, CachePolicy, SaveWhen

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_caches"]

_KEYS = frozenset(
    {"key", "untracked", "paths", "when", "policy", "unprotect", "fallback_keys"}
)
_CACHES_LIMIT = 4
_FILES_LIMIT = 10
_FILES_COMMITS_LIMIT = 2
_FALLBACK_KEYS_LIMIT = 5
# Anywhere in the text, as in GitLab, which takes any dollar for a variable.
_POLICY = re.compile(r"pull-push|push|pull|\$")
_DEFAULT_KEY = CacheKey(text="default")


def decode_caches(
    node: Node, place: str, problems: Problems
) -> tuple[Cache, ...] | None:
    """Return the caches of a mapping or of a list of mappings.

    None means that the value is neither; a cache that is wrong is left out.
    """
    if isinstance(node, Sequence):
        items = list(flattened(node))
        if len(node.items) > _CACHES_LIMIT:
            problems.error(
                f"{place}s config no more than {_CACHES_LIMIT} caches can be created",
                node.span,
            )
    else:
        items = [node]
    decoded = [_cache(item, place, problems) for item in items]
    return tuple(cache for cache in decoded if cache is not None)


def _cache(node: Node, place: str, problems: Problems) -> Cache | None:
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} config should be a hash",
            node.span,
            hint="a cache has a key and paths; a list holds several of them",
        )
        return None
    unknown_keys(node, _KEYS, place, problems)
    return Cache(
        key=nested(node, "key", _key, place, problems) or _DEFAULT_KEY,
        paths=nested(node, "paths", _strings, place, problems) or (),
        untracked=nested(node, "untracked", _boolean, place, problems) or False,
        policy=_policy(node, place, problems),
        when=attribute(node, "when", _when, place, problems) or SaveWhen.ON_SUCCESS,
        unprotect=nested(node, "unprotect", _boolean, place, problems) or False,
        fallback_keys=_fallback_keys(node, place, problems),
    )


def _strings(node: Node, place: str, problems: Problems) -> tuple[str, ...] | None:
    return strings(node, f"{place} config", problems)


def _boolean(node: Node, place: str, problems: Problems) -> bool | None:
    return boolean(node, f"{place} config", problems)


def _when(node: Node, subject: str, problems: Problems) -> SaveWhen | None:
    return choice(node, subject, SaveWhen, problems)


def _policy(node: Mapping, place: str, problems: Problems) -> str:
    value = given(node, "policy")
    if value is None or is_blank(value):
        return CachePolicy.PULL_PUSH
    subject = f"{place} policy"
    text = string(value, subject, problems)
    if text is None:
        return CachePolicy.PULL_PUSH
    if not _POLICY.search(text):
        problems.error(
            f"{subject} should be a variable or one of: pull-push, push, pull",
            value.span,
        )
    return text


def _fallback_keys(node: Mapping, place: str, problems: Problems) -> tuple[str, ...]:
    keys = nested(node, "fallback_keys", _strings, place, problems) or ()
    if len(keys) > _FALLBACK_KEYS_LIMIT:
        # GitLab writes "has to many entries".
        problems.error(
            f"{place} fallback keys has to many entries"
            f" (maximum {_FALLBACK_KEYS_LIMIT})",
            node.entries["fallback_keys"].value.span,
        )
    return keys


def _key(node: Node, place: str, problems: Problems) -> CacheKey | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        text = _key_text(node, place, problems)
        return None if text is None else CacheKey(text=text)
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} should be a hash, a string or a symbol",
            node.span,
            hint=f'quote it: "{node.value}"' if isinstance(node, Scalar) else None,
        )
        return None
    unknown_keys(node, {"files", "files_commits", "prefix"}, place, problems)
    if ("files" in node.entries) == ("files_commits" in node.entries):
        problems.error(
            f"{place} config must use exactly one of these keys: files, files_commits",
            node.span,
        )
    commits = partial(_files, limit=_FILES_COMMITS_LIMIT)
    return CacheKey(
        files=nested(node, "files", _files, place, problems) or (),
        files_commits=nested(node, "files_commits", commits, place, problems) or (),
        prefix=nested(node, "prefix", _key_text, place, problems),
    )


def _key_text(node: Node, place: str, problems: Problems) -> str | None:
    """Return a text that can be the name of one directory."""
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str):
        complaint = "should be a string or symbol"
    elif "/" in (path := unquote_plus(text)):
        complaint = 'cannot contain the "/" character'
    elif path in {".", ".."}:
        complaint = 'cannot be "." or ".."'
    else:
        return text
    problems.error(f"{place} config {complaint}", node.span)
    return None


def _files(
    node: Node, place: str, problems: Problems, *, limit: int = _FILES_LIMIT
) -> tuple[str, ...]:
    files = strings(node, f"{place} config", problems)
    if files is None:
        return ()
    if not files:
        problems.error(f"{place} config requires at least 1 item", node.span)
    elif len(files) > limit:
        problems.error(
            f"{place} config has too many items (maximum is {limit})", node.span
        )
    return tuple(file.lstrip("/") for file in files)
