"""Events as JSON: one flat object a line, with the event's name under ``event``.

The form is described for users in ``docs/reference/events.md``. What is None or empty
is left out, so that a line stays short; decoding puts the defaults back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.events import (
    ArtifactsSaved,
    ChildPipelineFinished,
    ChildPipelineStarted,
    FailureReason,
    JobFinished,
    JobLog,
    JobResult,
    JobStatus,
    JobStatusChanged,
    Notice,
    PipelineFinished,
    PipelineStarted,
    PlannedJob,
    Progress,
    SectionFinished,
    SectionStarted,
    TestCounts,
)
from spotci.pipeline import JobName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spotci.events import (
        Event,
    )

__all__ = [
    "decode_event",
    "encode_event",
    "encode_value",
    "event_name",
    "event_types",
    "result_from",
]

_NAMES: dict[type[Event], str] = {
    PipelineStarted: "pipeline_started",
    ChildPipelineStarted: "child_pipeline_started",
    ChildPipelineFinished: "child_pipeline_finished",
    JobStatusChanged: "job_status_changed",
    SectionStarted: "section_started",
    SectionFinished: "section_finished",
    JobLog: "job_log",
    Progress: "progress",
    ArtifactsSaved: "artifacts_saved",
    JobFinished: "job_finished",
    Notice: "notice",
    PipelineFinished: "pipeline_finished",
}
_TYPES = {name: type_ for type_, name in _NAMES.items()}


def event_types() -> Mapping[str, type[Event]]:
    """Return the events by their names in JSON."""
    return MappingProxyType(_TYPES)


def event_name(event: Event) -> str:
    """Return the name of the event in its JSON form, such as ``job_finished``."""
    return _NAMES[type(event)]


def encode_event(event: Event) -> str:
    """Return the event as one line of JSON, without the newline."""
    line = {"event": event_name(event), **encode_value(event)}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def encode_value(value: Any) -> Any:  # noqa: ANN401 - JSON values have no type
    """Return a dataclass of events as plain JSON values, without its defaults."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {
            item.name: encode_value(getattr(value, item.name))
            for item in fields(value)
            if not _is_default(item.default, getattr(value, item.name))
        }
    if isinstance(value, Mapping):
        return {str(key): encode_value(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode_value(item) for item in value]
    return value


def decode_event(line: str | bytes) -> Event:
    """Return the event of one line.

    Raises ValueError for what is no event; keys that are unknown, as a newer version
    may write them, are ignored.
    """
    data = json.loads(line)
    if not isinstance(data, dict) or data.get("event") not in _TYPES:
        raise ValueError(f"not an event: {str(data)[:80]}")
    type_ = _TYPES[data["event"]]
    return type_(**_arguments(type_, data))


def result_from(data: Mapping[str, Any]) -> JobResult:
    """Return the result of a job from its JSON form."""
    return JobResult(**_arguments(JobResult, data))


def _is_default(default: object, value: object) -> bool:
    if default is MISSING:
        return value is None
    return type(value) is type(default) and value == default


def _arguments(type_: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {}
    for item in fields(type_):
        if item.name in data:
            convert = _CONVERTERS.get((type_, item.name), _FREEZE)
            arguments[item.name] = convert(data[item.name])
        elif item.default is MISSING and item.default_factory is MISSING:
            arguments[item.name] = None
    return arguments


def _freeze(value: Any) -> Any:  # noqa: ANN401 - JSON values have no type
    return tuple(value) if isinstance(value, list) else value


def _planned(jobs: Iterable[Mapping[str, Any]]) -> tuple[PlannedJob, ...]:
    return tuple(PlannedJob(**_arguments(PlannedJob, job)) for job in jobs)


def _results(data: Mapping[str, Any]) -> Mapping[JobName, JobResult]:
    return MappingProxyType(
        {JobName(name): result_from(item) for name, item in data.items()}
    )


_FREEZE: Callable[[Any], Any] = _freeze
_CONVERTERS: dict[tuple[type[Any], str], Callable[[Any], Any]] = {
    (PipelineStarted, "jobs"): _planned,
    (ChildPipelineStarted, "jobs"): _planned,
    (ChildPipelineFinished, "status"): JobStatus,
    (JobStatusChanged, "status"): JobStatus,
    (JobFinished, "result"): result_from,
    (JobResult, "status"): JobStatus,
    (JobResult, "failure_reason"): FailureReason,
    (JobResult, "tests"): lambda tests: TestCounts(**_arguments(TestCounts, tests)),
    (PipelineFinished, "status"): JobStatus,
    (PipelineFinished, "results"): _results,
}
