"""``script``, ``before_script``, ``after_script`` and ``hooks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    given,
    hash_of,
    nested_strings,
    unknown_keys,
)

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_commands", "decode_hooks"]


def decode_commands(
    node: Node, place: str, problems: Problems
) -> tuple[str, ...] | None:
    """Return the lines of a script: one text, or a list nested up to ten levels.

    None means that the value is wrong. GitLab: ``Entry::Commands``.
    """
    return nested_strings(node, place, problems, single=True)


def decode_hooks(node: Node, place: str, problems: Problems) -> tuple[str, ...]:
    """Return the lines of ``hooks:pre_get_sources_script``, the only hook there is."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return ()
    unknown_keys(mapping, {"pre_get_sources_script"}, place, problems)
    script = given(mapping, "pre_get_sources_script")
    if script is None:
        return ()
    return decode_commands(script, f"{place}:pre_get_sources_script", problems) or ()
