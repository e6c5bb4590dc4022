from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.dind.manifest import Manifest, delta, digest, racy
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = st.sampled_from([b"a", b"b", b"-c", b"d\n", b"\xff"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map(b"/".join)
_RECORDS = st.sampled_from([b"100644 1 1", b"100755 2 2", b"120777 3 3"])


def _is_tree(stats: Mapping[bytes, bytes]) -> bool:
    return not any(path.startswith(other + b"/") for path in stats for other in stats)


_TREES = st.dictionaries(_PATHS, _RECORDS, max_size=8).filter(_is_tree)


def test_a_deleted_folder_is_hidden_as_a_whole() -> None:
    old = dict.fromkeys([b"a/b/x", b"a/b/y", b"a/c", b"d"], b"1 1 1")
    new = dict.fromkeys([b"a/c", b"d"], b"1 1 1")

    changes = delta(old, new)

    assert (changes.changed, changes.hidden) == ((), (b"a/b",))


@pytest.mark.parametrize(
    ("old", "new", "hidden"),
    [
        pytest.param([b"a/x"], [b"a"], (), id="folder becomes file"),
        pytest.param([b"a"], [b"a/x"], (), id="file becomes folder"),
        pytest.param([b"a", b"b"], [b"b"], (b"a",), id="file goes"),
    ],
)
def test_what_hides_itself(
    old: list[bytes], new: list[bytes], hidden: tuple[bytes, ...]
) -> None:
    assert delta(dict.fromkeys(old, b"1"), dict.fromkeys(new, b"1")).hidden == hidden


@given(old=_TREES, new=_TREES)
@pytest.mark.property
def test_a_delta_makes_one_tree_the_other(
    old: dict[bytes, bytes], new: dict[bytes, bytes]
) -> None:
    changes = delta(old, new)

    # What overlayfs shows: a whiteout, and a file, hide all that is at and below them;
    # a folder hides a file.
    over = (*changes.hidden, *changes.changed)
    made = {
        path: stat
        for path, stat in old.items()
        if not any(path == top or path.startswith(top + b"/") for top in over)
        and not any(top.startswith(path + b"/") for top in changes.changed)
    }
    made.update({path: new[path] for path in changes.changed})
    assert made == new


@given(stats=_TREES, data=st.data())
@pytest.mark.property
def test_a_manifest_is_read_as_it_was_written(
    stats: dict[bytes, bytes], data: st.DataObject
) -> None:
    origins = {path: data.draw(st.integers(1, 9)) for path in stats if b"a" in path}
    manifest = Manifest(layers=("l1", "l2"), stats=stats, origins=origins)

    assert Manifest.decode(manifest.encode()) == manifest
    assert manifest.encode().startswith(f"{digest(stats)} l1 l2\n".encode())


def test_a_damaged_manifest_is_an_error() -> None:
    with pytest.raises(EngineError, match="damaged"):
        Manifest.decode(b"digest l1\n0 100644 1\0")


@pytest.mark.parametrize(
    ("mtime", "expected"),
    [
        pytest.param(10_000_000_000, False, id="long ago"),
        pytest.param(12_980_000_001, True, id="just now"),
        pytest.param(12_000_000_001, False, id="a second ago"),
        pytest.param(12_000_000_000, True, id="a second ago, in whole seconds"),
        pytest.param(99_000_000_000, True, id="in the future"),
    ],
)
def test_a_time_that_may_hide_a_change(mtime: int, *, expected: bool) -> None:
    assert racy(mtime, 13_000_000_000) is expected
