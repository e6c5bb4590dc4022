"""``$[[ inputs.name | function ]]``: replaced before anything else is read.

See "Define input values" and "Specify functions to manipulate input values" in GitLab's
documentation of CI/CD inputs. ``$[[ matrix.NAME ]]`` is left for ``needs``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.variables import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spotci.variables import Variable

__all__ = ["PREFIX", "InterpolationError", "Values", "interpolate"]

#: What every block begins with.
PREFIX = "$[["
_SUFFIX = "]]"
#: Characters of one block, and of the text around it.
MAX_BLOCK = 1024
MAX_TEXT = 1024 * 1024
#: Characters of a text whose blocks have been replaced.
MAX_RESULT = 2 * 1024 * 1024
#: Functions of one block.
MAX_FUNCTIONS = 3

#: Parts of what a block accesses, and indexes of one part.
MAX_SEGMENTS = 5
MAX_INDEXES = 5

_INDEXED = re.compile(r"(?P<key>\w*)(\[[0-9]+\])+", re.ASCII)
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_TRUNCATE = re.compile(r"truncate\(\s*(?P<offset>\d+)\s*,\s*(?P<length>\d+)\s*\)")
_SPLIT = re.compile(r"split\(\s*'(?P<separator>[^']*)'\s*\)")
_UNSAFE = re.compile(r"[^A-Za-z0-9_\-.,:+/@\n]")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?|%(\w+)%")
_LATER = "matrix"


class InterpolationError(ValueError):
    """A block cannot be replaced; ``start`` and ``end`` are its place in the text."""

    def __init__(self, message: str, *, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What blocks can access: inputs, the component, variables for ``expand_vars``."""

    inputs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    component: Mapping[str, str | None] = field(
        default_factory=lambda: MappingProxyType({})
    )
    variables: Mapping[str, Variable] = field(
        default_factory=lambda: MappingProxyType({})
    )


def interpolate(text: str, values: Values) -> Any:  # noqa: ANN401 - any type of input
    """Return the text with its blocks replaced.

    A text that is one block becomes the value itself, with its type. Raises
    InterpolationError for the first block that is wrong.
    """
    if PREFIX not in text:
        return text
    if len(text) > MAX_TEXT:
        raise InterpolationError("too long to be interpolated: over 1 MiB")
    parts: list[str] = []
    position = length = 0
    for block in _blocks(text):
        if _is_later(block.data):
            continue
        value = _value(block, values)
        if block.start == 0 and block.end == len(text):
            return value
        parts += (text[position : block.start], _as_text(value))
        position = block.end
        length += len(parts[-1]) + len(parts[-2])
        if length > MAX_RESULT:
            raise InterpolationError("too long after it was interpolated: over 2 MiB")
    return "".join(parts) + text[position:]


@dataclass(frozen=True, slots=True)
class _Block:
    data: str
    start: int
    end: int


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the blocks, in time that grows with the length of the text alone.

    What is between the brackets is of one line, but for the space around it.
    """
    start, end, newline = text.find(PREFIX), -1, -1
    while start >= 0:
        inside = start + len(PREFIX)
        if end < inside:
            end = text.find(_SUFFIX, inside)
            if end < 0:
                return
        if newline < inside:
            newline = text.find("\n", inside)
            newline = len(text) if newline < 0 else newline
        resume = inside
        # A long text with lines in it is no block; it is not looked at for each start.
        if newline > end or end - inside <= 2 * MAX_BLOCK:
            data = text[inside:end].strip()
            if len(data) > 1 and "\n" not in data:
                resume = end + len(_SUFFIX)
                yield _Block(data, start, resume)
        start = text.find(PREFIX, resume)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _is_later(data: str) -> bool:
    return data.partition(".")[0].strip() == _LATER


def _value(block: _Block, values: Values) -> Any:  # noqa: ANN401 - as above
    try:
        return _evaluate(block.data, values)
    except InterpolationError as error:
        raise InterpolationError(
            error.message, start=block.start, end=block.end
        ) from error


def _evaluate(data: str, values: Values) -> Any:  # noqa: ANN401 - as above
    if len(data) > MAX_BLOCK:
        raise InterpolationError("maximum interpolation expression size exceeded")
    access, *functions = (part.strip() for part in data.split("|"))
    if len(functions) > MAX_FUNCTIONS:
        raise InterpolationError("too many functions in interpolation block")
    value = _access(access, values)
    for call in functions:
        value = _call(call, value, values)
    return value


def _access(access: str, values: Values) -> Any:  # noqa: ANN401 - as above
    """Return what a path such as ``inputs.list[0].name`` leads to.

    GitLab: ``Interpolation::Access``.
    """
    value: Any = {"inputs": values.inputs, "component": values.component}
    segments = access.split(".", MAX_SEGMENTS - 1)
    if len(segments) == 1:
        raise InterpolationError(
            "invalid pattern used for interpolation. valid pattern is"
            " $[[ inputs.input ]]"
        )
    for segment in segments:
        key, indexes = _key_and_indexes(segment, access)
        if not isinstance(value, Mapping) or key not in value:
            raise InterpolationError(
                f"unknown interpolation provided: `{key}` in `{access}`"
            )
        value = value[key]
        for index in indexes:
            value = _member(value, index, access)
    return value


def _key_and_indexes(segment: str, access: str) -> tuple[str, tuple[int, ...]]:
    """Return the key and the indexes of a segment such as ``list[0][1]``."""
    if "[" not in segment:
        return segment, ()
    match = _INDEXED.fullmatch(segment)
    if match is None:
        wrong = next(
            (text for text in _BRACKETS.findall(segment) if not text.isdecimal()), None
        )
        if segment.count("[") != segment.count("]"):
            problem = ": missing closing bracket"
        elif wrong is not None:
            problem = f": `{wrong}` is not a valid index"
        else:
            raise InterpolationError(f"invalid array index syntax in `{access}`")
        raise InterpolationError(f"invalid array index in `{access}`{problem}")
    if not match["key"]:
        raise InterpolationError(f"invalid indexed access without a key in `{access}`")
    indexes = tuple(int(text) for text in _BRACKETS.findall(segment))
    if len(indexes) > MAX_INDEXES:
        raise InterpolationError(
            f"too many array indices in `{access}` (maximum depth: {MAX_INDEXES})"
        )
    return match["key"], indexes


def _member(value: object, index: int, access: str) -> object:
    if not isinstance(value, list):
        raise InterpolationError(
            f"cannot index into non-array value at [{index}] in `{access}`"
        )
    if index >= len(value):
        raise InterpolationError(
            f"array index {index} out of bounds (size: {len(value)}) in `{access}`"
        )
    return value[index]


def _call(call: str, value: object, values: Values) -> Any:  # noqa: ANN401 - as above
    for pattern, name, function in _FUNCTIONS:
        match = pattern.fullmatch(call)
        if match is None:
            continue
        if not isinstance(value, str):
            raise _failed(
                name, f"invalid input type: {name} can only be used with string inputs"
            )
        return function(match, value, values)
    raise InterpolationError(
        f"no function matching `{call}`: check that the function name, arguments,"
        " and types are correct"
    )


def _failed(name: str, message: str) -> InterpolationError:
    return InterpolationError(f"error in `{name}` function: {message}")


def _truncate(match: re.Match[str], value: str, _values: Values) -> str:
    offset, length = int(match["offset"]), int(match["length"])
    return value[offset : offset + length]


def _split(match: re.Match[str], value: str, _values: Values) -> list[str]:
    separator = match["separator"]
    if not separator:
        raise _failed("split", "invalid argument: separator cannot be empty")
    return [part.strip() for part in value.split(separator) if part.strip()]


def _posix_escape(_match: re.Match[str], value: str, _values: Values) -> str:
    if not value:
        return "''"
    return _UNSAFE.sub(lambda unsafe: "\\" + unsafe[0], value).replace("\n", "'\n'")


def _expand_vars(_match: re.Match[str], value: str, values: Values) -> str:
    for match in _VARIABLE.finditer(value):
        variable = values.variables.get(match[1] or match[2])
        if variable is not None and variable.masked:
            raise _failed(
                "expand_vars",
                "variable expansion error: masked variables cannot be expanded",
            )
    return expand(value, values.variables, keep_undefined=True)


_FUNCTIONS: tuple[
    tuple[re.Pattern[str], str, Callable[[re.Match[str], str, Values], Any]], ...
] = (
    (_TRUNCATE, "truncate", _truncate),
    (re.compile("expand_vars"), "expand_vars", _expand_vars),
    (re.compile("posix_escape"), "posix_escape", _posix_escape),
    (re.compile("posix_quote"), "posix_quote", _posix_escape),
    (_SPLIT, "split", _split),
)
