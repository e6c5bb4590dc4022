"""The JSON Schema of the events of a run, from the dataclasses of ``spotci.events``.

``tools/reference.py`` writes it to ``docs/reference/events.schema.json``.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from spotci import events
from spotci.event_json import event_types

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["event_schema"]

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
_NAMES = {"JobName": str, "Mapping": Mapping}


def event_schema() -> str:
    """Return the schema of one line of ``--output json``, as text."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a run of spotci",
        "description": "One line of `spotci run --output json`. What is empty or the "
        "default is left out; readers ignore keys and events that they do not know.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in event_types()],
        "$defs": dict(_definitions()),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _definitions() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, type_ in event_types().items():
        definition = _object(type_)
        definition["properties"] = {
            "event": {"const": name},
            **definition["properties"],
        }
        definition["required"] = ["event", *definition["required"]]
        yield name, definition
    for part in (events.PlannedJob, events.JobResult, events.TestCounts):
        yield part.__name__, _object(part)
    for words in (events.JobStatus, events.FailureReason):
        yield words.__name__, {"enum": [str(word) for word in words]}


def _object(type_: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(type_, localns=_NAMES)
    fields = dataclasses.fields(type_)
    return {
        "type": "object",
        "description": (type_.__doc__ or "").split("\n\n")[0].replace("``", "`"),
        "properties": {
            field.name: _value(hints[field.name], field.default) for field in fields
        },
        "required": [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            and type(None) not in get_args(hints[field.name])
        ],
    }


def _value(hint: Any, default: object) -> dict[str, Any]:  # noqa: ANN401 - a type
    schema = _of_type(hint)
    if isinstance(default, (bool, int, float, str)) and "$ref" not in schema:
        schema["default"] = default
    return schema


def _of_type(hint: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
    if get_origin(hint) in {Union, types.UnionType}:
        # None is never written: the key is left out.
        [inner] = [each for each in get_args(hint) if each is not type(None)]
        return _of_type(inner)
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _of_type(get_args(hint)[0])}
    if get_origin(hint) is Mapping:
        return {"type": "object", "additionalProperties": _of_type(get_args(hint)[1])}
    if dataclasses.is_dataclass(hint) or issubclass(hint, StrEnum):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    return {"type": _PLAIN[hint]}
