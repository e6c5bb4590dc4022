from __future__ import annotations

from dataclasses import replace
from hashlib import sha1
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import EngineError
from spotci.executor.cache import clean_key, resolve_caches
from spotci.pipeline import Artifacts, Cache, CacheKey, CachePolicy
from spotci.tree import SourceTree, TreeEntry
from spotci.variables import expand_runner
from tests.builders import job, plan, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.executor.cache import JobCache
    from spotci.executor.plan import RunPlan

LOCALLY = (
    "No URL provided, cache will not be uploaded to shared cache server. "
    "Cache will be stored only locally."
)
FILES = {"Gemfile.lock": "aaa", "sub/package.json": "bbb", "other": "ccc"}


def tree(root: Path) -> SourceTree:
    return SourceTree(
        root=root,
        entries=tuple(
            TreeEntry(path=path, mode=0o100644, size=1, mtime_ns=0) for path in FILES
        ),
        blob_ids=lambda paths: {path: FILES[path] for path in paths},
    )


def run_plan(root: Path, *, protected: bool = True) -> RunPlan:
    return replace(plan(record=root), tree=tree(root), protected=protected)


def resolve(
    root: Path, *caches: Cache, protected: bool = True, **variables: str
) -> tuple[JobCache, ...]:
    return resolve_caches(
        caches,
        run_plan(root, protected=protected),
        lambda text: expand_runner(text, variables),
    )


def digest(*ids: str) -> str:
    joined = "-".join(sorted(ids)).encode()
    return sha1(joined, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(CacheKey(), "default", id="none"),
        pytest.param(CacheKey(text="$REF-x"), "main-x", id="text"),
        pytest.param(
            CacheKey(files=("Gemfile.lock",)),
            f"0_Gemfile-{digest('aaa')}",
            id="file",
        ),
        pytest.param(
            CacheKey(files=("Gemfile.lock", "sub/*.json"), prefix="$REF"),
            f"main-{digest('aaa', 'bbb')}",
            id="files and prefix",
        ),
        pytest.param(
            CacheKey(files=("none",), prefix="p"), "p-default", id="no such file"
        ),
        pytest.param(
            CacheKey(files_commits=("other",)), f"0_other-{digest('ccc')}", id="commits"
        ),
    ],
)
def test_keys(tmp_path: Path, key: CacheKey, expected: str) -> None:
    (cache,) = resolve(tmp_path, Cache(key=key, paths=("x",)), REF="main")

    assert cache.keys == (f"{expected}-protected",)


def test_suffix_and_fallbacks(tmp_path: Path) -> None:
    cache = Cache(key=CacheKey(text="a"), paths=("x",), fallback_keys=("b", "$C"))

    (one,) = resolve(tmp_path, cache, protected=False, C="c", CACHE_FALLBACK_KEY="d")

    assert one.keys == ("a-non_protected", "b-non_protected", "c-non_protected", "d")


def test_unprotect_and_a_fallback_that_is_not_allowed(tmp_path: Path) -> None:
    cache = Cache(key=CacheKey(text="a"), paths=("x",), unprotect=True)

    (one,) = resolve(tmp_path, cache, CACHE_FALLBACK_KEY="z-protected")

    assert one.keys == ("a",)
    assert one.warnings == (
        'CACHE_FALLBACK_KEY "z-protected" not allowed to end in "-protected"',
    )


@pytest.mark.parametrize(
    ("policy", "restores", "saves"),
    [
        ("pull-push", True, True),
        ("pull", True, False),
        ("push", False, True),
        ("$P", True, False),
        ("$UNSET", True, True),
        ("wrong", False, False),
    ],
)
def test_policy(tmp_path: Path, policy: str, *, restores: bool, saves: bool) -> None:
    (cache,) = resolve(tmp_path, Cache(paths=("x",), policy=policy), P="pull")

    assert (cache.restores, cache.saves) == (restores, saves)
    assert cache.fault == (
        "unknown cache policy wrong for default-protected"
        if policy == "wrong"
        else None
    )


def test_without_its_own_key_a_cache_is_skipped(tmp_path: Path) -> None:
    cache = Cache(
        key=CacheKey(text=".."),
        paths=("x",),
        unprotect=True,
        fallback_keys=("other",),
    )

    (one,) = resolve(tmp_path, cache)

    assert one.keys == ()
    assert one.warnings == ('cache key ".." could not be sanitized',)


def test_a_cache_of_nothing_is_none(tmp_path: Path) -> None:
    assert resolve(tmp_path, Cache()) == ()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("plain-key", "plain-key"),
        ("feature/x", "feature/x"),
        ("../../etc", "etc"),
        ("a/../../b", "b"),
        ("%2e%2e%2Fx", "x"),
        ("a\\..\\b", "b"),
        ("..", ""),
        ("/", ""),
        ("key  ", "key"),
        ("ünïcode", "ünïcode"),
    ],
)
def test_cleaned_keys(key: str, expected: str) -> None:
    assert clean_key(key) == expected


@pytest.mark.property
@given(st.text("ab./\\%2eEfF \0", max_size=20))
def test_no_key_climbs_out(key: str) -> None:
    clean = clean_key(key)

    assert ".." not in clean.split("/")
    assert not clean.startswith("/")
    assert "\0" not in clean


def test_a_cleaned_key_is_told(tmp_path: Path) -> None:
    cache = Cache(key=CacheKey(text="../x"), paths=("x",))

    (one,) = resolve(tmp_path, cache)

    assert one.warnings == ('cache key "../x-protected" sanitized to "x-protected"',)


async def test_second_run_restores(tmp_path: Path) -> None:
    cache = Cache(key=CacheKey(text="k"), paths=("vendor/",), fallback_keys=("f",))
    world = World(tmp_path, job("a", cache=(cache,)))
    world.backend.workspaces.caches["local/project:f-protected"] = (
        world.backend.workspaces.layer({"vendor/x": b"1"})
    )

    await world.run()

    layers = world.backend.workspaces.specs[0].layers
    assert len(layers) == 1
    log = [line for line in world.log() if not line.startswith("No URL")]
    start = log.index("== Restoring cache")
    assert log[start + 1 : start + 6] == [
        "Checking cache for k-protected...",
        "WARNING: Cache file does not exist",
        "Failed to extract cache",
        "Checking cache for f-protected...",
        "Successfully extracted cache",
    ]
    stored = world.backend.workspaces.caches["local/project:k-protected"]
    assert world.backend.workspaces.layers[stored] == {"vendor/x": b"1"}


async def test_artifacts_lie_over_caches(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("a", stage="build", script=("m",), artifacts=Artifacts(paths=("x",))),
        job("b", script=("use",), cache=(Cache(paths=("x",), policy="pull"),)),
    )
    world.backend.program("$ m", files={"x": b"artifact"})
    cached = world.backend.workspaces.layer({"x": b"cache"})
    world.backend.workspaces.caches["local/project:default-protected"] = cached

    await world.run()

    assert world.backend.workspaces.specs[1].layers[0] == cached
    assert len(world.backend.workspaces.specs[1].layers) == 2
    assert "Not uploading cache default-protected due to policy" in world.log("b")


async def test_full_runs_start_with_empty_caches_and_save_them(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("a", script=("m",), cache=(Cache(paths=("x",)),)),
        ignore_caches=True,
    )
    workspaces = world.backend.workspaces
    workspaces.caches["local/project:default-protected"] = workspaces.layer({})
    world.backend.program("$ m", files={"x": b"1"})

    await world.run()

    assert workspaces.specs[0].layers == ()
    stored = workspaces.caches["local/project:default-protected"]
    assert workspaces.layers[stored] == {"x": b"1"}


@pytest.mark.parametrize("stage", ["cached", "collect", "store_cache"])
async def test_a_job_never_fails_for_its_caches(tmp_path: Path, stage: str) -> None:
    world = World(tmp_path, job("a", script=("m",), cache=(Cache(paths=("x",)),)))
    world.backend.program("$ m", files={"x": b"1"})
    world.backend.gates.faults[stage] = [EngineError("disk full")]

    result = await world.run()

    assert result.status == "success"


async def test_restoring_is_tried_again(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "a",
            cache=(Cache(paths=("x",), policy=CachePolicy.PULL),),
            variables={"RESTORE_CACHE_ATTEMPTS": "2"},
        ),
    )
    workspaces = world.backend.workspaces
    workspaces.caches["local/project:default-protected"] = workspaces.layer({})
    world.backend.gates.faults["cached"] = [EngineError("busy")]

    await world.run()

    assert "Successfully extracted cache" in world.log()
    assert len(workspaces.specs[0].layers) == 1


async def test_a_push_cache_is_not_restored(tmp_path: Path) -> None:
    world = World(tmp_path, job("a", cache=(Cache(paths=("x",), policy="push"),)))

    await world.run()

    log = world.log()
    assert "Not downloading cache default-protected due to policy" in log
    assert "Created cache" in log
    stored = world.backend.workspaces.caches["local/project:default-protected"]
    assert world.backend.workspaces.layers[stored] == {}


def saving(world: World) -> list[str]:
    """Return what the log tells of saving the only cache of a job."""
    log = world.log()
    start = log.index("Creating cache default-protected...") + 1
    return log[start : log.index("Created cache") + 1]


@pytest.mark.parametrize(
    ("before", "after", "saved"),
    [
        pytest.param(None, {}, True, id="the first, of nothing"),
        pytest.param(None, {"x": b"1"}, True, id="the first"),
        pytest.param({"x": b"1"}, {}, False, id="the same"),
        pytest.param({"x": b"1"}, {"x": b"2"}, True, id="a file was changed"),
        pytest.param({"x": b"1"}, {"x/b": b"2"}, True, id="a file is new"),
        pytest.param({"x": b"1"}, {"x": None}, False, id="all files are gone"),
    ],
)
async def test_a_cache_is_saved_where_there_is_something_new_in_it(
    tmp_path: Path,
    before: dict[str, bytes] | None,
    after: dict[str, bytes | None],
    *,
    saved: bool,
) -> None:
    world = World(tmp_path, job("a", script=("m",), cache=(Cache(paths=("x",)),)))
    workspaces = world.backend.workspaces
    name = "local/project:default-protected"
    if before is not None:
        workspaces.caches[name] = workspaces.layer(before)
    held = workspaces.caches.get(name)
    world.backend.program("$ m", files=after)

    await world.run()

    assert saving(world)[1:] == [
        LOCALLY if saved else "Archive is up to date!",
        "Created cache",
    ]
    assert (workspaces.caches[name] != held) is saved


async def test_a_cache_found_by_a_fallback_key_is_saved_by_its_own(
    tmp_path: Path,
) -> None:
    cache = Cache(paths=("x",), fallback_keys=("old",))
    world = World(tmp_path, job("a", cache=(cache,)))
    workspaces = world.backend.workspaces
    workspaces.caches["local/project:old-protected"] = workspaces.layer({"x": b"1"})

    await world.run()

    assert saving(world)[1:] == [LOCALLY, "Created cache"]
    assert set(workspaces.caches) == {
        "local/project:default-protected",
        "local/project:old-protected",
    }


async def test_the_runner_gives_up_on_a_policy_that_it_does_not_know(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, job("a", cache=(Cache(paths=("x",), policy="$WRONG"),)))
    world.plan = replace(world.plan, variables=(variable("WRONG", "wrong"),))

    result = await world.run()

    fault = "unknown cache policy wrong for default-protected"
    assert result.failure_reason == "runner_system_failure"
    assert world.log()[-3:] == [
        "== Restoring cache",
        "== Cleaning up project directory and file based variables",
        f"ERROR: Job failed (system failure): {fault}",
    ]


async def test_a_cache_without_a_key_is_skipped(tmp_path: Path) -> None:
    cache = Cache(key=CacheKey(text="."), paths=("x",), unprotect=True)
    world = World(tmp_path, job("a", cache=(cache,)))

    await world.run()

    log = world.log()
    assert "Skipping cache extraction due to empty cache key" in log
    assert "Skipping cache archiving due to empty cache key" in log
    assert world.backend.workspaces.caches == {}
