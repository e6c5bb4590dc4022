from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import YamlError
from spotci.parser.keywords.decoding import plain
from spotci.parser.nodes import Mapping, Reference, Sequence
from spotci.parser.scalars import UnspecifiedClassError, resolve
from spotci.parser.yaml import parse
from spotci.source import SourceFile
from tests.parser.configurations import source

if TYPE_CHECKING:
    from spotci.parser.nodes import Node


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("~", None, id="tilde"),
        pytest.param("nUll", None, id="null in any case"),
        pytest.param("yes", True, id="yes"),
        pytest.param("Off", False, id="off"),
        pytest.param("y", "y", id="y is a text"),
        pytest.param("trueish", "trueish", id="longer than a word"),
        pytest.param("012345", 5349, id="octal"),
        pytest.param("0o17", "0o17", id="octal of YAML 1.2"),
        pytest.param("0_", 0, id="octal without a digit more"),
        pytest.param("08", "08", id="no octal"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("0b101", 5, id="binary"),
        pytest.param("1_000", 1000, id="underscores"),
        pytest.param("1,000", 1000, id="commas"),
        pytest.param("1__0", "1__0", id="two underscores"),
        pytest.param("1_", "1_", id="underscore last"),
        pytest.param("0x_", "0x_", id="hexadecimal without a digit"),
        pytest.param("1" * 4001, "1" * 4001, id="more digits than a number has"),
        pytest.param("0x" + "f" * 4001, "0x" + "f" * 4001, id="in hexadecimal"),
        pytest.param("\u0661", "\u0661", id="a digit that is not Latin"),
        pytest.param("-12", -12, id="negative"),
        pytest.param("+7", 7, id="plus"),
        pytest.param("1.10", 1.1, id="float"),
        pytest.param("1.5e+3", 1500.0, id="float with exponent"),
        pytest.param("1e3", "1e3", id="an exponent needs a point"),
        pytest.param(".5", 0.5, id="point first"),
        pytest.param(".", ".", id="a point"),
        pytest.param(".e+1", ".e+1", id="an exponent without a number"),
        pytest.param("-", "-", id="a dash"),
        pytest.param(".inf", math.inf, id="infinity"),
        pytest.param("-.INF", -math.inf, id="negative infinity"),
        pytest.param("12:30", 45000, id="hours and minutes"),
        pytest.param("190:20:30", 685230, id="hours, minutes, seconds"),
        pytest.param("190:20:30.15", 685230.15, id="with a fraction"),
        pytest.param("1__0:30", 5400, id="as much as is a number"),
        pytest.param("1_:30.5", 5430.0, id="and of a fraction"),
        pytest.param("-1:30", -1800, id="only the hours are negative"),
        pytest.param("1:60", "1:60", id="too many minutes"),
        pytest.param(":sym", "sym", id="symbol"),
        pytest.param(":", ":", id="a colon"),
        pytest.param(':"a b"', "a b", id="quoted symbol"),
        pytest.param(':":a" b', "a", id="more than a quoted symbol"),
        pytest.param("1.2.3", "1.2.3", id="version"),
        pytest.param("10m", "10m", id="duration"),
        pytest.param("postgres:16", "postgres:16", id="image"),
        pytest.param("é", "é", id="letter"),
    ],
)
def test_plain_scalars_are_read_as_ruby_reads_them(text: str, expected: Any) -> None:
    value = resolve(text)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2020-01-01", "Date"),
        ("2020-01-01 10:00:00", "Time"),
        ("2020-1-1T1:00:00Z", "Time"),
    ],
)
def test_dates_are_refused(text: str, name: str) -> None:
    with pytest.raises(UnspecifiedClassError) as error:
        resolve(text)

    assert str(error.value) == f"Tried to load unspecified class: {name}"


def read(text: str) -> Any:
    (document,) = parse(source(text))
    return plain(document)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\na: 2\n", {"a": 2}, id="the last duplicate wins"),
        pytest.param("a: '012'\nb: \"yes\"\n", {"a": "012", "b": "yes"}, id="quoted"),
        pytest.param("a: !!str 012\n", {"a": "012"}, id="tagged as text"),
        pytest.param("a: !str 012\n", {"a": "012"}, id="tagged as text, shorter"),
        pytest.param("a: ! '12'\n", {"a": 12}, id="a tag makes a quoted text plain"),
        pytest.param("a: !!int '12'\n", {"a": 12}, id="tagged as number"),
        pytest.param("a: !!float 1\n", {"a": 1.0}, id="tagged as float"),
        pytest.param("a: !!null ''\n", {"a": None}, id="tagged as null"),
        pytest.param("a: |\n  yes\n", {"a": "yes\n"}, id="block text"),
        pytest.param(
            "b: &b {x: 1, y: 1}\na: {x: 2, <<: *b}\n",
            {"b": {"x": 1, "y": 1}, "a": {"x": 1, "y": 1}},
            id="a merge overwrites what stands before it",
        ),
        pytest.param(
            "b: &b {x: 1, y: 1}\na: {<<: *b, x: 2}\n",
            {"b": {"x": 1, "y": 1}, "a": {"x": 2, "y": 1}},
            id="what stands after a merge wins",
        ),
        pytest.param(
            "b: &b {x: 1}\nc: &c {x: 2, y: 2}\na: {<<: [*b, *c]}\n",
            {"b": {"x": 1}, "c": {"x": 2, "y": 2}, "a": {"x": 1, "y": 2}},
            id="of a list the earlier wins",
        ),
        pytest.param("a: {<<: 1}\n", {"a": {"<<": 1}}, id="no map to merge"),
        pytest.param("10: a\n", {10: "a"}, id="a number as key"),
        pytest.param("a: !vault secret\n", {"a": "secret"}, id="unknown tag"),
        pytest.param(
            "a: [redis:7, x]\n", {"a": ["redis:7", "x"]}, id="image in a list"
        ),
        pytest.param(
            "a: {url: https://a.b/?c=d::e, f: x?}\n",
            {"a": {"url": "https://a.b/?c=d::e", "f": "x?"}},
            id="address in a map",
        ),
        pytest.param(
            "a: [b:c, 'd:e', \"f:g\"]  # h:i\nj?k:l: |\n  m:n?\n",
            {"a": ["b:c", "d:e", "f:g"], "j?k:l": "m:n?\n"},
            id="signs everywhere",
        ),
        pytest.param(
            'a: [!!str 1, b:2, {"c":d}]\n',
            {"a": ["1", "b:2", {"c": "d"}]},
            id="tags and keys in quotes keep their colons",
        ),
        pytest.param(
            "a: [\ue000b:c\ue001, ?d]\n",
            {"a": ["\ue000b:c\ue001", {"d": None}]},
            id="characters of private use",
        ),
    ],
)
def test_collections(text: str, expected: Any) -> None:
    assert read(text) == expected


def test_documents_are_parted() -> None:
    documents = parse(source("spec: {}\n---\na: 1\n---\nb: 2\n"))

    assert [plain(document) for document in documents] == [
        {"spec": {}},
        {"a": 1},
        {"b": 2},
    ]


def test_anchors_are_those_of_one_document() -> None:
    with pytest.raises(YamlError, match="Unknown alias: x"):
        parse(source("a: &x 1\n---\nb: *x\n"))


def test_places() -> None:
    (root,) = parse(source("job:\n  script:\n    - echo é  # why\n    - 'b'\n"))

    assert isinstance(root, Mapping)
    job = root.get("job")
    assert isinstance(job, Mapping)
    assert str(job.entries["script"].span) == ".gitlab-ci.yml:2:3"
    script = job.get("script")
    assert isinstance(script, Sequence)
    places = [
        (item.span.line, item.span.column, item.span.end_column) for item in script
    ]
    assert places == [(3, 7, 13), (4, 7, 10)]


def test_a_text_of_several_lines_is_marked_to_the_end_of_its_first() -> None:
    (root,) = parse(source("a: |\n  one\n  two\n"))

    assert isinstance(root, Mapping)
    value = root.get("a")
    assert value is not None
    assert (value.span.line, value.span.column, value.span.end_column) == (1, 4, 5)


def test_references_keep_what_stood_behind_the_tag() -> None:
    (root,) = parse(source("a: !reference [b, c]\n"))

    assert isinstance(root, Mapping)
    value = root.get("a")
    assert isinstance(value, Reference)
    assert plain(value.argument) == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "a:\n  b: c: d\n",
            """\
.gitlab-ci.yml:2:7: error: (<unknown>): mapping values are not allowed in this context \
at line 2 column 7
    2 |   b: c: d
      |       ^
hint: quote the text: a colon with a space begins a mapping""",
            id="colon",
        ),
        pytest.param(
            "a:\n\t- b\n",
            """\
.gitlab-ci.yml:2:1: error: (<unknown>): found character that cannot start any token \
while scanning for the next token at line 2 column 1
    2 | \t- b
      | ^
hint: indent with spaces: YAML does not allow tabs""",
            id="tab",
        ),
        pytest.param(
            "a: *b\n",
            """\
.gitlab-ci.yml:1:4: error: Unknown alias: b
    1 | a: *b
      |    ^^""",
            id="alias",
        ),
        pytest.param(
            "since: 2020-01-01\n",
            """\
.gitlab-ci.yml:1:8: error: Tried to load unspecified class: Date
    1 | since: 2020-01-01
      |        ^^^^^^^^^^
hint: quote it: "2020-01-01\"""",
            id="date",
        ),
        pytest.param(
            "[a]: b\n",
            """\
.gitlab-ci.yml:1:1: error: a key must be a text, a number or a boolean
    1 | [a]: b
      | ^
hint: quote a text that begins with [, { or !""",
            id="list as key",
        ),
        pytest.param(
            "a: !ruby/object:Gem::Version 1\n",
            """\
.gitlab-ci.yml:1:4: error: Tried to load unspecified class: Gem::Version
    1 | a: !ruby/object:Gem::Version 1
      |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
            id="object of Ruby",
        ),
        pytest.param(
            "a: !ruby/range 1..2\n",
            """\
.gitlab-ci.yml:1:4: error: Tried to load unspecified class: Range
    1 | a: !ruby/range 1..2
      |    ^^^^^^^^^^^^^^^^""",
            id="range of Ruby",
        ),
        pytest.param(
            "a: é\nb: '\a'\n",
            """\
.gitlab-ci.yml:2:5: error: (<unknown>): control characters are not allowed at line 1 \
column 1
    2 | b: '\a'
      |     ^""",
            id="control character",
        ),
        pytest.param(
            "a:\n  - b\n  c: d\n",
            """\
.gitlab-ci.yml:3:3: error: (<unknown>): did not find expected '-' indicator while \
parsing a block collection at line 2 column 3
    3 |   c: d
      |   ^""",
            id="the place is that of the problem, GitLab's that of the beginning",
        ),
        pytest.param(
            "a: [b:,c]\n",
            """\
.gitlab-ci.yml:1:6: error: (<unknown>): found unexpected ':' while scanning a plain \
scalar at line 1 column 5
    1 | a: [b:,c]
      |      ^""",
            id="colon before a comma",
        ),
    ],
)
def test_errors_have_a_place_and_a_hint(text: str, message: str) -> None:
    with pytest.raises(YamlError) as error:
        parse(SourceFile(name=".gitlab-ci.yml", text=text))

    assert str(error.value) == message


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 5000, id="brackets"),
        pytest.param("- " * 5000 + "x", id="dashes"),
        pytest.param(BOMB, id="aliases of aliases"),
        pytest.param("a: &a [*a]", id="an alias inside its anchor"),
        pytest.param("a: &a {b: *a}", id="in a map"),
        pytest.param("a" * (2 * 1024 * 1024 + 1), id="size"),
        pytest.param("---\n" * 1000, id="documents"),
    ],
)
def test_what_is_too_big_is_refused_at_once(text: str) -> None:
    started = time.process_time()

    with pytest.raises(YamlError, match="The parsed YAML is too big"):
        parse(SourceFile(name="x", text=text))

    assert time.process_time() - started < 1


def test_a_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(YamlError) as error:
        parse(SourceFile(name="x", text="a: \ud800"))

    assert str(error.value.span) == "x:1:4"
    assert "the text is not valid Unicode" in error.value.message


def test_places_stay_what_they_are_where_a_text_is_read_twice() -> None:
    (root,) = parse(source("services: [redis:7, postgres:16]\n"))

    assert isinstance(root, Mapping)
    services = root.get("services")
    assert isinstance(services, Sequence)
    places = [(item.span.column, item.span.end_column) for item in services]
    assert places == [(12, 19), (21, 32)]


def documents_or_message(text: str) -> tuple[Node, ...] | str:
    try:
        return parse(SourceFile(name="x", text=text))
    except YamlError as error:
        return str(error)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_gives_documents_or_an_error(text: str) -> None:
    assert isinstance(documents_or_message(text), tuple | str)


@given(st.text(alphabet=" \n-:[]{}#&*!|>'\"%@`,?abc012\t<", max_size=80))
def test_any_punctuation_gives_documents_or_an_error(text: str) -> None:
    assert isinstance(documents_or_message(text), tuple | str)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        pytest.param("a: 1\nb: 2\na: 3", ["a at 3"], id="root"),
        pytest.param("a: {x: 1, x: 2, x: 3}", ["x at 1", "x at 1"], id="inside"),
        pytest.param("a: {x: 1}\nb: {x: 1}", [], id="in two maps"),
        pytest.param("a: &a {x: 1}\nb: {<<: *a, x: 2}", [], id="after a merge"),
        pytest.param("a: 1\n---\na: 1", [], id="in two documents"),
    ],
)
def test_repeated_keys_are_told(text: str, heard: list[str]) -> None:
    told: list[str] = []

    parse(
        SourceFile(name="a.yml", text=text),
        lambda key: told.append(f"{key.value} at {key.span.line}"),
    )

    assert told == heard
