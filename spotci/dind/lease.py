"""The lease: what a run made in the engine goes when the run goes, however it ends.

It is a shell in the engine that reads from a connection which this process holds.
When the connection ends, as it does with SIGKILL, it removes the containers, networks,
volumes and workspaces of the run. Where a run ends in order, that has been done
already, in fewer round trips, and the shell is told so.

A run whose shell is gone is dead: ``sweep`` removes what it left, but for the jobs that
the user asked to keep (``kept``). That is so after the
engine itself was stopped or lost its power, and needs no clock and no process table of
this machine, which another container's would not match.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from spotci.dind.attach import FrameDecoder
from spotci.dind.kept import forget, read_records
from spotci.dind.labels import MARK, RUN
from spotci.dind.store import REMOVE_RUN
from spotci.dind.together import together
from spotci.dind.transport import answers
from spotci.errors import EngineError, EngineUnavailableError
from spotci.kept_jobs import surplus_runs

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Iterable,
        Mapping,
    )

    from anyio.abc import ByteStream

    from spotci.dind.engine import DindEngine
    from spotci.dind.shell import Shell

__all__ = [
    "begin_lease",
    "hold_lease",
    "live_runs",
    "remove_runs",
    "sweep",
    "sweep_own",
]

#: Seconds for the removal of what a run left, when it ends in order.
_CLEANUP = 30.0
_START = 20.0

_NOT_FOUND = 404
_CONFLICT = 409

#: How each kind is removed; anonymous volumes go with their container.
_REMOVAL: Mapping[str, Mapping[str, object]] = {
    "container": {"v": True, "force": True},
    "network": {},
    "volume": {"force": True},
}

#: Arguments of the lease's shell begin so, and nothing else in the engine does.
_NAME = "spot-ci-lease="

# Containers that a job of this run started itself, through the engine's socket, bear no
# label of ours. They go with the last run. Three passes: something that was on its way
# when the process died may arrive a moment later.
_SCRIPT = r"""
run=${0#*=}
echo ready
read -r word && [ "$word" = done ] && exit 0
trap '' HUP INT TERM PIPE
exec </dev/null >/dev/null 2>&1
unkept() { grep -vxF "$(cat /spotci/r/*/t/kept/*.ids; echo -)"; }
others() {
  cat /proc/[0-9]*/cmdline | tr '\0' '\n' | sed -n 's/^spot-ci-lease=//p' |
    grep -vxF "$run"
}
for pause in 0 1 3; do
  sleep "$pause"
  filter="label=spotci.run=$run"
  docker ps -aq --no-trunc --filter "$filter" | unkept | xargs -r docker rm -fv
  docker network ls -q --no-trunc --filter "$filter" | unkept |
    xargs -r docker network rm
  docker volume ls -q --filter "$filter" | xargs -r docker volume rm -f
  ( set -- "$run"; eval "$REMOVE_RUN" )
  if [ "$OWN" = yes ] && ! others; then
    docker ps -aq --no-trunc | unkept | xargs -r docker rm -fv
    docker network prune -f --filter label!=spotci
  fi
done
"""

_LIVE = r"""
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | sed -n 's/^spot-ci-lease=//p'
"""

_FOLDERS = "ls /spotci/r 2>/dev/null || :"


@asynccontextmanager
async def hold_lease(
    engine: DindEngine, run: str, *, kept: Collection[str] = ()
) -> AsyncIterator[None]:
    """Tie the objects of a run to this block and to the life of this process.

    Leaving the block removes what is left of them, but for what is then in ``kept``, by
    its id. Raises EngineError where the lease cannot be had: nothing of the run must be
    made then.
    """
    async with begin_lease(engine, run, kept=kept) as held:
        await held()
        yield


@asynccontextmanager
async def begin_lease(
    engine: DindEngine, run: str, *, kept: Collection[str] = ()
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give what waits until the lease is held; see ``hold_lease``.

    Nothing of the run may be made before. What is not of the run, such as the agent,
    can be started meanwhile.
    """
    async with _shell(engine, run) as stream:
        try:
            yield partial(_await_ready, stream, run)
        finally:
            with anyio.move_on_after(_CLEANUP, shield=True):
                await _end(engine, run, stream, kept)


@asynccontextmanager
async def _shell(engine: DindEngine, run: str) -> AsyncIterator[ByteStream]:
    async with engine.outer.daemon.execute(
        engine.container,
        ["sh", "-c", _SCRIPT, f"{_NAME}{run}"],
        stdin=True,
        environment=[
            f"REMOVE_RUN={REMOVE_RUN}",
            # What bears no label of ours is a job's in an engine of our own alone.
            f"OWN={'no' if engine.shared else 'yes'}",
        ],
        operation="hold lease",
        subject=run,
    ) as (stream, _):
        yield stream


async def _await_ready(stream: ByteStream, run: str) -> None:
    decoder, seen = FrameDecoder(), b""
    try:
        with anyio.fail_after(_START):
            while b"ready" not in seen:
                seen += decoder.feed(await stream.receive())
    except (anyio.EndOfStream, anyio.BrokenResourceError, TimeoutError) as fault:
        text = seen.decode(errors="replace").strip() or "the engine ended it"
        raise EngineUnavailableError(
            text, operation="hold lease", subject=run
        ) from fault


async def _end(
    engine: DindEngine, run: str, stream: ByteStream, kept: Collection[str]
) -> None:
    """Remove what is left, and say so; where that fails, the lease has to do it."""
    if not await answers(engine.inner.address):
        return  # the engine ended, and its containers with it
    try:
        await remove_runs(engine, {run}, kept=kept)
        await stream.send(b"done\n")
        await stream.receive()
    except (EngineError, anyio.EndOfStream, anyio.BrokenResourceError, OSError):
        return


async def live_runs(shell: Shell) -> frozenset[str]:
    """Return the ids of the runs whose lease is held now."""
    return frozenset((await shell.run(_LIVE)).decode().split())


async def sweep(engine: DindEngine, shell: Shell, *, own: str) -> frozenset[str]:
    """Remove what dead runs left in the engine, and return their ids.

    Containers without a label were started by a job through the engine's socket; they
    go when ``own`` is the only run.
    """
    runs, unknown = await _found(engine)
    runs |= frozenset((await shell.run(_FOLDERS)).decode().split())
    if not unknown and runs <= {own}:
        return frozenset()
    live = await live_runs(shell) | {own}
    dead = runs - live
    if dead:
        dead -= await _kept_runs(shell)
    if dead:
        await remove_runs(engine, dead)
        await shell.run(REMOVE_RUN, *sorted(dead))
    if live == {own}:
        await _remove(engine, "container", unknown)
    return dead


async def sweep_own(engine: DindEngine, shell: Shell, *, own: str) -> None:
    """Remove what this run left in its engine when that died; its layers stay.

    Other runs that it died for are about to take theirs up again: only containers
    that are nobody's go, too, where there is no such run.
    """
    await remove_runs(engine, {own})
    _, unknown = await _found(engine)
    if unknown and await live_runs(shell) <= {own}:
        await _remove(engine, "container", unknown)


async def _kept_runs(shell: Shell) -> frozenset[str]:
    """Return the runs with kept jobs, when the oldest have made room for newer ones."""
    kept = await read_records(shell)
    gone = surplus_runs(kept)
    if gone:
        await forget(shell, gone)
    return frozenset(job.run for job in kept) - gone


async def _found(engine: DindEngine) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the runs that have objects, and the containers that are nobody's."""
    containers, networks, volumes = await _objects(engine, None)
    labelled = [
        (item.get("Labels") or {}).get(RUN)
        for item in (*containers, *networks, *volumes)
    ]
    unknown = [item["Id"] for item in containers if MARK not in (item["Labels"] or {})]
    return frozenset(run for run in labelled if run), tuple(unknown)


async def remove_runs(
    engine: DindEngine, runs: Iterable[str], *, kept: Collection[str] = ()
) -> None:
    """Remove the containers, networks and volumes of these runs, but not the kept."""
    for run in runs:
        containers, networks, volumes = await _objects(engine, run)
        for kind, found in (("container", containers), ("network", networks)):
            gone = [item["Id"] for item in found if item["Id"] not in kept]
            await _remove(engine, kind, gone)
        await _remove(engine, "volume", [item["Name"] for item in volumes])


_Items = list[dict[str, Any]]


async def _objects(
    engine: DindEngine, run: str | None
) -> tuple[_Items, _Items, _Items]:
    """Return containers, networks and volumes of one run, or all of them."""
    found: dict[str, Any] = {}
    wanted = [] if run is None else [f"{RUN}={run}"]
    # In a shared daemon, nothing but ours is looked at, and of ours no other engine's.
    wanted += [f"{name}={value}" for name, value in engine.labels.items()]
    filters = {"label": wanted} if wanted else {}

    async def ask(path: str, **query: object) -> None:
        found[path] = await engine.inner.ask(
            "GET",
            f"/{path}",
            query={"filters": filters, **query},
            operation="list",
            subject=path.partition("/")[0],
        )

    await together(
        partial(ask, "containers/json", all=True),
        partial(ask, "networks"),
        partial(ask, "volumes"),
    )
    volumes = found["volumes"]["Volumes"]
    return found["containers/json"], found["networks"], volumes or []


async def _remove(engine: DindEngine, kind: str, subjects: Iterable[str]) -> None:
    """Remove all of a kind at once; one that is gone, or going, is no error."""

    async def one(subject: str) -> None:
        try:
            await engine.inner.ask(
                "DELETE",
                f"/{kind}s/{subject}",
                query=_REMOVAL[kind],
                operation=f"remove {kind}",
                subject=subject,
            )
        except EngineError as fault:
            if fault.status not in (_NOT_FOUND, _CONFLICT):
                raise

    await together(*(partial(one, subject) for subject in subjects))
