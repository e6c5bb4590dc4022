from __future__ import annotations

import json
import os
import resource
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import UsageError
from spotci.events import JobStatus, PipelineFinished
from spotci.pipeline import JobName
from spotci.processes import current_process
from spotci.report.record import Recorder
from spotci.run_number import next_number, number_file
from spotci.runs import (
    CRASHED,
    Quota,
    RunStore,
    job_slugs,
    new_run_id,
    write_atomically,
    write_run,
)
from tests.report.run_events import BUILD, RESULTS, TEST, failed_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from spotci.events import Event
    from spotci.processes import ProcessStamp
    from spotci.runs import (
        Run,
    )


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    ticks = count(1_760_000_000)
    return RunStore(tmp_path / ".spotci", clock=lambda: float(next(ticks)))


def recorded(store: RunStore) -> Run:
    recorder = Recorder(store.create(command=["run"]))
    for event in failed_run():
        recorder.handle(event)
    recorder.close()
    return recorder.run


def test_the_folder_ignores_itself_in_git(store: RunStore) -> None:
    store.create()

    assert (store.root / ".gitignore").read_text() == "*\n"


def test_a_finished_run_is_read_as_it_was_written(store: RunStore) -> None:
    run = recorded(store)

    [found] = store.list()

    assert found == run
    assert found.status == JobStatus.FAILED
    assert (found.source, found.ref, found.command) == ("push", "main", ("run",))
    assert found.duration == 71.0
    assert list(found.results.values()) == list(RESULTS)


def test_logs_are_plain_lines_without_hostile_sequences(store: RunStore) -> None:
    run = recorded(store)

    assert run.log(BUILD).read_text() == "$ make\ncompiling\n"
    assert run.log(TEST).read_text() == (
        "\x1b[31mred\nstill red\x1b[0m\nplain\nAssertionError\n"
    )


def test_events_hold_all_but_logs_and_progress(store: RunStore) -> None:
    run = recorded(store)

    names = [type(event).__name__ for event in run.events()]

    assert names.count("JobFinished") == len(RESULTS)
    assert not {"JobLog", "Progress"} & set(names)


def test_a_run_of_this_process_without_an_end_still_runs(store: RunStore) -> None:
    store.create()

    assert store.find().status == JobStatus.RUNNING


@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param(replace(current_process(), start="1"), id="pid used again"),
        pytest.param(replace(current_process(), boot="other"), id="another boot"),
        pytest.param(replace(current_process(), pid=2**22 + 1), id="it is gone"),
        pytest.param(None, id="no process"),
    ],
)
def test_a_crashed_run_is_recognised(
    store: RunStore, stamp: ProcessStamp | None
) -> None:
    run = store.create()
    recorder = Recorder(run)
    for event in failed_run():
        if not isinstance(event, PipelineFinished):
            recorder.handle(event)
    recorder.close()
    write_run(replace(recorder.run, process=stamp))
    with run.events_file.open("ab") as events:
        events.write(b'{"event": "job_fin')  # torn by the crash

    found = store.find()

    assert found.status == CRASHED
    assert found.results[BUILD].status is JobStatus.SUCCESS


def test_a_folder_that_holds_no_run_is_passed_over(store: RunStore) -> None:
    run = recorded(store)
    (run.folder.parent / "zzz").mkdir()
    (run.folder.parent / "zzzz").mkdir()
    (run.folder.parent / "zzzz" / "run.json").write_text("{")

    assert [found.id for found in store.list()] == [run.id]


def test_runs_are_counted_though_old_ones_go(store: RunStore) -> None:
    assert next_number(store.root) == 1
    numbers = [store.create().number for _ in range(3)]
    for run in store.list():
        store.remove(run)

    assert numbers == [1, 2, 3]
    assert next_number(store.root) == 4


@pytest.mark.parametrize("text", ["", "many", "-3"])
def test_a_damaged_count_begins_again(store: RunStore, text: str) -> None:
    store.create()
    number_file(store.root).write_text(text)

    assert store.create().number == 1


def test_find_by_id_beginning_or_end(store: RunStore) -> None:
    first, second = store.create(), store.create()

    assert store.find().id == second.id
    assert store.find("latest").id == second.id
    assert store.find(first.id).id == first.id
    assert store.find(first.id[:9]).id == first.id
    assert store.find(first.id[1:]).id == first.id


def test_find_says_what_is_wrong(store: RunStore) -> None:
    with pytest.raises(UsageError, match="no run is recorded here yet"):
        store.find()
    first, second = store.create(), store.create()
    with pytest.raises(UsageError, match='no run "nope" is recorded here'):
        store.find("nope")
    beginning = first.id[:2]
    several = f'several runs match "{beginning}": {second.id}, {first.id}'
    with pytest.raises(UsageError, match=several):
        store.find(beginning)


def test_eviction_keeps_the_newest_and_those_that_run(store: RunStore) -> None:
    running = store.create()
    runs = [recorded(store) for _ in range(4)]

    removed = store.evict(Quota(runs=2))

    assert removed == (runs[1].id, runs[0].id)
    assert [run.id for run in store.list()] == [runs[3].id, runs[2].id, running.id]


def test_eviction_by_size_keeps_the_newest_whatever_its_size(store: RunStore) -> None:
    old, new = recorded(store), recorded(store)

    assert store.evict(Quota(bytes=1)) == (old.id,)
    assert [run.id for run in store.list()] == [new.id]


@given(st.floats(1_735_689_600, 2_700_000_000), st.floats(0.002, 1e8))
def test_ids_sort_by_time(now: float, later: float) -> None:
    first, second = new_run_id(now), new_run_id(now + later)

    assert first < second
    assert len(first) == len(second) == 10


@pytest.mark.parametrize(
    ("names", "slugs"),
    [
        pytest.param(["build", "test: [a, b]"], ["build", "test---a--b"], id="plain"),
        pytest.param(["a b", "a-b", "a+b"], ["a-b", "a-b-2", "a-b-3"], id="alike"),
        pytest.param(["a-b", "a b", "a-b-2"], ["a-b", "a-b-2", "a-b-2-2"], id="chain"),
        pytest.param(["漢", "字"], ["job", "job-2"], id="nothing left"),
    ],
)
def test_job_slugs_are_unique(names: list[str], slugs: list[str]) -> None:
    assert list(job_slugs(map(JobName, names)).values()) == slugs


def test_writing_leaves_the_old_file_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]


def test_run_json_is_for_people_too(store: RunStore) -> None:
    data = json.loads((recorded(store).folder / "run.json").read_text())

    assert data["version"] == 1
    assert data["jobs"][1] == {
        "job": "test: [a]",
        "status": "failed",
        "exit_code": 1,
        "failure_reason": "script_failure",
        "attempt": 2,
        "started_at": 1760000004.0,
        "finished_at": 1760000070.0,
        "coverage": 81.5,
        "tests": {"total": 12, "failed": 1, "skipped": 2},
        "last_lines": ["\x1b[31mred", "", "AssertionError"],
    }


def test_what_a_killed_process_left_half_done_goes(store: RunStore) -> None:
    store.create()
    runs = store.root / "runs"
    (runs / "1abc~").mkdir()
    (runs / "1abd~new" / "logs").mkdir(parents=True)
    (store.root / ".number.77.abcd").touch()
    for path in (*runs.glob("*~*"), *store.root.glob(".*.*.*")):
        os.utime(path, (0, 0))
    (runs / "1abe~new").mkdir()

    store.evict(Quota())

    assert [path.name for path in runs.glob("*~*")] == ["1abe~new"]
    assert list(store.root.glob(".*.*.*")) == []


def test_a_crashed_run_keeps_its_record_and_no_scratch(
    store: RunStore,
) -> None:
    run = store.create()
    (run.scratch / "source").mkdir()
    write_run(replace(run, process=replace(current_process(), pid=1)))
    living = store.create()

    store.evict(Quota())

    assert not run.scratch.exists()
    assert not (run.folder / "reserve").exists()
    assert store.find(run.id).status == CRASHED
    assert living.scratch.exists()


def test_a_run_that_was_killed_behind_its_end_leaves_no_scratch(
    store: RunStore,
) -> None:
    run = recorded(store)
    assert run.scratch.exists()

    store.evict(Quota())

    assert not run.scratch.exists()


def test_only_the_user_can_look_into_the_records(store: RunStore) -> None:
    store.create()

    assert store.root.stat().st_mode & 0o777 == 0o700


def test_a_disk_that_takes_no_record_is_told(tmp_path: Path) -> None:
    (tmp_path / ".spotci").write_text("in the way")

    with pytest.raises(UsageError) as caught:
        RunStore(tmp_path / ".spotci").create()

    assert str(caught.value) == (
        f"no run can be recorded in {tmp_path}/.spotci: File exists\n"
        "free some room; records of runs go with: spotci clean --runs"
    )


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file can grow beyond a size: the kernel cuts the write that crosses it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_record_that_cannot_grow_stays_whole_and_gets_its_end(
    store: RunStore,
) -> None:
    recorder = Recorder(store.create())
    *before, end = failed_run()

    def handle_all(events: Iterable[Event]) -> None:
        for event in events:
            recorder.handle(event)

    with small_files(5000):
        with pytest.raises(OSError, match="cannot go on: File too large; to free some"):
            handle_all(before * 40)
        with pytest.raises(OSError, match="cannot go on"):
            recorder.handle(end)
    recorder.close()

    lines = recorder.run.events_file.read_bytes()
    assert lines.endswith(b"\n")
    assert all(json.loads(line) for line in lines.splitlines())
    assert store.find().status == JobStatus.FAILED
    assert dict(store.find().results) == {result.job: result for result in RESULTS}
