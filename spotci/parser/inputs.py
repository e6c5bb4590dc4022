"""``spec:inputs``: what a file can be given, checked, with its defaults.

See "Define input parameters with spec:inputs" in GitLab's documentation. Works on plain
values; :mod:`spotci.parser.header` finds the places for its messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from spotci.context import InputText
from spotci.parser.expression import ExpressionSyntaxError, evaluate, parse, truthy
from spotci.parser.regex import compile_re2

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["InputError", "InputsError", "check_definitions", "resolve_inputs"]

#: Values of ``options``.
MAX_OPTIONS = 50

_KEYS = ("default", "description", "options", "regex", "rules", "type")
_RULE_KEYS = ("if", "options", "default")
_TYPES = {
    "string": "a string",
    "number": "a number",
    "boolean": "a boolean",
    "array": "an array",
}
_BOOLEANS = {"true": True, "false": False}

Definition: TypeAlias = "Mapping[str, Any]"


class InputError(ValueError):
    """One thing that is wrong with an input; ``name`` is None for all of them."""

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.message, self.name = message, name


class InputsError(ValueError):
    """All that is wrong with the inputs of a file."""

    def __init__(self, errors: list[InputError]) -> None:
        super().__init__(", ".join(error.message for error in errors))
        self.errors = errors

    @property
    def messages(self) -> list[str]:
        """The messages, in the order of the definitions."""
        return [error.message for error in self.errors]


def check_definitions(spec: object) -> None:
    """Check the content of ``spec:inputs``; raises InputsError."""
    errors: list[InputError] = []
    if spec is not None and not isinstance(spec, Mapping):
        errors.append(InputError("header:spec:inputs config should be a hash"))
    for name, definition in _definitions(spec):
        place = f"header:spec:inputs:{name}"
        errors += [
            InputError(f"{place}{message}", name)
            for message in _check_definition(definition)
        ]
    if errors:
        raise InputsError(errors)


def resolve_inputs(spec: object, inputs: object) -> dict[str, Any]:
    """Return the value of every input that is defined.

    Raises InputsError with everything that is wrong, in GitLab's words.
    """
    if not isinstance(inputs, Mapping):
        raise InputsError([InputError("Given inputs must be a hash")])
    check_definitions(spec)
    values: dict[str, Any] = {}
    errors: list[InputError] = []
    for name, definition in _definitions(spec):
        try:
            values[name] = _resolve(name, definition or {}, inputs, values)
        except InputError as error:
            errors.append(error)
    unknown = [name for name in inputs if name not in dict(_definitions(spec))]
    if unknown:
        names = ", ".join(map(str, unknown))
        errors.append(InputError(f"unknown input arguments: {names}", str(unknown[0])))
    if errors:
        raise InputsError(errors)
    return values


def _definitions(spec: object) -> list[tuple[str, Any]]:
    return list(spec.items()) if isinstance(spec, Mapping) else []


def _check_definition(definition: object) -> Iterator[str]:
    """Yield what is wrong with a definition, each to be put after its place."""
    if definition is None:
        return
    if not isinstance(definition, Mapping):
        yield " config should be a hash"
        return
    if unknown := [str(key) for key in definition if key not in _KEYS]:
        yield f" config contains unknown keys: {', '.join(unknown)}"
    kind = definition.get("type", "string")
    if kind not in _TYPES:
        yield f" type unknown value: {kind}"
    if not isinstance(definition.get("description", ""), str):
        yield " description should be a string"
    regex = definition.get("regex")
    if regex is not None and not isinstance(regex, str):
        yield " regex should be a string"
    yield from _check_options(definition.get("options"))
    if "rules" in definition:
        yield from _check_rules(definition)


def _check_options(options: object) -> Iterator[str]:
    if options is None:
        return
    if not isinstance(options, list):
        yield " options should be an array"
    elif len(options) > MAX_OPTIONS:
        yield f" config cannot define more than {MAX_OPTIONS} options"


def _check_rules(definition: Definition) -> Iterator[str]:
    beside = [key for key in ("options", "default") if key in definition]
    if beside:
        names = ", ".join(("rules", *beside))
        yield f" config these keys cannot be used together: {names}"
    rules = definition["rules"]
    if not isinstance(rules, list):
        yield ":rules config should be an array of hashes"
        return
    for rule in rules:
        for message in _check_rule(rule):
            yield f":rules:rule {message}"


def _check_rule(rule: object) -> Iterator[str]:
    if not isinstance(rule, Mapping):
        yield "config should be a hash"
        return
    if not rule:
        yield "config can't be blank"
        return
    if unknown := [str(key) for key in rule if key not in _RULE_KEYS]:
        yield f"config contains unknown keys: {', '.join(unknown)}"
    for message in _check_options(rule.get("options")):
        yield message.strip()
    if "if" not in rule:
        if "options" not in rule:
            yield "config must define options: a rule without if is the fallback"
        return
    try:
        parse(str(rule["if"]))
    except ExpressionSyntaxError:
        yield "if invalid expression syntax"
    if "options" not in rule and "default" not in rule:
        yield "config must define options or default"


def _resolve(
    name: str,
    definition: Definition,
    inputs: Mapping[str, Any],
    earlier: Mapping[str, Any],
) -> Any:  # noqa: ANN401 - an input has one of four types
    kind = definition.get("type", "string")
    settings = definition
    if "rules" in definition:
        settings = _matching_rule(definition["rules"], earlier, inputs)
    if name in inputs:
        value = _typed(inputs[name], kind)
        _check_value(name, value, kind, definition, settings, which="provided")
        return value
    if settings.get("default") is None and not _is_free(definition, settings):
        raise _error(name, "required value has not been provided")
    default = settings.get("default")
    _check_value(name, default, kind, definition, settings, which="default")
    return default


def _is_free(definition: Definition, settings: Definition) -> bool:
    """Return whether null is a default: it was written, and is not one of a rule."""
    return "default" in settings and "rules" not in definition


def _matching_rule(
    rules: list[Definition], earlier: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Definition:
    values = {**inputs, **earlier}
    for rule in rules:
        if "if" not in rule:
            return rule
        if truthy(evaluate(parse(str(rule["if"])), {}, values)):
            return rule
    return {}


def _check_value(
    name: str,
    value: object,
    kind: str,
    definition: Definition,
    settings: Definition,
    *,
    which: str,
) -> None:
    if not _has_type(value, kind):
        raise _error(name, f"{which} value is not {_TYPES[kind]}")
    options = settings.get("options")
    if options is not None and value not in options:
        raise _error(
            name,
            f"`{_shown(value)}` cannot be used because it is not in the list of"
            " allowed options",
        )
    regex = definition.get("regex")
    if regex is None:
        return
    if kind != "string":
        raise _error(name, "RegEx validation can only be used with string inputs")
    try:
        matches = compile_re2(regex).matches(str(value))
    except ValueError as error:
        raise _error(name, "invalid regular expression") from error
    if not matches:
        verb = "does not match required RegEx pattern"
        raise _error(name, f"{which} value {verb}")


def _has_type(value: object, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, list)


def _typed(value: object, kind: str) -> object:
    """Return a text of the command line as a value of the type, where it is one."""
    if not isinstance(value, InputText) or kind == "string":
        return value
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return read if _has_type(read, kind) else value


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error(name: str, message: str) -> InputError:
    return InputError(f"`{name}` input: {message}", name)
