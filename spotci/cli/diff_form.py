"""What ``spotci diff`` prints: text for people, a document for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from spotci.cli.comparison import compare
from spotci.report.terminal import fit, printable
from spotci.report.words import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spotci.cli.comparison import (
        ChangedJob,
        ChangedKey,
        Comparison,
        MovedJob,
        Why,
    )
    from spotci.cli.loading import Loaded
    from spotci.report.terminal import Paint

__all__ = ["document", "render"]

_WIDEST_VALUE = 72


def render(comparison: Comparison, titles: tuple[str, str], *, paint: Paint) -> str:
    """Return the text; ``titles`` are what the two sides are called."""
    before, after = map(printable, titles)
    if comparison.same:
        return f"no job differs between {before} and {after}"
    parts = [paint("bold", f"from {before} to {after}: {_counts(comparison)}")]
    if comparison.stages is not None:
        old, new = (", ".join(stages) for stages in comparison.stages)
        parts.append(f"{paint('yellow', '~ stages')}\n    {old}\n  → {new}")
    parts += [
        _moved(paint("green", f"+ {printable(job.name)}"), job, paint)
        for job in comparison.appeared
    ]
    parts += [
        _moved(paint("red", f"- {printable(job.name)}"), job, paint)
        for job in comparison.disappeared
    ]
    parts += [_changed(jobs, paint) for jobs in _alike(comparison.changed)]
    return "\n\n".join(parts)


def _counts(comparison: Comparison) -> str:
    counts = (
        (len(comparison.appeared), "appears", "appear"),
        (len(comparison.disappeared), "disappears", "disappear"),
        (len(comparison.changed), "changes", "change"),
    )
    return (
        ", ".join(
            f"{count_of(number, 'job')} {one if number == 1 else many}"
            for number, one, many in counts
            if number
        )
        or "other stages"
    )


def _moved(head: str, job: MovedJob, paint: Paint) -> str:
    lines = [f"{head} {paint('dim', f'({printable(job.stage)})')}"]
    for title, why in (("before", job.before), ("after", job.after)):
        lines.append(f"    {title + ':':<8}{printable(why.reason)}")
        lines += [paint("dim", f"            {line}") for line in _trace(why)]
    return "\n".join(lines)


def _trace(why: Why) -> Iterator[str]:
    """Yield why, clause by clause; of a job that is in, the entry that matched."""
    for trace in why.trace:
        if why.included and not trace.matched:
            continue
        place = f"  ({trace.span})" if trace.span else ""
        for clause, saw, holds in trace.clauses:
            yield printable(f"{'✓' if holds else '✗'} {clause}: {saw}{place}")


def _alike(jobs: Iterable[ChangedJob]) -> list[list[ChangedJob]]:
    """Put the jobs together that change in the same way."""
    groups: dict[str, list[ChangedJob]] = {}
    for job in jobs:
        key = repr((job.keys, job.before.reason, job.after.reason))
        groups.setdefault(key, []).append(job)
    return list(groups.values())


def _changed(jobs: Sequence[ChangedJob], paint: Paint) -> str:
    first = jobs[0]
    names = dict.fromkeys(job.base_name for job in jobs)
    name = first.name if len(jobs) == 1 else ", ".join(names)
    lines = [paint("yellow", f"~ {printable(name)}")]
    if len(jobs) > 1:
        lines[0] += paint("dim", f" ({len(jobs)} jobs)")
    for key in first.keys:
        lines += _key_lines(key, paint)
    if first.before.reason != first.after.reason:
        lines.append(f"    before: {printable(first.before.reason)}")
        lines.append(f"    after:  {printable(first.after.reason)}")
    return "\n".join(lines)


def _key_lines(key: ChangedKey, paint: Paint) -> list[str]:
    places = [place for place in (key.before_place, key.after_place) if place]
    where = " → ".join(dict.fromkeys(places))
    lines = [f"    {printable(key.key)}"]
    if where:
        lines[0] += paint("dim", f"  ({where})")
    old, new = key.before, key.after
    if isinstance(old, list) and isinstance(new, list):
        return lines + _list_lines(old, new, paint)
    return [
        *lines,
        paint("red", f"      - {_value(old)}"),
        paint("green", f"      + {_value(new)}"),
    ]


def _list_lines(old: list[Any], new: list[Any], paint: Paint) -> list[str]:
    """Return the entries that differ, as a diff of lines."""
    from difflib import ndiff  # noqa: PLC0415 - as used

    styles = {"-": "red", "+": "green"}
    shown = ndiff([_value(item) for item in old], [_value(item) for item in new])
    return [
        paint(styles[line[0]], f"      {line}") for line in shown if line[0] in styles
    ]


def _value(value: Any) -> str:  # noqa: ANN401 - JSON values have no type
    if value is None:
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return fit(printable(text.replace("\n", "⏎")), _WIDEST_VALUE)


def document(before: Loaded, after: Loaded) -> dict[str, Any]:
    """Return what ``--format json`` prints."""
    comparison = compare(before, after)
    stages = comparison.stages
    return {
        "different": not comparison.same,
        "from": _side(before),
        "to": _side(after),
        "stages": None
        if stages is None
        else {"from": list(stages[0]), "to": list(stages[1])},
        "appeared": [_moved_shape(job) for job in comparison.appeared],
        "disappeared": [_moved_shape(job) for job in comparison.disappeared],
        "changed": [
            {
                "name": job.name,
                "keys": [_key_shape(key) for key in job.keys],
                "from": _why_shape(job.before),
                "to": _why_shape(job.after),
            }
            for job in comparison.changed
        ],
    }


def _side(loaded: Loaded) -> dict[str, Any]:
    compilation = loaded.compilation
    return {
        "sha": loaded.project.sha or None,
        "source": str(loaded.context.source),
        "ref": loaded.context.ref,
        "created": compilation.pipeline is not None,
        "reason": compilation.reason,
    }


def _moved_shape(job: MovedJob) -> dict[str, Any]:
    return {
        "name": job.name,
        "stage": job.stage,
        "from": _why_shape(job.before),
        "to": _why_shape(job.after),
    }


def _key_shape(key: ChangedKey) -> dict[str, Any]:
    return {
        "key": key.key,
        "from": {"value": key.before, "place": key.before_place},
        "to": {"value": key.after, "place": key.after_place},
    }


def _why_shape(why: Why) -> dict[str, Any]:
    from spotci.cli.explain import trace_shape  # noqa: PLC0415 - as used

    return {
        "included": why.included,
        "reason": why.reason,
        "rules": [trace_shape(trace) for trace in why.trace],
    }
