"""The images that the Dockerfiles of a tree are built from.

A job that builds images finds them in the engine where the host has them, so that a
build works without a network as it does on the developer's own daemon.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotci.tree import SourceTree

__all__ = ["base_images", "base_images_later"]

_NAME = re.compile(r"(?:.*\.)?(?:Dockerfile|Containerfile)(?:\..*)?", re.IGNORECASE)
_ARG = re.compile(r"\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)
_FROM = re.compile(
    r"\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE
)
_COPY = re.compile(r"\s*(?:COPY|ADD)\s+.*--from=(?P<image>\S+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
#: Bytes of a Dockerfile that are read.
_LARGEST = 65536


def base_images_later(tree: SourceTree) -> Callable[[], tuple[str, ...]]:
    """Return what finds the images when it is first called: few jobs build any."""
    return cache(partial(base_images, tree))


def base_images(tree: SourceTree) -> tuple[str, ...]:
    """Return the images that are named, with the defaults of ``ARG``, sorted."""
    found: set[str] = set()
    for entry in tree.entries:
        if entry.size <= _LARGEST and _NAME.fullmatch(entry.path.rpartition("/")[2]):
            try:
                text = (tree.root / entry.path).read_text(errors="replace")
            except OSError:
                continue
            found |= _images_of(text)
    return tuple(sorted(found))


def _images_of(text: str) -> set[str]:
    arguments: dict[str, str] = {}
    stages: set[str] = set()
    images: set[str] = set()
    for line in text.splitlines():
        if match := _ARG.match(line):
            arguments[match[1]] = match[2].strip("\"'")
        elif match := _FROM.match(line) or _COPY.match(line):
            name = _VARIABLE.sub(lambda m: arguments.get(m[1], m[0]), match["image"])
            if not (name in stages or name.isdigit() or "$" in name):
                images.add(name)
            stage = match.groupdict().get("stage")
            if stage:
                stages.add(stage)
    return images - {"scratch"}
