"""The tree between YAML and the typed configuration: values that know their place.

Scalars are resolved as GitLab's loader does (YAML 1.1): ``yes`` is True, ``012`` is
10. A mapping keeps the order of its entries and the place of each key.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as MappingType

    from spotci.source import Span

__all__ = ["Entry", "Mapping", "Node", "Plain", "Reference", "Scalar", "Sequence"]

#: A value without places, as JSON knows it.
Plain: TypeAlias = (
    "str | int | float | bool | list[Plain] | dict[str | int | bool, Plain] | None"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or null."""

    value: str | int | float | bool | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    span: Span = field(compare=False, repr=False)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping with its value; ``span`` is the key's place."""

    key: str | int | float | bool | None
    value: Node
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map, in the order of the text."""

    entries: MappingType[str | int | float | bool | None, Entry] = field(
        default_factory=lambda: MappingProxyType({})
    )
    span: Span = field(kw_only=True, compare=False, repr=False)

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value


@dataclass(frozen=True, slots=True)
class Reference:
    """``!reference [a, b]``, until it is resolved.

    ``argument`` is what stood behind the tag, whatever it was.
    """

    argument: Node
    span: Span = field(compare=False, repr=False)


Node: TypeAlias = Scalar | Sequence | Mapping | Reference
