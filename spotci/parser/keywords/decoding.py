"""What all decoders are made of: typed values from nodes, errors in GitLab's words.

A ``subject`` is the beginning of a message: the place and, as GitLab writes it, either
the attribute (``jobs:build:artifacts expire in``) or ``config`` for the value itself.
GitLab's source of the wording: ``lib/gitlab/config/entry/validators.rb``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from spotci.durations import parse_duration
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from collections.abc import Mapping as MappingType
    from collections.abc import Set as AbstractSet

    from spotci.parser.nodes import Entry, Node, Plain
    from spotci.parser.problems import Problems
    from spotci.source import Span

__all__ = [
    "NESTING_LIMIT",
    "attribute",
    "boolean",
    "choice",
    "duration",
    "flattened",
    "given",
    "hash_of",
    "integers",
    "is_blank",
    "is_null",
    "key_text",
    "key_texts",
    "nested",
    "nested_strings",
    "number_in_range",
    "one_string",
    "plain",
    "plain_mapping",
    "required_keys",
    "ruby_text",
    "seconds_of",
    "string",
    "strings",
    "strings_or_string",
    "together",
    "unknown_keys",
]

_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=StrEnum)

#: How deep lists of commands, stages and rules may be nested.
NESTING_LIMIT = 10


def is_null(node: Node) -> bool:
    """Whether a value is null, which GitLab treats as if the key were absent."""
    return isinstance(node, Scalar) and node.value is None


def given(mapping: Mapping, key: str) -> Node | None:
    """Return the value of a key, or None where it is absent or null."""
    entry = mapping.entries.get(key)
    if entry is None or is_null(entry.value):
        return None
    return entry.value


def attribute(
    mapping: Mapping,
    key: str,
    decode: Callable[[Node, str, Problems], _Value | None],
    place: str,
    problems: Problems,
) -> _Value | None:
    """Decode the value of a key that GitLab checks as an attribute of its mapping.

    Messages then begin with ``jobs:build:artifacts expire in``. None is a key that is
    absent or null, or a wrong value.
    """
    entry = mapping.entries.get(key)
    if entry is None or is_null(entry.value):
        return None
    return decode(entry.value, f"{place} {key.replace('_', ' ')}", problems)


def nested(
    mapping: Mapping,
    key: str,
    decode: Callable[[Node, str, Problems], _Value | None],
    place: str,
    problems: Problems,
) -> _Value | None:
    """Decode the value of a key that is a keyword of its own.

    ``decode`` gets the place of the value, such as ``jobs:build:cache``.
    """
    entry = mapping.entries.get(key)
    if entry is None or is_null(entry.value):
        return None
    return decode(entry.value, f"{place}:{key}", problems)


def is_blank(node: Node) -> bool:
    """Whether a value is blank in the sense of Rails: empty, white space or false."""
    match node:
        case Scalar(value):
            return (
                value is None
                or value is False
                or (isinstance(value, str) and not value.strip())
            )
        case Sequence(items):
            return not items
        case Mapping(entries):
            return not entries
        case _:
            return False


def hash_of(node: Node, place: str, problems: Problems) -> Mapping | None:
    """Return a mapping, or record that it ``should be a hash``."""
    if isinstance(node, Mapping):
        return node
    problems.error(f"{place} config should be a hash", node.span)
    return None


def string(node: Node, subject: str, problems: Problems) -> str | None:
    """Return a text, or record that it ``should be a string``."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    problems.error(f"{subject} should be a string", node.span, hint=_quoting(node))
    return None


def one_string(
    mapping: Mapping, key: str, place: str, problems: Problems
) -> str | None:
    """Return the required text of a key, or record that it ``can't be blank``."""
    node = given(mapping, key)
    subject = f"{place} {key.replace('_', ' ')}"
    if node is None or (isinstance(node, Scalar) and is_blank(node)):
        span = mapping.span if node is None else node.span
        problems.error(f"{subject} can't be blank", span)
        return None
    return string(node, subject, problems)


def strings(
    node: Node, subject: str, problems: Problems, *, item: str = "strings"
) -> tuple[str, ...] | None:
    """Return a flat list of texts, or record ``should be an array of strings``."""
    wrong: Node = node
    if isinstance(node, Sequence):
        texts: list[str] = []
        for member in node.items:
            if isinstance(member, Scalar) and isinstance(member.value, str):
                texts.append(member.value)
            else:
                wrong = member
                break
        else:
            return tuple(texts)
    hint = _quoting(wrong)
    if wrong is node and isinstance(node, Scalar) and isinstance(node.value, str):
        hint = f"write it as a list: [{node.value}]"
    problems.error(f"{subject} should be an array of {item}", wrong.span, hint=hint)
    return None


def strings_or_string(
    node: Node, subject: str, problems: Problems
) -> tuple[str, ...] | None:
    """Return one text or a flat list of texts as a tuple."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, Sequence):
        return strings(node, subject, problems, item="strings or a string")
    problems.error(
        f"{subject} should be an array of strings or a string",
        node.span,
        hint=_quoting(node),
    )
    return None


def nested_strings(
    node: Node, place: str, problems: Problems, *, single: bool
) -> tuple[str, ...] | None:
    """Return the texts of a list that may be nested up to ten levels, flattened.

    ``single`` allows one text instead of a list.
    """
    texts: list[str] = []
    if single or isinstance(node, Sequence):
        wrong = _collect(node, NESTING_LIMIT, texts)
    else:
        wrong = node
    if wrong is None:
        return tuple(texts)
    shape = "a string" if single else "an array of strings"
    problems.error(
        f"{place} config should be {shape} or a nested array of strings"
        f" up to {NESTING_LIMIT} levels deep",
        wrong.span,
        hint=_quoting(wrong),
    )
    return None


def _collect(node: Node, levels: int, texts: list[str]) -> Node | None:
    """Append the texts of a nested list; return the first node that is wrong."""
    if isinstance(node, Scalar):
        if not isinstance(node.value, str):
            return node
        texts.append(node.value)
        return None
    if not isinstance(node, Sequence) or levels == 0:
        return node
    for item in node.items:
        wrong = _collect(item, levels - 1, texts)
        if wrong is not None:
            return wrong
    return None


def flattened(node: Sequence) -> Iterator[Node]:
    """Yield the members of a list, those of nested lists in their place."""
    for item in node.items:
        if isinstance(item, Sequence):
            yield from flattened(item)
        else:
            yield item


def boolean(node: Node, subject: str, problems: Problems) -> bool | None:
    """Return a boolean, or record that it ``should be a boolean value``."""
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    problems.error(
        f"{subject} should be a boolean value", node.span, hint="write true or false"
    )
    return None


def choice(
    node: Node,
    subject: str,
    options: type[_Choice],
    problems: Problems,
    *,
    complaint: str | None = None,
    without: Collection[_Choice] = (),
) -> _Choice | None:
    """Return a member of an enumeration, or record which words are allowed.

    As in GitLab, what is no text at all gets a second message that says so.
    """
    allowed = [option for option in options if option not in without]
    if isinstance(node, Scalar) and isinstance(node.value, str):
        for option in allowed:
            if option == node.value:
                return option
        hint = did_you_mean(node.value, allowed)
    else:
        problems.error(f"{subject} should be a string", node.span)
        hint = None
    text = complaint or f"should be one of: {', '.join(allowed)}"
    problems.error(f"{subject} {text}", node.span, hint=hint)
    return None


def integers(node: Node, subject: str, problems: Problems) -> tuple[int, ...] | None:
    """Return one integer or a list of integers as a tuple."""
    members = node.items if isinstance(node, Sequence) else (node,)
    numbers: list[int] = []
    for member in members:
        value = member.value if isinstance(member, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int):
            problems.error(
                f"{subject} should be an array of integers or an integer", member.span
            )
            return None
        numbers.append(value)
    return tuple(numbers)


def number_in_range(
    node: Node, subject: str, problems: Problems, *, low: int, high: int
) -> int | None:
    """Return an integer between two limits, both included."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        complaint = "is not a number"
    elif not isinstance(value, int):
        complaint = "must be an integer"
    elif value < low:
        complaint = f"must be greater than or equal to {low}"
    elif value > high:
        complaint = f"must be less than or equal to {high}"
    else:
        return value
    problems.error(f"{subject} {complaint}", node.span)
    return None


def duration(
    node: Node,
    subject: str,
    problems: Problems,
    *,
    limit: float | None = None,
    never: bool = False,
    variables: bool = False,
) -> str | None:
    """Return the text of a duration, or record why it is none.

    ``limit`` is in seconds; ``never`` and ``variables`` allow the word and texts with
    a variable in them.
    """
    text = node.value if isinstance(node, Scalar) else None
    if isinstance(text, str):
        if (never and text.lower() == "never") or (variables and "$" in text):
            return text
        try:
            seconds = parse_duration(text)
        except ValueError:
            pass
        else:
            if limit is None or seconds <= limit:
                return text
            problems.error(f"{subject} should not exceed the limit", node.span)
            return None
    problems.error(
        f"{subject} should be a duration",
        node.span,
        hint="write a text such as 30 minutes or 1h 30m",
    )
    return None


def seconds_of(text: str) -> timedelta:
    """Return the time that a valid duration stands for."""
    return timedelta(seconds=parse_duration(text))


def unknown_keys(
    mapping: Mapping,
    allowed: AbstractSet[str],
    place: str,
    problems: Problems,
    *,
    hints: MappingType[str, str] | None = None,
) -> None:
    """Record the keys that a mapping must not have, with the words that were meant.

    ``hints`` says more about keys that users are known to try here.
    """
    if mapping.entries.keys() <= allowed:
        return
    unknown = [entry for key, entry in mapping.entries.items() if key not in allowed]
    advice = [_advice(entry, allowed, hints or {}) for entry in unknown]
    first = unknown[0].span
    if len(unknown) == 1:
        hint = advice[0]
    else:
        hint = "; ".join(
            f'"{ruby_text(entry.key)}" in line {entry.span.line}'
            + (f": {text}" if text else "")
            for entry, text in zip(unknown, advice, strict=True)
        )
    names = ", ".join(ruby_text(entry.key) for entry in unknown)
    problems.error(f"{place} config contains unknown keys: {names}", first, hint=hint)


def required_keys(
    mapping: Mapping, keys: Collection[str], place: str, problems: Problems
) -> bool:
    """Record the keys that are missing; return whether none is."""
    missing = [key for key in keys if key not in mapping.entries]
    if missing:
        problems.error(
            f"{place} config missing required keys: {', '.join(missing)}", mapping.span
        )
    return not missing


def together(
    mapping: Mapping, keys: Collection[str], place: str, problems: Problems
) -> None:
    """Record that two keys which exclude each other are both there."""
    if not all(key in mapping.entries for key in keys):
        return
    present = [entry for key, entry in mapping.entries.items() if key in keys]
    names = ", ".join(str(entry.key) for entry in present)
    problems.error(
        f"{place} config these keys cannot be used together: {names}", present[1].span
    )


def key_text(entry: Entry, subject: str, problems: Problems) -> str | None:
    """Return a key that is a text or an integer, as text."""
    if isinstance(entry.key, str | int) and not isinstance(entry.key, bool):
        return str(entry.key)
    problems.error(
        f"{subject} key must be an alphanumeric string",
        entry.span,
        hint=f'quote it: "{ruby_text(entry.key)}"',
    )
    return None


def key_texts(mapping: Mapping) -> Iterator[tuple[str, Entry]]:
    """Yield the entries with their keys as text, whatever their types."""
    for entry in mapping.entries.values():
        yield ruby_text(entry.key), entry


def ruby_text(value: object) -> str:
    """Return a scalar as Ruby's ``to_s`` does: GitLab makes texts of numbers so."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _ruby_float(value) if isinstance(value, float) else str(value)


def _ruby_float(value: float) -> str:
    text = repr(value)
    named = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text)
    if named is not None:
        return named
    mantissa, exponent, power = text.partition("e")
    return text if not exponent or "." in mantissa else f"{mantissa}.0e{power}"


def plain(node: Node) -> Plain:
    """Return a value without places; a map keeps its keys' types."""
    match node:
        case Scalar(value):
            return value
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {
                ruby_text(key) if isinstance(key, float | None) else key: plain(e.value)
                for key, e in entries.items()
            }
        case _:
            return plain(node.argument)


def plain_mapping(node: Mapping) -> dict[str, Plain]:
    """Return a map without places, its keys as text."""
    return {name: plain(entry.value) for name, entry in key_texts(node)}


def _advice(
    entry: Entry, allowed: AbstractSet[str], hints: MappingType[str, str]
) -> str | None:
    name = ruby_text(entry.key)
    return hints.get(name) or did_you_mean(name, sorted(allowed))


def _quoting(node: Node) -> str | None:
    """Say how to make a text of a value that was meant as one."""
    match node:
        case Scalar(value) if value is not None and not isinstance(value, str):
            return f'quote it: "{written(node.span) or ruby_text(value)}"'
        case Mapping(entries) if len(entries) == 1:
            return 'quote the whole line: the ": " in it makes a mapping of it'
        case Sequence():
            return "it must not be a list here"
        case _:
            return None


def written(span: Span) -> str:
    """Return the text at a place, as it stands in the file."""
    return span.file.line(span.line)[span.column - 1 : span.end_column - 1].strip()
