"""Cases that call one function: ``input.op`` names it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from spotci.durations import parse_duration
from spotci.executor.coverage import extract_coverage
from spotci.executor.reports import parse_dotenv
from spotci.parser.expression import (
    And,
    Comparison,
    ExpressionSyntaxError,
    Or,
    evaluate,
    parse,
    truthy,
    unparse,
)
from spotci.parser.files import RepositoryFiles
from spotci.parser.inputs import InputsError, check_definitions, resolve_inputs
from spotci.parser.interpolation import Values, interpolate
from spotci.parser.matrix import interpolate_matrix
from spotci.parser.rules import expand_globs
from spotci.slugs import environment_slug, slugify
from spotci.variables import Level, Variable, effective, expand, expand_all
from tests.conformance.matching import mismatches
from tests.contexts import FakeRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spotci.parser.expression import (
        Expression,
    )
    from tests.conformance.corpus import Case

__all__ = ["check_expression", "check_function"]

_OPERATORS = {
    "==": "equals",
    "!=": "not_equals",
    "=~": "matches",
    "!~": "not_matches",
}


def check_expression(case: Case) -> list[str]:
    """Return what a case about an expression finds wrong."""
    given, expect = case.input, case.expect
    try:
        tree = parse(given["expression"])
    except ExpressionSyntaxError as error:
        # A condition that cannot be read never holds.
        wrong = expect.keys() & {"value", "tree"} or expect.get("truthy")
        return [f"cannot be read: {error}"] if wrong else []
    if expect.get("error"):
        return ["was read, and is no expression"]
    problems = []
    if "tree" in expect:
        problems += mismatches(expect["tree"], _tree(tree), "tree")
    value = evaluate(tree, given.get("variables", {}), given.get("inputs"))
    if "value" in expect and (
        value != expect["value"] or type(value) is not type(expect["value"])
    ):
        problems.append(f"expected {expect['value']!r}, found {value!r}")
    if "truthy" in expect and truthy(value) is not expect["truthy"]:
        problems.append(f"truth of {value!r} is not {expect['truthy']}")
    return problems


def _tree(tree: Expression) -> Any:
    match tree:
        case Comparison(operator, left, right):
            return [_OPERATORS[operator], _tree(left), _tree(right)]
        case And(left, right):
            return ["and", _tree(left), _tree(right)]
        case Or(left, right):
            return ["or", _tree(left), _tree(right)]
        case _:
            return unparse(tree)


def check_function(case: Case) -> list[str]:
    """Return what a case about a function finds wrong."""
    arguments = dict(case.input)
    function = _FUNCTIONS[arguments.pop("op")]
    expect = case.expect
    try:
        result = function(**arguments)
    except InputsError as error:
        return _check_errors(expect, error.messages)
    except ValueError as error:
        return _check_errors(expect, [str(error)])
    if expect.keys() & {"error", "error_contains", "errors"}:
        return [f"expected an error, found {result!r}"]
    if "result_pattern" in expect:
        found = re.fullmatch(expect["result_pattern"], result)
        return [] if found else [f"{result!r} does not match"]
    if "result" not in expect:
        return []
    if arguments.get("any_order"):
        key = sorted
        return mismatches(
            key(expect["result"], key=str), key(result, key=str), "result"
        )
    return mismatches(expect["result"], result, "result")


def _check_errors(expect: Mapping[str, Any], messages: Sequence[str]) -> list[str]:
    if expect.get("error"):
        return []
    if "errors" in expect and set(expect["errors"]) == set(messages):
        return []
    fragment = expect.get("error_contains")
    if fragment is not None and any(fragment in message for message in messages):
        return []
    return [f"unexpected errors: {messages}"]


def _variables(items: Sequence[Mapping[str, Any]]) -> list[Variable]:
    # All of one level: the order of the list is that of precedence.
    return [
        Variable(
            name=item["key"],
            value=item["value"],
            level=Level.PROJECT,
            expand=not item.get("raw", False),
            file=item.get("file", False),
            masked=item.get("masked", False),
        )
        for item in items
    ]


def _expand(value: str, variables: Sequence[Mapping[str, Any]], **options: bool) -> str:
    options.setdefault("keep_undefined", False)
    return expand(value, effective(_variables(variables)), **options)


def _expand_all(
    variables: Sequence[Mapping[str, Any]], *, any_order: bool = False, **options: bool
) -> list[dict[str, Any]]:
    del any_order
    options.setdefault("keep_undefined", False)
    return [
        {"key": item.name, "value": item.value}
        | ({} if item.expand else {"raw": True})
        | ({"file": True} if item.file else {})
        | ({"masked": True} if item.masked else {})
        for item in expand_all(_variables(variables), **options)
    ]


def _changes_match(
    paths: Sequence[str],
    changed_files: Sequence[str] | None,
    variables: Mapping[str, str] | None = None,
) -> bool:
    files = RepositoryFiles(FakeRepository(changed=changed_files))
    return files.changed(_globs(paths, variables), None).holds


def _exists_match(
    paths: Sequence[str],
    files: Sequence[str],
    variables: Mapping[str, str] | None = None,
) -> bool:
    repository = RepositoryFiles(FakeRepository(paths=files))
    return repository.exists(_globs(paths, variables), None, None).holds


def _globs(
    paths: Sequence[str], variables: Mapping[str, str] | None
) -> tuple[str, ...]:
    items = [{"key": key, "value": value} for key, value in (variables or {}).items()]
    return expand_globs(paths, effective(_variables(items)))


def _interpolate(
    text: str,
    inputs: Mapping[str, Any],
    variables: Sequence[Mapping[str, Any]] = (),
    types: Mapping[str, str] | None = None,
) -> Any:
    del types  # the values have these types
    values = Values(inputs=inputs, variables=effective(_variables(variables)))
    return interpolate(text, values)


def _resolve_inputs(
    spec_inputs: Mapping[str, Any], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    return resolve_inputs(spec_inputs, inputs)


def _validate_spec_inputs(spec_inputs: Mapping[str, Any]) -> None:
    check_definitions(spec_inputs)


def _interpolate_matrix(value: Any, matrix: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolate_matrix(item, matrix) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolate_matrix(item, matrix) for item in value]
    return interpolate_matrix(value, matrix)


def _extract_coverage(log: str, regex: str) -> str | None:
    found = extract_coverage(log, regex)
    return None if found is None else str(found)


def _slugify(value: str) -> str:
    return slugify(value)


def _environment_slug(value: str) -> str:
    return environment_slug(value)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "changes_match": _changes_match,
    "environment_slug": _environment_slug,
    "exists_match": _exists_match,
    "expand": _expand,
    "expand_all": _expand_all,
    "extract_coverage": _extract_coverage,
    "interpolate": _interpolate,
    "interpolate_matrix": _interpolate_matrix,
    "parse_dotenv": lambda text: dict(parse_dotenv(text)),
    "parse_duration": lambda value: int(parse_duration(value)),
    "resolve_inputs": _resolve_inputs,
    "slugify": _slugify,
    "validate_spec_inputs": _validate_spec_inputs,
}
