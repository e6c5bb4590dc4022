"""Dataclasses as of the standard library, whose methods are made when needed.

:func:`dataclasses.dataclass` writes and compiles six methods for every frozen class
when its module is loaded: 1.5 ms a class, 0.3 s of the 0.75 s of processor time of a
short run, and for half of the classes in vain. Here it still collects the fields, so
that ``fields``, ``replace`` and ``match`` know the class; but ``__init__`` is compiled
with the first instance, and the other methods are closures, which cost next to nothing.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Type checkers are shown the original, whose rules these classes keep.
    from dataclasses import dataclass
else:

    def dataclass(
        *,
        frozen: bool = False,
        slots: bool = False,
        kw_only: bool = False,
        eq: bool = True,
    ) -> Callable[[type], type]:
        """Make a dataclass; the flags mean what they do in the standard library.

        To assign to an attribute of a frozen instance, or to delete one, raises
        :class:`dataclasses.FrozenInstanceError`.
        """
        collect = dataclasses.dataclass(
            init=False, repr=False, eq=False, slots=slots, kw_only=kw_only
        )

        def make(cls: type) -> type:
            written = set(vars(cls))
            made = collect(cls)
            for name, method in _methods(made, frozen=frozen, eq=eq):
                if name not in written:
                    setattr(made, name, method)
            return made

        return make


def _methods(cls: type[Any], *, frozen: bool, eq: bool) -> Iterator[tuple[str, object]]:
    yield "__init__", _late_init(cls, frozen=frozen)
    yield "__repr__", _representation(cls)
    if eq:
        values = _values_of(cls)
        yield "__eq__", _equality(values)
        yield "__hash__", _hash(values) if frozen else None
    if frozen:
        yield "__setattr__", _refuse_to_assign
        yield "__delattr__", _refuse_to_delete


def _late_init(cls: type[Any], *, frozen: bool) -> Callable[..., None]:
    """Make the ``__init__`` of the first instance, which the lasting one replaces."""

    def __init__(self: object, *args: object, **kwargs: object) -> None:  # noqa: N807
        cls.__init__ = _compiled_init(cls, frozen=frozen)
        cls.__init__(self, *args, **kwargs)

    return __init__


def _compiled_init(cls: type[Any], *, frozen: bool) -> Callable[..., None]:
    names: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    positional: list[str] = []
    keywords: list[str] = []
    body: list[str] = []
    for field in fields(cls):
        name, value, default = field.name, field.name, ""
        if field.default_factory is not MISSING:
            names[f"_make_{name}"] = field.default_factory
            default = "=_missing"
            value = f"_make_{name}()"
            if field.init:
                value += f" if {name} is _missing else {name}"
        elif field.default is not MISSING:
            names[f"_default_{name}"] = field.default
            default = f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        elif not field.init:
            continue
        if field.init:
            (keywords if field.kw_only else positional).append(name + default)
        body.append(
            f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}"
        )
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ["self", *positional]
    if keywords:
        parameters += ["*", *keywords]
    head = f"def __init__({', '.join(parameters)}):"
    text = "\n  ".join([head, *(body or ["pass"])])
    exec(text, names)  # noqa: S102 - made of names of fields, as in the library
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _representation(cls: type[Any]) -> Callable[[object], str]:
    names = [field.name for field in fields(cls) if field.repr]

    @recursive_repr()
    def __repr__(self: object) -> str:  # noqa: N807
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({shown})"

    return __repr__


def _values_of(cls: type[Any]) -> Callable[[object], object]:
    """Give the function that takes from an instance what it is compared by."""
    names = [field.name for field in fields(cls) if field.compare]
    return attrgetter(*names) if names else lambda _: ()


def _equality(values: Callable[[object], object]) -> Callable[[object, object], bool]:
    def __eq__(self: object, other: object) -> bool:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return __eq__


def _hash(values: Callable[[object], object]) -> Callable[[object], int]:
    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _refuse_to_assign(_self: object, name: str, _value: object) -> None:
    message = f"cannot assign to field {name!r}"
    raise FrozenInstanceError(message)


def _refuse_to_delete(_self: object, name: str) -> None:
    message = f"cannot delete field {name!r}"
    raise FrozenInstanceError(message)
