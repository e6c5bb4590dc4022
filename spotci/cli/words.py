"""What the shell offers for a word: names of jobs, stages and runs.

Each is a ``shell_complete`` of click: it never fails, as a shell that waits for words
wants no errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    from spotci.cli.loading import Loaded

    Complete = Callable[[click.Context, click.Parameter, str], list[str]]

__all__ = [
    "complete_breakpoints",
    "complete_jobs",
    "complete_manual",
    "complete_runs",
    "complete_stages",
]


def complete_jobs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the name of a job of the context that the line chooses."""
    del param
    return _begun(_words(ctx, lambda loaded: loaded.job_words()), incomplete)


def complete_stages(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the name of a stage that has jobs."""
    del param

    def stages(loaded: Loaded) -> list[str]:
        pipeline = loaded.pipeline
        used = {job.stage for job in pipeline.jobs.values()}
        return [stage for stage in pipeline.stages if stage in used]

    return _begun(_words(ctx, stages), incomplete)


def complete_manual(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the name of a manual job, or ``all``."""
    from spotci.pipeline import When  # noqa: PLC0415 - as used

    del param

    def manual(loaded: Loaded) -> list[str]:
        jobs = loaded.pipeline.jobs.values()
        return [job.name for job in jobs if job.when is When.MANUAL]

    return _begun([*_words(ctx, manual), "all"], incomplete)


def complete_breakpoints(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the job of a breakpoint, and then its lines."""
    del param

    def places(loaded: Loaded) -> list[str]:
        return [
            place
            for name, job in loaded.jobs.items()
            for place in (
                name,
                *(
                    f"{name}:{line + 1}"
                    for line in range(len(job.before_script) + len(job.script))
                ),
                *([f"{name}:after"] if job.after_script else []),
            )
        ]

    return _begun(_words(ctx, places), incomplete)


def complete_runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the id of a recorded run, the newest first."""
    from spotci.cli.loading import open_here, record_folder  # noqa: PLC0415 - as used
    from spotci.runs import RunStore  # noqa: PLC0415 - as used

    del ctx, param
    try:
        runs = RunStore(record_folder(open_here())).list()
    except Exception:  # noqa: BLE001 - see the head
        return []
    return _begun((run.id for run in runs), incomplete)


def _words(ctx: click.Context, words: Callable[[Loaded], list[str]]) -> list[str]:
    from spotci.cli.loading import load  # noqa: PLC0415 - as used
    from spotci.cli.options import Chosen  # noqa: PLC0415 - as used

    given = ctx.params
    try:
        loaded = load(
            Chosen(
                event=given.get("event"),
                branch=given.get("branch"),
                tag=given.get("tag"),
            )
        )
        return words(loaded)
    except Exception:  # noqa: BLE001 - see the head
        return []


def _begun(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
