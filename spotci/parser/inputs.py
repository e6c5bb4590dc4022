"""``spec:inputs``: what a file can be given, checked, with its defaults.

See "Define input parameters with spec:inputs" in GitLab's documentation. Works on plain
values; :mod:`spotci.parser.header` finds the places for its messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from spotci.context import InputText
from spotci.parser.cycles import find_cycle
from spotci.parser.expression import (
    ExpressionSyntaxError,
    evaluate,
    input_names,
    parse,
    truthy,
)
from spotci.parser.keywords.decoding import ruby_text
from spotci.parser.regex import compile_re2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.parser.expression import Expression

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
    definitions = _definitions(spec)
    for name, definition in definitions:
        errors += [
            _at_definition(name, message) for message in _check_definition(definition)
        ]
    if not errors:
        errors += _check_references(dict(definitions))
    if errors:
        raise InputsError(errors)


def _at_definition(name: str, message: str) -> InputError:
    return InputError(f"header:spec:inputs:{name}{message}", name)


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
    if not isinstance(kind, str) or kind not in _TYPES:
        yield f" input type unknown value: {ruby_text(kind)}"
    description = definition.get("description", "")
    if isinstance(description, bool) or not isinstance(description, str | int):
        yield " input description must be an alphanumeric string"
    regex = definition.get("regex")
    if regex is not None and not isinstance(regex, str):
        yield " input regex should be a string"
    yield from _check_options(definition.get("options"), " input options")
    if "rules" in definition:
        yield from _check_rules(definition)


def _check_options(options: object, subject: str) -> Iterator[str]:
    if options is None:
        return
    if not isinstance(options, list):
        yield f"{subject} should be an array"
        return
    if len(options) > MAX_OPTIONS:
        yield f" config cannot define more than {MAX_OPTIONS} options"
    if None in options:
        yield " config options array cannot contain null values"


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
            yield f":rules:rule{message}"


def _check_rule(rule: object) -> Iterator[str]:
    if not isinstance(rule, Mapping):
        yield " config should be a hash"
        return
    if not rule:
        yield " config can't be blank"
        return
    if unknown := [str(key) for key in rule if key not in _RULE_KEYS]:
        yield f" config contains unknown keys: {', '.join(unknown)}"
    options = rule.get("options")
    yield from _check_options(options, " options")
    if rule.get("if") is None:
        if options is None:
            yield " config fallback rule must define 'options'"
        return
    if not isinstance(rule["if"], str) or _condition(rule) is None:
        yield " if invalid expression syntax"
    if options is None and "default" not in rule:
        yield " config rule with 'if' must define 'options' or 'default'"


def _condition(rule: Definition) -> Expression | None:
    """Return the condition of a rule; None where it has none, or a wrong one."""
    written = rule.get("if")
    try:
        return None if written is None else parse(str(written))
    except ExpressionSyntaxError:
        return None


def _check_references(definitions: Mapping[str, Any]) -> Iterator[InputError]:
    """Yield which rules ask for inputs that are not defined, or in a circle.

    GitLab: ``Header::Inputs::Validator``.
    """
    asked: dict[str, list[str]] = {}
    for name, definition in definitions.items():
        asked[name] = []
        for index, rule in enumerate((definition or {}).get("rules") or ()):
            condition = _condition(rule)
            names = () if condition is None else input_names(condition)
            asked[name] += names
            undefined = [each for each in names if each not in definitions]
            if undefined:
                yield _at_definition(
                    name,
                    f" config rule[{index}] references undefined inputs:"
                    f" {', '.join(undefined)}",
                )
    if cycle := find_cycle(asked):
        yield _at_definition(cycle[0], " config circular dependency detected")


def _resolve(
    name: str,
    definition: Definition,
    inputs: Mapping[str, Any],
    earlier: Mapping[str, Any],
) -> Any:  # noqa: ANN401 - an input has one of four types
    kind = definition.get("type", "string")
    settings = definition
    if "rules" in definition:
        settings = _matching_rule(definition["rules"], {**inputs, **earlier})
    checked = _Checked(name, kind, settings.get("options"), definition.get("regex"))
    default = settings.get("default")
    # A null default of the definition itself is one; a rule's asks for a value.
    has_default = default is not None or ("default" in definition)
    if has_default:
        checked.check(default, "default")
    if inputs.get(name) is not None:
        value = _typed(inputs[name], kind)
        checked.check(value, "provided")
        return value
    if has_default:
        return default
    if not settings and kind == "string" and _may_be_left_out(definition):
        return ""
    raise _error(name, "required value has not been provided")


def _matching_rule(rules: list[Definition], values: Mapping[str, object]) -> Definition:
    """Return the first rule whose condition holds, or an empty one."""
    for rule in rules:
        condition = _condition(rule)
        if condition is None or truthy(evaluate(condition, {}, values)):
            return rule
    return {}


def _may_be_left_out(definition: Definition) -> bool:
    """Whether an input may lack a value where no rule applies: some rule has one."""
    return any("default" in rule for rule in definition.get("rules", ()))


class _Checked(NamedTuple):
    """What the value of an input, and its default, must satisfy."""

    name: str
    kind: str
    options: list[Any] | None
    regex: str | None

    def check(self, value: object, which: str) -> None:
        """Raise InputError for the first thing that is wrong with a value."""
        if not _has_type(value, self.kind):
            self._fail(f"{which} value is not {_TYPES[self.kind]}")
        self._check_options(value)
        if self.regex is None:
            return
        if self.kind != "string":
            self._fail("RegEx validation can only be used with string inputs")
        try:
            matches = compile_re2(self.regex).matches(str(value))
        except ValueError:
            self._fail("invalid regular expression")
        if not matches:
            self._fail(f"{which} value does not match required RegEx pattern")

    def _check_options(self, value: object) -> None:
        options, listed = self.options, "the list of allowed options"
        if options is None:
            return
        if self.kind == "string":
            options = [ruby_text(option) for option in options]
        elif self.kind == "number":
            listed = "the list of the allowed options"
        else:
            self._fail("Options can only be used with string and number inputs")
        if value not in options:
            shown = ruby_text(value)
            self._fail(f"`{shown}` cannot be used because it is not in {listed}")

    def _fail(self, message: str) -> NoReturn:
        raise _error(self.name, message)


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


def _error(name: str, message: str) -> InputError:
    return InputError(f"`{name}` input: {message}", name)
