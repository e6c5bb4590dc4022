"""The language of ``rules:if``: tokens, tree, value.

::

    disjunction = conjunction { "||" conjunction }
    conjunction = comparison { "&&" comparison }
    comparison  = operand { ( "==" | "!=" | "=~" | "!~" ) operand }
    operand     = VARIABLE | STRING | PATTERN | INPUT
                | "null" | "true" | "false" | "(" disjunction ")" | "!" operand

Operators with two operands associate to the left. Precedence and truth are those of
GitLab's own evaluator (``Gitlab::Ci::Pipeline::Expression``), which runs in Ruby:

* inside an expression only null and false are false: an empty text goes on through
  ``&&`` and stops ``||``;
* as a whole, an expression also fails if its text is blank (:func:`truthy`);
* values are compared as they are written, unexpanded, text with text.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, assert_never, cast

from spotci.dataclass import dataclass
from spotci.parser import regex
from spotci.parser.expression_advice import unexpected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "MAX_TOKENS",
    "And",
    "Comparison",
    "Constant",
    "Expression",
    "ExpressionSyntaxError",
    "Input",
    "Not",
    "Or",
    "Pattern",
    "Value",
    "Variable",
    "evaluate",
    "explain",
    "input_names",
    "parse",
    "truthy",
    "unparse",
    "variable_names",
]

#: GitLab reads at most this many tokens and then wants to see the end of the text
#: before it would read another one: an expression has fewer.
MAX_TOKENS = 100

#: What an expression can amount to; numbers and lists come from inputs alone.
Value: TypeAlias = "str | float | bool | list[object] | None"

Operator: TypeAlias = Literal["==", "!=", "=~", "!~"]

_NO_INPUTS: Mapping[str, object] = MappingProxyType({})

# The text between equal quotes has no escapes and ends with its line. A pattern ends
# at the first slash without a backslash and has at least two characters.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\n\v\f\r]+)
    |(?P<open>\()
    |(?P<close>\))
    |(?P<input>\$\[\[\s*inputs\.(?P<name>\w+)\s*\]\])
    |(?P<variable>\$[A-Za-z0-9_]+)
    |(?P<string>"[^"\n]*"|'[^'\n]*')
    |(?P<pattern>/(?:[^/]|\\/)+[^\\]/[ismU]*)
    |(?P<null>null)
    |(?P<boolean>\b(?:true|false)\b)
    |(?P<comparison>==|=~|!=|!~)
    |(?P<not>!)
    |(?P<and>&&)
    |(?P<or>\|\|)
    """,
    re.VERBOSE,
)


class ExpressionSyntaxError(ValueError):
    """An expression cannot be read; ``start`` and ``end`` are offsets in its text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


@dataclass(frozen=True, slots=True)
class Variable:
    """``$NAME``: the value of a variable, null if it is undefined."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, ``true``, ``false`` or ``null``; ``source`` is how it was written."""

    value: str | bool | None
    source: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """``/…/flags``, which has been compiled once to see that it is valid."""

    source: str


@dataclass(frozen=True, slots=True)
class Input:
    """``$[[ inputs.NAME ]]``, where an expression is read before interpolation."""

    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left == right`` and its like."""

    operator: Operator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class And:
    """``left && right``."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Or:
    """``left || right``."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    """``!operand``: whether a value does not satisfy a condition."""

    operand: Expression


Expression: TypeAlias = (
    Variable | Constant | Pattern | Input | Not | Comparison | And | Or
)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression, or raise ExpressionSyntaxError."""
    return _Parser(text).read()


def evaluate(
    expression: Expression,
    variables: Mapping[str, str],
    inputs: Mapping[str, object] | None = None,
) -> Value:
    """Return what an expression amounts to; :func:`truthy` decides on it.

    A name that is missing in ``variables`` is undefined. A bare pattern amounts to
    its source.
    """
    value = _value(expression, variables, _NO_INPUTS if inputs is None else inputs)
    return value.source if isinstance(value, regex.Pattern) else cast("Value", value)


def truthy(value: object) -> bool:
    """Whether a value satisfies a condition: it is neither false nor blank."""
    match value:
        case None | False:
            return False
        case str():
            return bool(value.strip())
        case list() | tuple() | dict():
            return bool(value)
        case _:
            return True


def explain(
    expression: Expression,
    variables: Mapping[str, str],
    *,
    hidden: Collection[str] = (),
) -> str:
    """Return the expression with the value of each variable behind its name.

    The values of the ``hidden`` ones, which are secrets, are not shown.
    """

    def show(name: str) -> str:
        if name not in variables:
            return f"${name} (null)"
        value = "[MASKED]" if name in hidden else variables[name]
        return f'${name} ("{value}")'

    return "".join(
        show(part.name) if isinstance(part, Variable) else part
        for part in _parts(expression)
    )


def unparse(expression: Expression) -> str:
    """Return a text that reads as this expression again."""
    return "".join(
        f"${part.name}" if isinstance(part, Variable) else part
        for part in _parts(expression)
    )


@lru_cache(maxsize=4096)
def variable_names(expression: Expression) -> tuple[str, ...]:
    """Return the names of the variables of an expression, each once."""
    names = (part.name for part in _parts(expression) if isinstance(part, Variable))
    return tuple(dict.fromkeys(names))


def input_names(expression: Expression) -> tuple[str, ...]:
    """Return the names of the inputs of an expression, each once."""
    names: dict[str, None] = {}
    pending = [expression]
    while pending:
        match pending.pop():
            case Input(name):
                names[name] = None
            case Not(operand):
                pending.append(operand)
            case Comparison(_, left, right) | And(left, right) | Or(left, right):
                pending += (right, left)
            case _:
                pass
    return tuple(names)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def _tokenize(text: str) -> Iterator[_Token]:
    """Yield the tokens of an expression, then one of kind ``end``."""
    start = count = 0
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            raise ExpressionSyntaxError(unexpected(text, start), start, start + 1)
        # The group of a name lies inside another, so the last one is not the kind.
        kind = "input" if match["input"] else str(match.lastgroup)
        if kind != "space":
            count += 1
            if count >= MAX_TOKENS:
                raise ExpressionSyntaxError("too many tokens", start, len(text))
            yield _Token(kind, match[0], start)
        start = match.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Recursive descent: one method for each rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokenize(text)
        self._next = next(self._tokens)

    def read(self) -> Expression:
        tree = self._disjunction()
        if self._next.kind != "end":
            raise self._expected("an operator or the end")
        return tree

    def _disjunction(self) -> Expression:
        tree = self._conjunction()
        while self._accept("or"):
            tree = Or(tree, self._conjunction())
        return tree

    def _conjunction(self) -> Expression:
        tree = self._comparison()
        while self._accept("and"):
            tree = And(tree, self._comparison())
        return tree

    def _comparison(self) -> Expression:
        tree = self._operand()
        while token := self._accept("comparison"):
            tree = Comparison(cast("Operator", token.text), tree, self._operand())
        return tree

    def _operand(self) -> Expression:
        if self._accept("open"):
            tree = self._disjunction()
            if not self._accept("close"):
                raise self._expected('")"')
            return tree
        if self._accept("not"):
            return Not(self._operand())
        token = self._accept(
            "variable", "string", "pattern", "input", "null", "boolean"
        )
        if token is None:
            raise self._expected("a value")
        return _leaf(token)

    def _accept(self, *kinds: str) -> _Token | None:
        token = self._next
        if token.kind not in kinds:
            return None
        self._next = next(self._tokens)
        return token

    def _expected(self, what: str) -> ExpressionSyntaxError:
        token = self._next
        found = "the end" if token.kind == "end" else f'"{token.text}"'
        return ExpressionSyntaxError(
            f"expected {what}, found {found}", token.start, max(token.end, 1)
        )


def _leaf(token: _Token) -> Expression:
    text = token.text
    match token.kind:
        case "variable":
            return Variable(text[1:])
        case "string":
            return Constant(text[1:-1], text)
        case "boolean":
            return Constant(text == "true", text)
        case "null":
            return Constant(None, text)
        case "input":
            return Input(text[3:-2].strip().removeprefix("inputs."))
        case _:
            return _pattern(token)


def _pattern(token: _Token) -> Pattern:
    try:
        regex.pattern_of(token.text)
    except ValueError as error:
        raise ExpressionSyntaxError(
            f"invalid regular expression: {error}", token.start, token.end
        ) from error
    return Pattern(token.text)


def _value(
    tree: Expression, variables: Mapping[str, str], inputs: Mapping[str, object]
) -> object:
    match tree:
        case Variable(name):
            return variables.get(name)
        case Constant(value):
            return value
        case Pattern(source):
            return regex.pattern_of(source)
        case Input(name):
            return inputs.get(name)
        case Not(operand):
            return not truthy(_value(operand, variables, inputs))
        case Comparison(operator, left, right):
            return _compare(
                operator,
                _value(left, variables, inputs),
                _value(right, variables, inputs),
            )
        # GitLab evaluates in Ruby, where an empty string is true: inside an
        # expression only null and false decide (gitlab-org/gitlab#321371).
        case And(left, right) | Or(left, right):
            first = _value(left, variables, inputs)
            decides = (first is None or first is False) is isinstance(tree, And)
            return first if decides else _value(right, variables, inputs)
        case _:
            assert_never(tree)


def _compare(operator: Operator, left: object, right: object) -> bool:
    match operator:
        case "==":
            return _equal(left, right)
        case "!=":
            return not _equal(left, right)
        case "=~":
            return _matches(left, right)
        case "!~":
            return not _matches(left, right)
        case _:
            assert_never(operator)


def _equal(left: object, right: object) -> bool:
    # Python's True equals 1, Ruby's does not.
    return isinstance(left, bool) is isinstance(right, bool) and left == right


def _matches(left: object, right: object) -> bool:
    text = _text(left)
    if isinstance(right, regex.Pattern):
        return right.matches(text)
    if not isinstance(right, str):
        return False
    try:
        pattern = regex.pattern_of(right)
    except ValueError:
        # Not a pattern in slashes: GitLab scans the right text for the left one.
        return text in right
    return pattern.matches(text)


def _text(value: object) -> str:
    """Return a value as Ruby's ``to_s`` writes it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case regex.Pattern(source):
            return source
        case _:
            return str(value)


_LEVEL = {Or: 0, And: 1, Comparison: 2}
#: What stands behind a ``!`` is in parentheses unless it is one value.
_TIGHT = 3


def _parts(tree: Expression) -> Iterator[str | Variable]:
    """Yield the text of an expression in pieces, variables as such."""
    match tree:
        case Variable():
            yield tree
        case Constant(_, source) | Pattern(source):
            yield source
        case Input(name):
            yield f"$[[ inputs.{name} ]]"
        case Not(operand):
            yield "!"
            yield from _operand(operand, _TIGHT)
        case Comparison(operator, left, right):
            yield from _binary(tree, left, operator, right)
        case And(left, right):
            yield from _binary(tree, left, "&&", right)
        case Or(left, right):
            yield from _binary(tree, left, "||", right)
        case _:
            assert_never(tree)


def _binary(
    tree: Comparison | And | Or, left: Expression, operator: str, right: Expression
) -> Iterator[str | Variable]:
    level = _LEVEL[type(tree)]
    yield from _operand(left, level)
    yield f" {operator} "
    yield from _operand(right, level + 1)


def _operand(tree: Expression, level: int) -> Iterator[str | Variable]:
    if isinstance(tree, Comparison | And | Or) and _LEVEL[type(tree)] < level:
        yield "("
        yield from _parts(tree)
        yield ")"
    else:
        yield from _parts(tree)
