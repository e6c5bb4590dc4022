from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.parser.expression import (
    And,
    Comparison,
    Constant,
    ExpressionSyntaxError,
    Input,
    Not,
    Or,
    Pattern,
    Variable,
    evaluate,
    explain,
    parse,
    truthy,
    unparse,
    variable_names,
)

if TYPE_CHECKING:
    from spotci.parser.expression import (
        Expression,
    )

VARIABLES = {
    "BRANCH": "main",
    "EMPTY": "",
    "BLANK": " \n",
    "TRUE": "true",
    "PATTERN": "/^ma/",
    "FLAGGED": "/^MA/i",
    "BAD_PATTERN": "/ma(/",
    "PATH": "a/b/c",
    "REFERENCE": "$BRANCH",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("$BRANCH", "main", id="variable"),
        pytest.param("$UNSET", None, id="undefined is null"),
        pytest.param("$REFERENCE", "$BRANCH", id="values are not expanded"),
        pytest.param("$UNSET == null", True, id="undefined equals null"),
        pytest.param("$EMPTY == null", False, id="empty is not null"),
        pytest.param('$EMPTY == ""', True, id="empty equals empty text"),
        pytest.param('$UNSET == ""', False, id="undefined is not empty"),
        pytest.param("'main' == $BRANCH", True, id="single quotes"),
        pytest.param('$BRANCH != "main"', False, id="not equal"),
        pytest.param("$TRUE == true", False, id="text is no boolean"),
        pytest.param("($UNSET == null) == true", True, id="boolean equals boolean"),
        pytest.param("true != false", True, id="booleans differ"),
        pytest.param("$BRANCH == 'main' == true", True, id="== associates to the left"),
        pytest.param("$BRANCH =~ /^ma/", True, id="pattern"),
        pytest.param("$BRANCH =~ /^MA/i", True, id="pattern with flag"),
        pytest.param("$BRANCH =~ /MA/", False, id="patterns know case"),
        pytest.param(r"$PATH =~ /a\/b/", True, id="escaped slash"),
        pytest.param("$PATH !~ /zz/", True, id="no match"),
        pytest.param("$UNSET =~ /.*/", True, id="undefined text is empty"),
        pytest.param("$BRANCH =~ $UNSET", False, id="match with null"),
        pytest.param("$BRANCH !~ $UNSET", True, id="no match with null"),
        pytest.param("$BRANCH =~ $PATTERN", True, id="pattern from a variable"),
        pytest.param("$BRANCH =~ $FLAGGED", True, id="flags from a variable"),
        pytest.param('$BRANCH =~ "the main one"', True, id="left inside right text"),
        pytest.param('"the main one" =~ $BRANCH', False, id="not right inside left"),
        pytest.param("$BRANCH =~ $BAD_PATTERN", False, id="bad pattern is a text"),
        pytest.param("$BRANCH =~ true", False, id="match with boolean"),
        pytest.param("true =~ /^true$/", True, id="boolean as text"),
        pytest.param("/abc/ =~ /bc/", True, id="pattern as text"),
        pytest.param("$EMPTY && $BRANCH", "main", id="empty does not stop &&"),
        pytest.param("$UNSET && $BRANCH", None, id="null stops &&"),
        pytest.param("$EMPTY || $BRANCH", "", id="empty stops ||"),
        pytest.param("$UNSET || $BRANCH", "main", id="null goes on through ||"),
        pytest.param("!$UNSET", True, id="not null"),
        pytest.param("!$EMPTY", True, id="not an empty text"),
        pytest.param("! !$BRANCH", True, id="not not"),
        pytest.param("!$BRANCH == false", True, id="! binds tighter than =="),
        pytest.param("!($BRANCH == 'main' && $UNSET)", True, id="not a parenthesis"),
        pytest.param("$BRANCH && !$UNSET", True, id="not as an operand"),
        pytest.param("$BRANCH || $UNSET && $UNSET", "main", id="&& binds tighter"),
        pytest.param("($BRANCH || $UNSET) && $UNSET", None, id="parentheses"),
        pytest.param("/abc/", "abc", id="bare pattern is its source"),
        pytest.param("/abc/ == /abc/", True, id="patterns compare by source"),
        pytest.param("/abc/ == '/abc/'", False, id="pattern is no text"),
    ],
)
def test_evaluate(expression: str, expected: object) -> None:
    assert evaluate(parse(expression), VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        pytest.param("a\nb", "/^b/", False, id="^ is the start of the text"),
        pytest.param("a\nb", "/^b/m", True, id="flag m: of a line"),
        pytest.param("a\nb", "/a.b/", False, id=". stops at a newline"),
        pytest.param("a\nb", "/a.b/s", True, id="flag s: it does not"),
        pytest.param("aab", "/^a+?$/", False, id="whole text"),
        pytest.param("", "/^$/", True, id="empty pattern on empty text"),
    ],
)
def test_patterns_are_re2(text: str, pattern: str, *, expected: bool) -> None:
    assert evaluate(parse(f"$TEXT =~ {pattern}"), {"TEXT": text}) is expected


def test_hostile_pattern_takes_no_time() -> None:
    assert evaluate(parse("$TEXT =~ /^(a+)+$/"), {"TEXT": "a" * 50_000 + "b"}) is False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, False),
        (False, False),
        ("", False),
        (" \t\n", False),
        ([], False),
        (True, True),
        ("false", True),
        (0, True),
        (["a"], True),
    ],
    ids=repr,
)
def test_truthy(value: object, *, expected: bool) -> None:
    assert truthy(value) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("$[[ inputs.env ]] == 'prod'", True, id="text"),
        pytest.param("$[[inputs.flag]]", True, id="boolean"),
        pytest.param("$[[ inputs.flag ]] == true", True, id="boolean equals boolean"),
        pytest.param(
            "$[[ inputs.flag ]] == $[[ inputs.one ]]", False, id="true is no 1"
        ),
        pytest.param("$[[ inputs.missing ]] == null", True, id="missing"),
    ],
)
def test_inputs(expression: str, *, expected: bool) -> None:
    inputs = {"env": "prod", "flag": True, "one": 1}

    assert evaluate(parse(expression), {}, inputs) is expected


@pytest.mark.parametrize(
    ("expression", "message", "start", "end"),
    [
        pytest.param("", "expected a value, found the end", 0, 1, id="empty"),
        pytest.param("  ", "expected a value, found the end", 2, 2, id="blank"),
        pytest.param("$A ==", "expected a value, found the end", 5, 5, id="no right"),
        pytest.param('== "a"', 'expected a value, found "=="', 0, 2, id="no left"),
        pytest.param(
            '$A "b"',
            'expected an operator or the end, found ""b""',
            3,
            6,
            id="two values",
        ),
        pytest.param("($A", 'expected ")", found the end', 3, 3, id="open"),
        pytest.param(
            "$A)", 'expected an operator or the end, found ")"', 2, 3, id="closed"
        ),
        pytest.param(
            "$A = 'b'",
            "unexpected '=': write == to compare, or =~ for a pattern",
            3,
            4,
            id="one equals sign",
        ),
        pytest.param(
            "${A}",
            "unexpected '$': braces are not allowed here, write $A",
            0,
            1,
            id="braces",
        ),
        pytest.param(
            "$A == 1",
            "unexpected '1': a number is not allowed here, write \"1\"",
            6,
            7,
            id="number",
        ),
        pytest.param(
            "$A == 'b",
            'unexpected "\'": the quote has no end in its line',
            6,
            7,
            id="open quote",
        ),
        pytest.param(
            "$A =~ //",
            "unexpected '/': a pattern has at least two characters between its slashes",
            6,
            7,
            id="empty pattern",
        ),
        pytest.param(
            "$A =~ /a/",
            "unexpected '/': a pattern needs two characters or more, write /[a]/",
            6,
            7,
            id="pattern of one letter",
        ),
        pytest.param(
            "$A =~ /ab/x",
            "unexpected 'x': the flags of a pattern are i, m, s and U",
            10,
            11,
            id="flag that is none",
        ),
        pytest.param(
            "$A =~ /(?=b)/",
            "invalid regular expression: invalid perl operator: (?=",
            6,
            13,
            id="look-ahead",
        ),
        pytest.param(
            "trueish",
            "unexpected 't': write $trueish for a variable, or \"trueish\" for a text",
            0,
            1,
            id="word",
        ),
    ],
)
def test_what_cannot_be_read_has_a_place(
    expression: str, message: str, start: int, end: int
) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse(expression)

    assert (caught.value.message, caught.value.start, caught.value.end) == (
        message,
        start,
        end,
    )


def test_fewer_than_100_tokens() -> None:
    parse(" || ".join(["$A"] * 50))

    with pytest.raises(ExpressionSyntaxError, match="too many tokens"):
        parse("(" + " || ".join(["$A"] * 50))


def test_explain_shows_values_but_no_secret() -> None:
    tree = parse('$BRANCH == "main" && ($TOKEN || $UNSET)')
    values = {"BRANCH": "main", "TOKEN": "s3cret"}

    assert explain(tree, values, hidden={"TOKEN"}) == (
        '$BRANCH ("main") == "main" && ($TOKEN ("[MASKED]") || $UNSET (null))'
    )


def test_variable_names_are_listed_once() -> None:
    assert variable_names(parse("$B && $A == $B")) == ("B", "A")


def texts(quote: str) -> st.SearchStrategy[Expression]:
    characters = st.characters(
        exclude_characters=f"{quote}\n", exclude_categories=["Cs"]
    )
    return st.text(characters).map(lambda text: Constant(text, f"{quote}{text}{quote}"))


names = st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True)
leaves = st.one_of(
    names.map(Variable),
    texts('"'),
    texts("'"),
    st.sampled_from(
        [Constant(None, "null"), Constant(value=True, source="true"), Pattern("/ab/i")]
    ),
    st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True).map(Input),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Comparison, st.sampled_from(["==", "!=", "=~", "!~"]), inner, inner),
        st.builds(And, inner, inner),
        st.builds(Or, inner, inner),
        st.builds(Not, inner),
    ),
    max_leaves=15,
)


@pytest.mark.property
@given(trees)
def test_an_unparsed_tree_reads_as_the_same(tree: Expression) -> None:
    assert parse(unparse(tree)) == tree


@pytest.mark.property
@given(st.text(st.sampled_from("$AB \"'/=~!&|()nultrefas[]\\i\n"), max_size=40))
def test_any_text_is_an_expression_or_a_syntax_error(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionSyntaxError as error:
        assert 0 <= error.start <= error.end  # noqa: PT017 - either way is right
        return
    truthy(evaluate(tree, VARIABLES))
