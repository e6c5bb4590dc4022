"""``release``: what GitLab would release, written down in the record of the run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.trace import Trace
    from spotci.pipeline import Job

__all__ = ["record_release"]


async def record_release(
    job: Job, plan: RunPlan, variables: JobVariables, trace: Trace
) -> str | None:
    """Write the release of a job to the record; return its tag, None without one.

    Nothing is released: that needs a GitLab.
    """
    release = job.release
    if release is None:
        return None
    tag = variables.expand(release.tag_name)
    content = {
        "tag_name": tag,
        "description": variables.expand(release.description),
        **_expanded(dict(release.fields), variables),
    }
    path = plan.record / "releases" / f"{plan.slug(job.name)}.json"
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    await anyio.to_thread.run_sync(_write, path, trace.secrets.mask_text(text))
    await trace.line(f"Recorded the release {tag}: spotci releases nothing itself")
    return tag


def _expanded(value: dict[str, object], variables: JobVariables) -> dict[str, object]:
    def expand(item: object) -> object:
        match item:
            case str():
                return variables.expand(item)
            case dict():
                return {key: expand(inner) for key, inner in item.items()}
            case list() | tuple():
                return [expand(inner) for inner in item]
            case _:
                return item

    return {key: expand(item) for key, item in value.items()}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
