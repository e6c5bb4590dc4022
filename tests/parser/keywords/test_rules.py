from __future__ import annotations

from datetime import timedelta

import pytest

from spotci.parser.expression import parse
from spotci.parser.keywords.rules import RulesOf, decode_rules
from spotci.parser.model import Changes, Condition, Exists, NeedConfig, Rule
from spotci.parser.problems import Problems
from spotci.pipeline import When
from spotci.variables import Level
from tests.trees import decoded, errors_of, job_of, job_with, messages_of, tree

RULE = "jobs:build:rules:rule"


def rule_of(yaml: str) -> Rule:
    rules = job_of(f"rules: [{yaml}]").rules
    assert rules is not None
    return rules[0]


def test_every_key_of_a_rule() -> None:
    rule = rule_of(
        "{if: $A, changes: [a], exists: [b], when: delayed, start_in: 1 hour,"
        " allow_failure: true, variables: {A: b}, needs: [x], interruptible: false}"
    )

    assert rule.condition is not None
    assert rule.condition.text == "$A"
    assert rule.condition.expression == parse("$A")
    assert rule.changes == Changes(paths=("a",))
    assert rule.exists == Exists(paths=("b",))
    assert rule.when is When.DELAYED
    assert rule.start_in == timedelta(hours=1)
    assert rule.start_in_text == "1 hour"
    assert rule.allow_failure is True
    assert [(v.name, v.value, v.level) for v in rule.variables] == [
        ("A", "b", Level.RULE)
    ]
    assert rule.needs == (NeedConfig(job="x"),)
    assert rule.interruptible is False


@pytest.mark.parametrize(
    ("yaml", "rule"),
    [
        pytest.param("{when: never}", Rule(when=When.NEVER), id="when"),
        pytest.param(
            "{changes: {paths: [a], compare_to: main}}",
            Rule(changes=Changes(paths=("a",), compare_to="main")),
            id="compare_to",
        ),
        pytest.param("{exists: a}", Rule(exists=Exists(paths=("a",))), id="one path"),
        pytest.param(
            "{exists: {paths: [a], project: g/p, ref: v1}}",
            Rule(exists=Exists(paths=("a",), project="g/p", ref="v1")),
            id="exists elsewhere",
        ),
        pytest.param("{if: null, changes: null}", Rule(), id="nulls"),
        pytest.param("{needs: []}", Rule(needs=()), id="no needs"),
    ],
)
def test_rule(yaml: str, rule: Rule) -> None:
    assert rule_of(yaml) == rule


@pytest.mark.parametrize(
    ("yaml", "count"),
    [
        pytest.param("[]", 0, id="empty"),
        pytest.param("[{if: $A}, [{if: $B}, [{if: $C}]]]", 3, id="nested"),
    ],
)
def test_list_of_rules(yaml: str, count: int) -> None:
    rules = job_of(f"rules: {yaml}").rules

    assert rules is not None
    assert len(rules) == count


def test_null_node_is_no_rules() -> None:
    problems = Problems()
    node = tree("rules:\n").entries["rules"].value

    assert decode_rules(node, "r", problems, allowed=RulesOf.INCLUDE) is None
    assert problems.errors == []


def test_null_is_no_rules() -> None:
    assert job_of("rules: null").rules is None


@pytest.mark.parametrize(
    "yaml", ["{wrong: format}", "x", "1", "[x]", "[null]", "[[1]]"]
)
def test_no_list_of_rules(yaml: str) -> None:
    assert messages_of(job_with(f"rules: {yaml}")) == [
        "jobs:build rules should be an array containing hashes and arrays of hashes"
    ]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("{}", " config can't be blank"),
        ("{invalid: x}", " config contains unknown keys: invalid"),
        ("{auto_cancel: {}}", " config contains unknown keys: auto_cancel"),
        ("{when: false}", " when unknown value: false"),
        ("{when: sometimes}", " when unknown value: sometimes"),
        ("{when: [manual]}", " when unknown value: ['manual']"),
        ("{if: $A, start_in: 1 day}", " config contains disallowed keys: start_in"),
        ("{if: $A, start_in: null}", " config contains disallowed keys: start_in"),
        ("{when: delayed}", " start in can't be blank"),
        ("{when: delayed, start_in: soon}", " start in should be a duration"),
        ("{when: delayed, start_in: 8 days}", " start in should not exceed the limit"),
        ("{allow_failure: x}", " allow failure should be a boolean value"),
        ("{interruptible: x}", " interruptible should be a boolean value"),
        ("{if: [$A]}", " if invalid expression syntax"),
        ("{if: 1}", " if invalid expression syntax"),
        ("{changes: [1]}", ":changes config should be an array of strings"),
        ("{changes: x}", ":changes should be an array or a hash"),
        ("{changes: {}}", ":changes config missing required keys: paths"),
        ("{changes: {paths: x}}", ":changes paths should be an array of strings"),
        ("{changes: {paths: null}}", ":changes paths should be an array of strings"),
        (
            "{changes: {paths: [x], compare_to: 1}}",
            ":changes compare to should be a string",
        ),
        (
            "{changes: {paths: [x], foo: 1}}",
            ":changes config contains unknown keys: foo",
        ),
        ("{exists: 1}", ":exists should be a string, an array of strings, or a hash"),
        ("{exists: [1]}", ":exists config should be an array of strings"),
        ("{exists: {paths: x}}", ":exists paths should be an array of strings"),
        ("{exists: {project: x}}", ":exists config missing required keys: paths"),
        (
            "{exists: {paths: [x], ref: y}}",
            ":exists config missing required keys: project",
        ),
        (
            "{exists: {paths: [x], project: 1}}",
            ":exists project should be a string",
        ),
        (
            "{exists: {paths: [x], foo: 1}}",
            ":exists config contains unknown keys: foo",
        ),
        ("{variables: [x]}", ":variables config should be a hash"),
        ("{variables: {A: {value: b}}}", ":variables:A config must be a string"),
        ("{needs: x}", ":needs config can only be a hash or an array"),
        (
            "{needs: [{pipeline: x, job: y}]}",
            ":needs config uses invalid types: cross_dependency",
        ),
        ("{needs: [{job: null}]}", ":needs:need job can't be blank"),
    ],
)
def test_wrong_rule(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"rules: [{yaml}]")) == [f"{RULE}{message}"]


@pytest.mark.parametrize(
    ("key", "subject"),
    [
        ("changes: {}", "changes config"),
        ("exists: {}", "exists config"),
        ("changes: {{paths: {}}}", "changes paths"),
        ("exists: {{paths: {}}}", "exists paths"),
    ],
)
def test_at_most_fifty_paths(key: str, subject: str) -> None:
    fifty, more = "[" + "a, " * 50 + "]", "[" + "a, " * 51 + "]"

    job_of(f"rules: [{{{key.format(fifty)}}}]")

    assert messages_of(job_with(f"rules: [{{{key.format(more)}}}]")) == [
        f"{RULE}:{subject} has too many entries (maximum 50)"
    ]


@pytest.mark.parametrize(
    ("line", "column", "marker", "hint"),
    [
        pytest.param(
            "if: $A ==", 16, "^", "expected a value, found the end", id="plain"
        ),
        pytest.param(
            "if: '$A =='", 17, "^", "expected a value, found the end", id="quoted"
        ),
        pytest.param(
            "if: $A =~ /a (b/",
            17,
            "^^^^^^",
            "invalid regular expression: missing ): a (b",
            id="pattern",
        ),
    ],
)
def test_wrong_expression_is_marked_at_the_character(
    line: str, column: int, marker: str, hint: str
) -> None:
    assert errors_of(job_with(f"rules:\n  - {line}")) == [
        f"""\
.gitlab-ci.yml:4:{column}: error: {RULE} if invalid expression syntax
    4 |     - {line}
      | {" " * (column - 1)}{marker}
hint: {hint}"""
    ]


def test_expression_in_a_block_is_marked_as_a_whole() -> None:
    problems = Problems()
    root = tree("rules:\n  - if: >-\n      $A ==\n      ==\n")

    decode_rules(root.entries["rules"].value, "r", problems, allowed=RulesOf.JOB)

    (error,) = problems.errors
    assert error.span is not None
    assert (error.span.line, error.span.column) == (2, 9)


def test_workflow_rules() -> None:
    config, problems = decoded(
        "workflow:\n"
        "  rules:\n"
        "    - {if: $A, variables: {X: 1}, auto_cancel: {on_new_commit: none}}\n"
        "    - [{when: never}]\n"
        "build: {script: x}\n"
    )

    assert problems.errors == []
    rules = config.workflow.rules
    assert rules is not None
    assert rules[0].variables[0].level is Level.WORKFLOW
    assert rules[0].auto_cancel_on_new_commit == "none"
    assert rules[0].auto_cancel_on_job_failure is None
    assert rules[1].when is When.NEVER


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("x", "workflow:rules config should be a array"),
        ("[x]", "workflow:rules:rule config should be a hash"),
        ("[{}]", "workflow:rules:rule config can't be blank"),
        ("[{when: on_success}]", "workflow:rules:rule when unknown value: on_success"),
        (
            "[{interruptible: true}]",
            "workflow:rules:rule config contains unknown keys: interruptible",
        ),
    ],
)
def test_wrong_workflow_rules(yaml: str, message: str) -> None:
    text = f"workflow: {{rules: {yaml}}}\nbuild: {{script: x}}\n"

    assert messages_of(text) == [message]


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("[{if: $A, when: never}, {exists: x}, {changes: [y]}]", []),
        ("x", ["include rules should be an array of hashes"]),
        ("[[{if: $A}]]", ["include rules should be an array of hashes"]),
        ("[{when: manual}]", ["include:rules:rule when unknown value: manual"]),
        (
            "[{variables: {A: b}}]",
            ["include:rules:rule config contains unknown keys: variables"],
        ),
    ],
)
def test_rules_of_an_include(yaml: str, messages: list[str]) -> None:
    problems = Problems()
    node = tree(f"rules: {yaml}").entries["rules"].value

    rules = decode_rules(node, "include:rules", problems, allowed=RulesOf.INCLUDE)

    assert [error.message for error in problems.errors] == messages
    assert (rules is not None and len(rules) == 3) is (not messages)


@pytest.mark.parametrize(
    ("yaml", "warned"),
    [
        ("[{when: always}]", True),
        ("[{if: $A}, [{when: manual, if: null}]]", True),
        ("[{when: never}]", False),
        ("[{when: always}, {if: $A}]", False),
        ("[{when: always, allow_failure: true}]", False),
        ("[]", False),
    ],
)
def test_warning_about_double_pipelines(yaml: str, warned: bool) -> None:
    text = job_with(f"rules: {yaml}")

    assert bool(decoded(text)[1].warnings) is warned
    assert not decoded("workflow: {rules: [{if: $A}]}\n" + text)[1].warnings


def test_condition_equals_another_of_the_same_text() -> None:
    one, two = rule_of("{if: $A}"), rule_of("{if: '$A'}")

    assert isinstance(one.condition, Condition)
    assert one == two
