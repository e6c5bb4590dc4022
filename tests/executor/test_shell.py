from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spotci.errors import ContainerError, EngineError
from spotci.events import FailureReason, JobLog, JobStatus
from spotci.executor.backend import ContainerSpec, WorkspaceSpec
from spotci.executor.job import JobRunner
from spotci.executor.shell import open_shell_backend
from spotci.pipeline import Artifacts, Cache, Image, Service
from spotci.tree import SourceTree, TreeEntry
from tests.builders import StoredGit, job, plan, variable
from tests.fakes import Events

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.events import JobResult
    from spotci.executor.backend import Backend, Workspace
    from spotci.pipeline import Job


def source(root: Path, **files: str) -> SourceTree:
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        (root / name).write_text(content)
    (root / "link").symlink_to("tracked")
    git = root.parent / "git"
    git.mkdir()
    (git / "HEAD").write_text("ref")
    return SourceTree(
        root=root,
        entries=tuple(
            TreeEntry(path=path, mode=0o100644, size=1, mtime_ns=0)
            for path in (*files, "link", "removed meanwhile")
        ),
        tracked=frozenset(files),
        sha="0123456789",
        git=StoredGit(git),
    )


class Shell:
    """Jobs as processes, in a project of one file."""

    def __init__(self, folder: Path, *jobs: Job, **fields: object) -> None:
        self.tree = source(folder / "project", tracked="content\n")
        self.plan = replace(
            plan(*jobs, record=folder / "record", stop_grace=20.0),
            tree=self.tree,
            **fields,  # type: ignore[arg-type]
        )
        self.caches = folder / "caches"
        self.events = Events()

    async def run(self) -> dict[str, JobResult]:
        async with open_shell_backend(caches=self.caches) as backend:
            snapshot = await backend.workspaces.snapshot(self.tree)
            async with JobRunner(self.plan, backend, self.events, snapshot) as runner:
                return {
                    each.name: await runner.run(each, 1)
                    for each in self.plan.pipeline.jobs.values()
                }

    def log(self, kind: str = "output") -> str:
        return "\n".join(
            event.text for event in self.events.of(JobLog) if event.kind == kind
        )


async def test_a_cache_that_no_job_changed_is_not_saved_again(tmp_path: Path) -> None:
    cache = (Cache(paths=("deps",)),)
    shell = Shell(
        tmp_path,
        job("fill", script=("mkdir deps && echo 1 >deps/a",), cache=cache),
        job("use", script=("cat deps/a",), cache=cache),
        job("add", script=("echo 2 >deps/b",), cache=cache),
        job("change", script=("echo 3 >deps/a",), cache=cache),
    )

    await shell.run()

    log = shell.log("runner")
    assert log.count("Created cache") == 4
    assert log.count("Archive is up to date!") == 1
    assert log.count("Cache will be stored only locally.") == 3


async def test_jobs_hand_on_artifacts_and_caches(tmp_path: Path) -> None:
    shell = Shell(
        tmp_path,
        job(
            "build",
            stage="build",
            script=(
                "cat tracked; cat .git/HEAD; mkdir -p dist/sub cache",
                "echo built > dist/sub/out; ln -s sub/out dist/link; echo c > cache/c",
                "echo BUILT=yes > e; chmod 755 dist/sub/out",
            ),
            cache=(Cache(paths=("cache/",)),),
            artifacts=Artifacts(paths=("dist/",), reports={"dotenv": ("e",)}),
        ),
        job(
            "test",
            script=("cat dist/link; echo $BUILT; ls; stat -c %a dist/sub/out",),
            after_script=("echo after; test ! -e e",),
        ),
    )

    results = await shell.run()

    assert {result.status for result in results.values()} == {JobStatus.SUCCESS}
    log = shell.log()
    assert "\ncontent\nref" in log
    assert "\nbuilt\nyes\ndist\nlink\ntracked\n755" in log
    assert "\nafter" in log
    kept = tmp_path / "record/artifacts/build/dist"
    assert (kept / "sub/out").read_text() == "built\n"
    assert (kept / "link").readlink().name == "out"
    assert (tmp_path / "project/tracked").read_text() == "content\n"
    assert {p.name for p in (tmp_path / "project").iterdir()} == {"link", "tracked"}


async def test_caches_outlive_the_run(tmp_path: Path) -> None:
    cached = Cache(paths=("cache/",))
    write = "mkdir -p cache; cat cache/n || true; echo 1 >> cache/n"
    shell = Shell(tmp_path, job("a", script=(write,), cache=(cached,)))

    for _ in range(4):
        await shell.run()

    assert shell.log().endswith("\n1\n1\n1")
    (folder,) = shell.caches.iterdir()
    # The newest, the one before it, and the link to the newest.
    assert len(list(folder.iterdir())) == 3


async def test_secrets_are_not_in_arguments_or_files_that_others_read(
    tmp_path: Path,
) -> None:
    shell = Shell(
        tmp_path,
        job(
            "a",
            script=(
                "cat /proc/[0-9]*/cmdline 2>/dev/null | grep -ac [v]ery-secret || true",
                'cat "$KEY"; stat -c "%a %n" "$KEY" | cut -d" " -f1',
                'stat -c %a "$(dirname "$KEY")"',
            ),
        ),
        variables=(
            variable("TOKEN", "very-secret", masked=True),
            variable("KEY", "content of key\n", file=True),
        ),
    )

    await shell.run()

    lines = shell.log().splitlines()
    plain = [line for line in lines if not line.startswith("\x1b")]
    assert plain == ["0", "content of key", "600", "700"]


async def test_exit_codes_and_signals(tmp_path: Path) -> None:
    shell = Shell(
        tmp_path,
        job("code", script=("exit 7",)),
        job("signal", script=("kill -9 $$",)),
    )

    results = await shell.run()

    assert results["code"].exit_code == 7
    assert results["signal"].exit_code == 137


async def test_what_a_job_starts_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    shell = Shell(
        tmp_path, job("a", script=(f"(sleep 0.5; touch {mark}) & echo started",))
    )

    with anyio.fail_after(10):
        await shell.run()
    await anyio.sleep(0.7)

    assert "started" in shell.log()
    assert not mark.exists()


async def test_a_daemon_with_the_pipe_open_does_not_hold_the_job(
    tmp_path: Path,
) -> None:
    shell = Shell(tmp_path, job("a", script=("setsid sleep 5 & echo started",)))

    with anyio.fail_after(4):
        results = await shell.run()

    assert results["a"].status is JobStatus.SUCCESS


async def test_cancellation_terminates_and_runs_after_script(tmp_path: Path) -> None:
    shell = Shell(
        tmp_path,
        job(
            "a",
            script=("trap 'echo term; exit 1' TERM; echo go; sleep 60 & wait",),
            after_script=("echo status $CI_JOB_STATUS",),
        ),
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shell.run)
        while "\ngo" not in shell.log():
            await checkpoint()
        tasks.cancel_scope.cancel()

    assert "\nterm" in shell.log()
    assert "\nstatus canceled" in shell.log()


async def test_services_are_not_started_and_said(tmp_path: Path) -> None:
    shell = Shell(
        tmp_path, job("a", image=Image(name="x"), services=(Service(name="redis"),))
    )

    results = await shell.run()

    assert results["a"].status is JobStatus.SUCCESS
    assert "Service redis is not started: there are no containers" in (
        shell.log("runner")
    )
    assert "Using Shell (sh) executor..." in shell.log("runner")


async def test_hostile_artifacts_stay_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    shell = Shell(
        tmp_path,
        job(
            "a",
            script=(f"ln -s {outside} out; mkfifo pipe",),
            artifacts=Artifacts(
                paths=("out/secret", "out", "pipe", "../../../../etc/passwd"),
                reports={"junit": ("out/secret",)},
            ),
        ),
    )

    results = await shell.run()

    assert results["a"].status is JobStatus.SUCCESS
    kept = tmp_path / "record/artifacts/a"
    assert [path.name for path in kept.iterdir()] == ["out"]
    assert (kept / "out").is_symlink()


async def test_a_command_that_does_not_exist_is_a_system_failure(
    tmp_path: Path,
) -> None:
    shell = Shell(tmp_path, job("a", image=Image(name="x", entrypoint=("/no/such",))))

    results = await shell.run()

    assert results["a"].failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE


async def open_workspace(backend: Backend, tree: SourceTree) -> Workspace:
    snapshot = await backend.workspaces.snapshot(tree)
    return await backend.workspaces.open(
        WorkspaceSpec(name="w", project_dir="/builds/g/p", snapshot=snapshot)
    )


async def test_workspaces(tmp_path: Path) -> None:
    tree = source(tmp_path / "project", tracked="1")

    async with open_shell_backend() as backend:
        workspaces = backend.workspaces
        workspace = await open_workspace(backend, tree)
        folder = anyio.Path(workspace.spec.project_dir)
        await (folder / "empty/inner").mkdir(parents=True)
        listing = await workspaces.listing(workspace)
        layer = await workspaces.collect(workspace, ["tracked", "empty/inner"])
        again = await workspaces.open(
            WorkspaceSpec(
                name="w2", project_dir="/builds/g/p", snapshot=None, layers=(layer,)
            )
        )

        assert sorted(listing) == ["empty/inner", "link", "tracked"]
        assert stat.S_ISDIR(listing["empty/inner"].mode)
        assert stat.S_ISLNK(listing["link"].mode)
        assert sorted(await workspaces.listing(again)) == ["empty/inner", "tracked"]
        assert await workspaces.listing(workspace, under=["no", "tracked/x"]) == {}
        assert await workspaces.read(layer, "tracked", limit=10) == b"1"
        for path in ("link", "no", "../x", "/etc/passwd", "empty"):
            with pytest.raises(EngineError):
                await workspaces.read(workspace, path, limit=10)
        await workspaces.drop(layer)
        await workspaces.close(workspace)
        await workspaces.close(workspace)
        assert not await folder.exists()

    assert not await folder.parent.exists()


async def test_what_needs_containers_is_refused() -> None:
    async with open_shell_backend() as backend:
        engine = backend.engine
        container = await engine.create(ContainerSpec(name="a", image=""))

        for call in (
            engine.create_network("n"),
            engine.start_detached(container),
            engine.probe(container, 1),
            engine.logs(container, tail=1),
            engine.create(ContainerSpec(name="a", image="")),
        ):
            with pytest.raises(ContainerError):
                await call
        assert await engine.docker_access(None, aliases=()) is None
        assert not await engine.running(container)
