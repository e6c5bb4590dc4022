"""Our dataclasses beside those of the standard library: the same comes of both."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci import dataclass as ours

if TYPE_CHECKING:
    from collections.abc import Callable

    Maker = Callable[..., Callable[[type], type]]


def make_point(dataclass: Maker, **flags: bool) -> Any:
    class Point:
        x: int
        y: int = 0
        tags: list[str] = field(default_factory=list, compare=False)
        note: str = field(default="", repr=False, compare=False)
        total: int = field(init=False, default=1)

    return dataclass(**flags)(Point)


FLAGS = st.fixed_dictionaries(
    {name: st.booleans() for name in ("frozen", "slots", "kw_only", "eq")}
)


def told(act: Callable[[], object]) -> object:
    """What comes of an act: its result, or the kind of its error."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - errors are compared as results are
        return type(error)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda p: repr(p(x=1)), id="repr"),
        pytest.param(lambda p: p(x=1) == p(x=1), id="equal"),
        pytest.param(lambda p: p(x=1) == p(x=2), id="unequal"),
        pytest.param(lambda p: p(x=1, note="a") == p(x=1), id="not compared"),
        pytest.param(lambda p: p(x=1).__eq__(1), id="another class"),
        pytest.param(lambda p: len({p(x=1), p(x=1)}), id="hash"),
        pytest.param(lambda p: p(1, 2).y, id="positional"),
        pytest.param(lambda p: p(y=2), id="missing argument"),
        pytest.param(lambda p: p(x=1, z=2), id="unknown argument"),
        pytest.param(lambda p: p(x=1, total=2), id="no argument of init"),
        pytest.param(lambda p: p(x=1).tags is p(x=1).tags, id="default factory"),
        pytest.param(lambda p: p(x=1, tags=["a"]).tags, id="instead of the factory"),
        pytest.param(lambda p: p(x=1).total, id="default that is no argument"),
        pytest.param(lambda p: setattr(p(x=1), "x", 2), id="assign"),
        pytest.param(lambda p: delattr(p(x=1), "x"), id="delete"),
        pytest.param(lambda p: replace(p(x=1), y=5).y, id="replace"),
        pytest.param(lambda p: [f.name for f in fields(p)], id="fields"),
        pytest.param(lambda p: p.__match_args__, id="match"),
        pytest.param(lambda p: hasattr(p(x=1), "__dict__"), id="slots"),
    ],
)
@given(flags=FLAGS)
def test_as_in_the_standard_library(act: Callable[[Any], Any], flags: Any) -> None:
    theirs = make_point(dataclasses.dataclass, **flags)
    own = make_point(ours.dataclass, **flags)

    assert told(lambda: act(own)) == told(lambda: act(theirs))


def test_init_is_compiled_with_the_first_instance() -> None:
    point = make_point(ours.dataclass)
    first = point.__init__

    point(x=1)

    assert point.__init__ is not first
    assert point.__init__.__qualname__.endswith("Point.__init__")


def test_what_a_class_writes_itself_is_kept() -> None:
    @ours.dataclass(frozen=True, slots=True, kw_only=True)
    class Name:
        text: str
        made: list[str] = field(default_factory=list)

        def __post_init__(self) -> None:
            self.made.append("after")

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    name = Name(text="a")

    assert (repr(name), name == 1, hash(name), name.made) == (
        "mine",
        True,
        7,
        ["after"],
    )


def test_a_subclass_has_the_fields_of_its_base() -> None:
    @ours.dataclass(frozen=True, slots=True, kw_only=True)
    class Base:
        a: int

    @ours.dataclass(frozen=True, slots=True, kw_only=True)
    class Sub(Base):
        b: int = 2

    assert Base(a=1) == Base(a=1)
    assert (Sub(a=1).a, Sub(a=1).b) == (1, 2)
    assert repr(Sub(a=1)).endswith("Sub(a=1, b=2)")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        Sub(a=1).a = 2  # type: ignore[misc]


def test_an_instance_that_holds_itself_is_shown() -> None:
    @ours.dataclass(slots=True)
    class Knot:
        end: object = None

    knot = Knot()
    knot.end = knot

    assert repr(knot).endswith("Knot(end=...)")
