"""The part of JSON Schema that the schemas of the tests use."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Schema"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


class Schema:
    """A schema; ``closed`` takes a key that it does not know for a fault."""

    def __init__(self, root: dict[str, Any], *, closed: bool = False) -> None:
        self._root = root
        self._closed = closed

    @classmethod
    def of_file(cls, path: Path, *, closed: bool = False) -> Schema:
        """Read a schema."""
        return cls(json.loads(path.read_text("utf-8")), closed=closed)

    def faults(self, value: Any) -> list[str]:
        """Return what is wrong with a value, each with its place."""
        return list(self._faults(self._root, value, "$"))

    def _faults(self, schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            yield from self._faults(self._root["$defs"][name], value, at)
            return
        if "oneOf" in schema:
            tried = [list(self._faults(each, value, at)) for each in schema["oneOf"]]
            if [] not in tried:
                yield f"{at}: fits none: {min(tried, key=len)}"
            return
        if "const" in schema and value != schema["const"]:
            yield f"{at}: {value!r} is not {schema['const']!r}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at}: {value!r} is none of {schema['enum']}"
        if "pattern" in schema and not re.search(schema["pattern"], str(value)):
            yield f"{at}: {value!r} does not match {schema['pattern']}"
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{at}: {value!r} is less than {schema['minimum']}"
        if "type" in schema:
            yield from self._of_type(schema, value, at)

    def _of_type(self, schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
        wanted = _TYPES[schema["type"]]
        if not isinstance(value, wanted) or (
            isinstance(value, bool) and bool not in wanted
        ):
            yield f"{at}: {value!r} is no {schema['type']}"
        elif isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                yield from self._faults(schema["items"], item, f"{at}[{index}]")
        elif isinstance(value, dict):
            yield from self._of_object(schema, value, at)

    def _of_object(
        self, schema: dict[str, Any], value: dict[str, Any], at: str
    ) -> Iterator[str]:
        for key in schema.get("required", ()):
            if key not in value:
                yield f"{at}: {key} is missing"
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", not (self._closed and known))
        for key, item in value.items():
            if key in known:
                yield from self._faults(known[key], item, f"{at}.{key}")
            elif isinstance(others, dict):
                yield from self._faults(others, item, f"{at}.{key}")
            elif not others:
                yield f"{at}: {key} is not known"
