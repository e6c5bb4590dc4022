"""``--format json``: one object on stdout, the errors of a configuration, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from spotci.cli import failure
from spotci.cli.shapes import error_shape
from spotci.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["errors_as_json", "print_document"]


def errors_as_json(action: Callable[[], object]) -> int:
    """Run an action that prints an object; where it fails, print ``{"errors": …}``."""
    errors: list[dict[str, Any]] = []
    try:
        action()
    except* ConfigError as group:
        errors += map(error_shape, failure.config_errors([group]))
    except* UsageError as group:
        errors += map(_usage_shape, failure.leaves(group))
    if errors:
        print_document({"errors": errors})
        return failure.USAGE
    return 0


def print_document(data: Mapping[str, Any]) -> None:
    """Print an object, with a line for each entry of the lists of objects in it.

    An indented text of a thousand jobs would take longer than compiling them.
    """
    lines = []
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = ",\n    ".join(json.dumps(v, ensure_ascii=False) for v in value)
            text = f"[\n    {entries}\n  ]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        lines.append(f"  {json.dumps(key)}: {text}")
    print("{\n" + ",\n".join(lines) + "\n}")


def _usage_shape(error: BaseException) -> dict[str, Any]:
    place = {"file": None, "line": None, "column": None}
    message = getattr(error, "message", str(error))
    return {"message": message, **place, "hint": getattr(error, "hint", None)}
