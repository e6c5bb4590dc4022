from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from spotci.project.fetch import FetchError
from spotci.project.include_cache import IncludeCache, cache_folder


class Source:
    """Counts how often it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.count = 0
        self.error: FetchError | None = None

    def __call__(self) -> bytes:
        self.count += 1
        if self.error is not None:
            raise self.error
        return f"content {self.count}".encode()


@pytest.fixture
def source() -> Source:
    return Source()


def age(cache: IncludeCache, seconds: float) -> None:
    assert cache.folder is not None
    for file in (cache.folder / "includes").iterdir():
        changed = file.stat().st_mtime - seconds
        os.utime(file, (changed, changed))


def test_what_is_young_is_not_fetched_again(tmp_path: Path, source: Source) -> None:
    cache = IncludeCache(folder=tmp_path, ttl=100)

    assert cache.get("k", source) == b"content 1"
    assert cache.get("k", source) == b"content 1"
    assert cache.get("other", source) == b"content 2"


def test_what_is_old_is_fetched_again(tmp_path: Path, source: Source) -> None:
    cache = IncludeCache(folder=tmp_path, ttl=100)
    cache.get("k", source)
    age(cache, 101)

    assert cache.get("k", source) == b"content 2"


def test_what_cannot_change_is_kept_for_ever(tmp_path: Path, source: Source) -> None:
    cache = IncludeCache(folder=tmp_path, ttl=0)
    cache.get("k", source, immutable=True)
    age(cache, 1e9)

    assert cache.get("k", source, immutable=True) == b"content 1"


def test_an_old_copy_stands_in_where_no_server_answers(
    tmp_path: Path, source: Source
) -> None:
    cache = IncludeCache(folder=tmp_path, ttl=0)
    cache.get("k", source)
    source.error = FetchError("a socket error", offline=True)

    assert cache.get("k", source) == b"content 1"


def test_an_answer_of_the_server_counts(tmp_path: Path, source: Source) -> None:
    cache = IncludeCache(folder=tmp_path, ttl=0)
    cache.get("k", source)
    source.error = FetchError("HTTP code `404` error", status=404)

    with pytest.raises(FetchError, match="404"):
        cache.get("k", source)


def test_offline_nothing_is_fetched(tmp_path: Path, source: Source) -> None:
    IncludeCache(folder=tmp_path, ttl=0).get("k", source)
    cache = IncludeCache(folder=tmp_path, ttl=0, offline=True)
    age(cache, 1e9)

    assert cache.get("k", source) == b"content 1"
    with pytest.raises(FetchError, match="the offline mode: there is no copy"):
        cache.get("other", source)
    assert source.count == 1


def test_without_a_folder_all_is_fetched(source: Source) -> None:
    cache = IncludeCache(folder=None, ttl=100)

    assert [cache.get("k", source), cache.get("k", source)] == [
        b"content 1",
        b"content 2",
    ]


def test_a_folder_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, source: Source
) -> None:
    (tmp_path / "file").write_text("")
    cache = IncludeCache(folder=tmp_path / "file", ttl=100)

    assert cache.get("k", source) == b"content 1"


def test_files_are_the_users_alone(tmp_path: Path, source: Source) -> None:
    cache = IncludeCache(folder=tmp_path / "spotci", ttl=100)

    cache.get("../../k", source)

    (file,) = (tmp_path / "spotci/includes").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/spotci"),
        ({"HOME": "/h"}, "/h/.cache/spotci"),
        ({}, None),
    ],
)
def test_cache_folder(environ: dict[str, str], expected: str | None) -> None:
    assert cache_folder(environ) == (None if expected is None else Path(expected))
