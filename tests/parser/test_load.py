"""The passes from text to one map: merge, extends, references, includes, inputs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.context import InputText
from spotci.parser.compile import compile_pipeline
from spotci.parser.keywords.decoding import plain
from spotci.parser.merge import deep_merge
from spotci.parser.nodes import Mapping
from spotci.parser.yaml import parse
from spotci.source import SourceFile
from tests.contexts import FakeReader, context
from tests.parser.configurations import read, source

if TYPE_CHECKING:
    from spotci.context import Context


def mapping(value: dict[str, Any]) -> Mapping:
    # JSON is YAML.
    import json  # noqa: PLC0415 - only here

    (node,) = parse(SourceFile(name="x", text=json.dumps(value)))
    assert isinstance(node, Mapping)
    return node


LEAVES = st.one_of(st.integers(0, 9), st.text("abc", max_size=3), st.none())
TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner)
        ),
        max_leaves=8,
    ),
)


@given(TREES, TREES)
def test_merging_keeps_what_only_one_side_has_and_prefers_the_later(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    merged = plain(deep_merge(mapping(base), mapping(over)))

    assert isinstance(merged, dict)
    assert merged.keys() == base.keys() | over.keys()
    for key, value in over.items():
        if not (isinstance(value, dict) and isinstance(base.get(key), dict)):
            assert merged[key] == value


@given(TREES)
def test_merging_nothing_changes_nothing(tree: dict[str, Any]) -> None:
    assert plain(deep_merge(mapping({}), mapping(tree))) == tree
    assert plain(deep_merge(mapping(tree), mapping({}))) == tree


@given(TREES, TREES, TREES)
def test_merging_is_associative(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    first, second, third = mapping(a), mapping(b), mapping(c)

    left = deep_merge(deep_merge(first, second), third)
    right = deep_merge(first, deep_merge(second, third))

    # A text between two maps cuts the merge on one side only.
    if all(not isinstance(v, dict) for t in (a, b, c) for v in t.values()):
        assert plain(left) == plain(right)


@pytest.mark.parametrize(
    ("text", "job", "expected"),
    [
        pytest.param(
            """\
            .a: {script: [one], variables: {A: "1", B: "1"}}
            job: {extends: .a, script: [two], variables: {B: "2"}}
            """,
            "job",
            {"script": ["two"], "variables": {"A": "1", "B": "2"}},
            id="maps merge, lists are replaced",
        ),
        pytest.param(
            """\
            .a: {stage: a, when: manual}
            .b: {stage: b}
            job: {extends: [.a, .b]}
            """,
            "job",
            {"stage": "b", "when": "manual"},
            id="the later base wins",
        ),
        pytest.param(
            """\
            job: {extends: .b}
            .b: {extends: .a, stage: b}
            .a: {stage: a, tags: [x]}
            """,
            "job",
            {"stage": "b", "tags": ["x"]},
            id="a base that is extended itself, in any order",
        ),
        pytest.param(
            """\
            .a: {variables: {A: "1"}}
            none: {extends: .a, variables: null}
            """,
            "none",
            {"variables": None},
            id="null drops",
        ),
        pytest.param(
            """\
            .a: {variables: {A: "1"}}
            kept: {extends: .a, variables: {}}
            """,
            "kept",
            {"variables": {"A": "1"}},
            id="an empty map keeps",
        ),
    ],
)
def test_extends(text: str, job: str, expected: dict[str, Any]) -> None:
    root, errors = read(text)

    assert errors == []
    found = {key: value for key, value in root[job].items() if key != "extends"}
    assert found == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(
            """\
            .base: {script: x}
            job:
              extends: [.base, .bsae]
            """,
            """\
.gitlab-ci.yml:3:20: error: job: unknown keys in `extends` (.bsae)
    3 |   extends: [.base, .bsae]
      |                    ^^^^^
hint: did you mean ".base"?""",
            id="unknown",
        ),
        pytest.param(
            """\
            .list: [x]
            job:
              extends: .list
            """,
            """\
.gitlab-ci.yml:3:12: error: job: invalid base hashes in `extends` (.list)
    3 |   extends: .list
      |            ^^^^^""",
            id="no map",
        ),
        pytest.param(
            """\
            .a: {extends: .b}
            .b: {extends: .a}
            """,
            """\
.gitlab-ci.yml:2:15: error: .a: circular dependency detected in `extends`
    2 | .b: {extends: .a}
      |               ^^
hint: .a extends .b extends .a""",
            id="circle",
        ),
    ],
)
def test_wrong_extends(text: str, error: str) -> None:
    _, errors = read(text)

    assert errors == [error]


@pytest.mark.parametrize(("length", "fails"), [(11, False), (12, True), (3000, True)])
def test_a_chain_of_extends_is_bounded(length: int, *, fails: bool) -> None:
    chain = "".join(f".j{n}: {{extends: .j{n + 1}}}\n" for n in range(length - 1))

    _, errors = read(chain + f".j{length - 1}: {{script: x}}\n")

    assert any("nesting too deep in `extends`" in error for error in errors) is fails
    assert bool(errors) is fails


def test_references_are_resolved_after_extends_and_across_files() -> None:
    root, errors = read(
        """\
        include: base.yml
        .a: {extends: .base}
        job: {script: [first, !reference [.a, script]], tags: !reference [.a, tags]}
        """,
        {"base.yml": ".base: {script: [one, two], tags: [x]}\n"},
    )

    assert errors == []
    assert root["job"] == {"script": ["first", ["one", "two"]], "tags": ["x"]}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(
            """\
            .setup: {script: x}
            job: {script: !reference [.setpu, script]}
            """,
            """\
.gitlab-ci.yml:2:15: error: !reference [".setpu", "script"] could not be found
    2 | job: {script: !reference [.setpu, script]}
      |               ^^^^^^^^^^^^
hint: did you mean ".setup"?""",
            id="unknown",
        ),
        pytest.param(
            """\
            a: !reference [b]
            b: !reference [a]
            """,
            """\
.gitlab-ci.yml:1:4: error: !reference ["b"] is part of a circular chain
    1 | a: !reference [b]
      |    ^^^^^^^^^^^^
hint: b → a → b""",
            id="circle",
        ),
        pytest.param(
            "a: !reference []\n",
            """\
.gitlab-ci.yml:1:4: error: !reference [] is not valid
    1 | a: !reference []
      |    ^^^^^^^^^^^^
hint: write !reference [job, keyword]""",
            id="empty",
        ),
        pytest.param(
            ".a: {b: false}\nc: !reference [.a, b]\n",
            """\
.gitlab-ci.yml:2:4: error: !reference [".a", "b"] could not be found
    2 | c: !reference [.a, b]
      |    ^^^^^^^^^^^^
hint: GitLab takes false for nothing: write it where it is needed""",
            id="false",
        ),
    ],
)
def test_wrong_references(text: str, error: str) -> None:
    _, errors = read(text)

    assert error in errors


def test_references_that_multiply_are_refused_in_bounded_time() -> None:
    rows = "".join(
        f".r{n}: [{', '.join([f'!reference [.r{n + 1}]'] * 9)}]\n" for n in range(12)
    )
    started = time.process_time()

    _, errors = read(rows + ".r12: [x]\n")

    assert "The parsed YAML is too big" in errors[0]
    assert time.process_time() - started < 1


def test_a_long_chain_of_references_is_no_crash() -> None:
    chain = "".join(f".r{n}: !reference [.r{n + 1}]\n" for n in range(2000))

    _, errors = read(chain + ".r2000: x\n")

    assert "The parsed YAML is too big" in errors[0]


def test_includes_are_merged_in_order_and_the_file_itself_wins() -> None:
    root, errors = read(
        """\
        include: [one.yml, /two.yml]
        variables: {C: root}
        """,
        {
            "one.yml": "variables: {A: one, B: one, C: one}\n",
            "two.yml": "include: three.yml\nvariables: {B: two}\n",
            "three.yml": "variables: {A: three, B: three}\n",
        },
    )

    assert errors == []
    assert root == {"variables": {"A": "three", "B": "two", "C": "root"}}


def test_local_patterns_are_sorted_and_only_yaml() -> None:
    root, errors = read(
        "include: ci/**/*\n",
        {
            "ci/b.yml": "a: b\n",
            "ci/a/a.yaml": "a: a\nc: a\n",
            "ci/notes.txt": "not: read\n",
        },
    )

    assert errors == []
    assert root == {"a": "b", "c": "a"}


def test_a_pattern_that_matches_nothing_is_no_error() -> None:
    assert read("include: none/*.yml\na: 1\n") == ({"a": 1}, [])


def test_a_local_include_of_another_project_is_read_there() -> None:
    root, errors = read(
        "include: {project: group/templates, file: [/a.yml, b.yml], ref: v1}\n",
        {
            "group/templates:a.yml": "include: nested.yml\na: 1\n",
            "group/templates:b.yml": "b: 2\n",
            "group/templates:nested.yml": "c: 3\n",
            "nested.yml": "wrong: place\n",
        },
    )

    assert errors == []
    assert root == {"a": 1, "b": 2, "c": 3}


def test_variables_of_the_context_are_expanded_but_not_in_remote_files() -> None:
    remote = "https://example.com/ci.yml"
    root, errors = read(
        f"include:\n  - $WHERE/a.yml\n  - {remote}\n",
        {"ci/a.yml": "a: 1\n", remote: "include: https://example.com/$WHERE.yml\n",
         "https://example.com/.yml": "b: 2\n"},
        variables={"WHERE": "ci"},
    )  # fmt: skip

    assert root == {"a": 1}
    assert len(errors) == 1
    assert "Included file `https://example.com/.yml`" in errors[0]


@pytest.mark.parametrize(
    ("rules", "included"),
    [
        pytest.param("[{if: $FLAG}]", True, id="holds"),
        pytest.param('[{if: $FLAG == "off"}]', False, id="does not hold"),
        pytest.param("[{if: $FLAG, when: never}]", False, id="never"),
        pytest.param("[{exists: [Dockerfile]}]", False, id="no such file"),
    ],
)
def test_rules_of_an_include(rules: str, *, included: bool) -> None:
    root, errors = read(
        f"include: {{local: a.yml, rules: {rules}}}\nb: 1\n",
        {"a.yml": "a: 1\n"},
        variables={"FLAG": "on"},
    )

    assert errors == []
    assert ("a" in root) is included


@pytest.mark.parametrize(
    ("include", "error"),
    [
        pytest.param("a.yml", "Local file `a.yml` does not exist!", id="missing"),
        pytest.param("/empty.yml", "Local file `empty.yml` is empty!", id="empty"),
        pytest.param(
            "README.md",
            "Included file `README.md` does not have YAML extension!",
            id="extension",
        ),
        pytest.param(
            "text.yml",
            "Included file `text.yml` does not have valid YAML syntax!",
            id="no map",
        ),
        pytest.param("[1]", "Included file `1` needs to be a string", id="number"),
        pytest.param(
            "{locl: a.yml}",
            '`{"locl":"a.yml"}` does not have a valid subkey for include.',
            id="kind",
        ),
        pytest.param(
            "{local: a.yml, remote: b}",
            "Each include must use only one of: `local`, `project`",
            id="two kinds",
        ),
        pytest.param(
            "{template: Nothing.yml}",
            "Template file `Nothing.yml` is not a valid location!",
            id="template",
        ),
        pytest.param(
            "{project: a/b}",
            '`{"project":"a/b"}` does not have a valid subkey for include.',
            id="project without file",
        ),
        pytest.param(
            "{project: a/b, file: [1]}",
            "Included file `1` needs to be a string",
            id="project with a number for a file",
        ),
        pytest.param(
            "{project: '', file: a.yml}",
            '`{"project":"","file":"a.yml"}` does not have a valid subkey',
            id="blank project",
        ),
        pytest.param("''", '`""` does not have a valid subkey', id="blank"),
        pytest.param("$NONE", "does not have a valid subkey", id="undefined variable"),
        pytest.param(
            "{local: }", '`{"local":null}` does not have a valid subkey', id="null"
        ),
        pytest.param(
            "comments.yml",
            "Included file `comments.yml` does not have valid YAML syntax!",
            id="only comments",
        ),
        pytest.param(
            "header.yml",
            "Included file `header.yml` does not have valid YAML syntax!",
            id="only a header",
        ),
        pytest.param("!reference [a]", "can't contain `!reference`", id="reference"),
    ],
)
def test_wrong_includes(include: str, error: str) -> None:
    texts = {
        "empty.yml": " \n",
        "text.yml": "just text\n",
        "comments.yml": "# nothing yet\n",
        "header.yml": "spec: {inputs: {}}\n",
    }

    _, errors = read(f"include: {include}\n", texts)

    assert len(errors) == 1
    assert error in errors[0]


def test_an_error_in_an_included_file_tells_how_it_came_in() -> None:
    _, errors = read(
        "include: one.yml\n",
        {"one.yml": "a: 1\ninclude: two.yml\n", "two.yml": "b: [\n"},
    )

    assert errors == [
        """\
two.yml:2:1: error: Included file `two.yml` does not have valid YAML syntax! \
(<unknown>): did not find expected node content while parsing a flow node at line 2 \
column 1
    2 | \n\
      | ^
included from one.yml:2:10
included from .gitlab-ci.yml:1:10"""
    ]


def test_all_slashes_before_a_path_are_dropped() -> None:
    texts = {"a.yml": "a: 1\n", "g/p:b.yml": "b: 1\n"}

    root, errors = read("include: [//a.yml, {project: g/p, file: //b.yml}]\n", texts)

    assert (sorted(root), errors) == (["a", "b"], [])


def test_all_errors_are_reported_at_once() -> None:
    _, errors = read(
        "include: [none.yml, broken.yml, nothing.yml]\n.list: []\n"
        "job: {extends: .list}\n",
        {"broken.yml": "a: *b\n"},
    )

    assert len(errors) == 4


@pytest.mark.parametrize(
    "job", ["{extends: .base}", "{script: !reference [.base, script]}"]
)
def test_what_a_missing_file_may_have_is_not_missed_as_well(job: str) -> None:
    _, errors = read(f"include: none.yml\njob: {job}\n")

    assert len(errors) == 1
    assert "Local file `none.yml` does not exist!" in errors[0]


def test_a_circle_of_includes_ends_with_one_error() -> None:
    _, errors = read("include: a.yml\n", {"a.yml": "include: a.yml\n"})

    assert len(errors) == 1
    assert "Maximum of 150 nested includes are allowed!" in errors[0]


HEADER = """\
spec:
  inputs:
    stage: {default: test}
    count: {type: number, default: 2}
    flag: {type: boolean, default: false}
    list: {type: array, default: [a, b]}
---
"""


def test_inputs_of_an_included_file_keep_their_types() -> None:
    root, errors = read(
        """\
        include:
          local: job.yml
          inputs: {stage: build, list: [x]}
        """,
        {
            "job.yml": HEADER
            + """\
"job-$[[ inputs.stage ]]":
  stage: $[[ inputs.stage ]]
  parallel: $[[ inputs.count ]]
  interruptible: $[[ inputs.flag ]]
  tags: $[[ inputs.list ]]
  script: echo $[[ inputs.count ]] $[[ inputs.flag ]] $[[inputs.list]]
"""
        },
    )

    assert errors == []
    assert root == {
        "job-build": {
            "stage": "build",
            "parallel": 2,
            "interruptible": False,
            "tags": ["x"],
            "script": 'echo 2 false ["x"]',
        }
    }


def test_inputs_of_the_command_line_are_texts() -> None:
    root, errors = read(
        HEADER + "a:\n  - $[[ inputs.count ]]\n  - $[[ inputs.flag ]]\n",
        inputs={"count": InputText("7"), "flag": InputText("true")},
    )

    assert errors == []
    assert root == {"a": [7, True]}


def test_a_wrong_block_is_marked() -> None:
    _, errors = read(HEADER + "job:\n  script: echo $[[ inputs.nope ]]\n")

    assert errors == [
        """\
.gitlab-ci.yml:9:16: error: unknown interpolation provided: `nope` in `inputs.nope`
    9 |   script: echo $[[ inputs.nope ]]
      |                ^^^^^^^^^^^^^^^^^^"""
    ]


def test_all_wrong_inputs_are_told_at_once() -> None:
    names = "abcde"
    header = "".join(f"    {name}:\n" for name in names)
    text = f"spec:\n  inputs:\n{header}---\njob: {{script: x}}\n"

    _, errors = read(text)

    assert [error.splitlines()[0] for error in errors] == [
        f".gitlab-ci.yml:{line}:5: error: `{name}` input:"
        " required value has not been provided"
        for line, name in enumerate(names, 3)
    ]


def test_inputs_without_a_header_are_an_error_where_they_are_given() -> None:
    _, errors = read("include: {local: a.yml, inputs: {x: 1}}\n", {"a.yml": "a: 1\n"})

    assert len(errors) == 1
    assert errors[0].startswith(
        ".gitlab-ci.yml:1:25: error: Given inputs not defined in the `spec` section"
    )


@pytest.mark.parametrize("text", ["", "  \n", "# nothing\n"])
def test_an_empty_configuration_is_an_error(text: str) -> None:
    _, errors = read(text)

    assert errors == ["error: Please provide content of .gitlab-ci.yml"]


def test_a_configuration_is_a_map() -> None:
    _, errors = read("- a\n")

    assert "Invalid configuration format" in errors[0]


@given(
    st.text(alphabet=" \n-:[]{}&*!abcdeinpstuxr.$", max_size=120)
    | st.sampled_from(
        [
            "include: &a [*a]\n",
            "spec: 1\n---\n",
            "spec: {inputs: 1}\n---\na: $[[ inputs.a ]]\n",
            "job: {extends: [[[]]]}\n",
            "a: !reference {b: c}\n",
            "include: {local: [a]}\n",
        ]
    )
)
def test_any_text_gives_a_pipeline_or_configuration_errors(text: str) -> None:
    chosen = context(reader=FakeReader(texts={"a.yml": text}))

    assert isinstance(_errors_of(text, chosen), list)


def _errors_of(text: str, chosen: Context) -> list[str]:
    try:
        compile_pipeline(source(text), chosen)
    except ExceptionGroup as group:
        return [str(error) for error in group.exceptions]
    return []
