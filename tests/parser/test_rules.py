from __future__ import annotations

import pytest

from spotci.parser.expression import parse
from spotci.parser.files import MAX_COMPARISONS, RepositoryFiles, RuleError
from spotci.parser.model import Changes, Condition, Exists, Rule
from spotci.parser.rules import RuleScope, match_rules
from spotci.pipeline import When
from spotci.source import SourceFile, Span
from spotci.variables import Level, Variable, effective
from tests.contexts import FakeRepository

SPAN = Span(file=SourceFile(name="a.yml", text=""), line=1, column=1, end_column=2)


def when(text: str) -> Condition:
    return Condition(text=text, expression=parse(text), span=SPAN)


def scope(
    repository: FakeRepository | None = None, *, full: bool = False, **values: str
) -> RuleScope:
    variables = [
        Variable(name=name, value=value, level=Level.PROJECT, masked=name == "TOKEN")
        for name, value in values.items()
    ]
    return RuleScope.of(
        effective(variables),
        repository or FakeRepository(),
        changes_always_true=full,
    )


def test_the_first_rule_that_matches_decides() -> None:
    rules = [
        Rule(condition=when('$A == "no"')),
        Rule(condition=when('$A == "yes"'), when=When.MANUAL),
        Rule(),
    ]

    match = match_rules(rules, scope(A="yes"))

    assert (match.rule, match.index, match.passes) == (rules[1], 1, True)
    assert [trace.matched for trace in match.traces] == [False, True]


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([], id="no rules"),
        pytest.param([Rule(condition=when("$A"))], id="no match"),
        pytest.param([Rule(when=When.NEVER), Rule()], id="never"),
    ],
)
def test_what_does_not_pass(rules: list[Rule]) -> None:
    assert not match_rules(rules, scope()).passes


def test_all_clauses_must_hold_and_are_traced_up_to_the_first_that_fails() -> None:
    rule = Rule(
        condition=when("$A"),
        changes=Changes(paths=("*.md",)),
        exists=Exists(paths=("Dockerfile",)),
    )

    match = match_rules([rule], scope(FakeRepository(changed=["a.py"]), A="x"))

    assert match.traces[0].clauses == (
        ("if", '$A ("x")', True),
        ("changes", "no changed file matches *.md", False),
    )


def test_no_trace_shows_a_secret() -> None:
    match = match_rules([Rule(condition=when("$TOKEN"))], scope(TOKEN="s3cret"))

    assert match.traces[0].clauses == (("if", '$TOKEN ("[MASKED]")', True),)


@pytest.mark.parametrize(
    ("changed", "expected", "detail"),
    [
        pytest.param(None, True, "the changed files are not known", id="not known"),
        pytest.param([], False, "no file has changed", id="nothing changed"),
        pytest.param(["docs/a.md"], True, "docs/a.md matches docs/*", id="match"),
        pytest.param(["a.md"], False, "no changed file matches docs/*", id="no match"),
    ],
)
def test_changes(changed: list[str] | None, detail: str, *, expected: bool) -> None:
    rules = [Rule(changes=Changes(paths=("docs/*",)))]

    match = match_rules(rules, scope(FakeRepository(changed=changed)))

    assert match.traces[0].clauses == (("changes", detail, expected),)


def test_full_makes_every_changes_clause_hold() -> None:
    rules = [Rule(changes=Changes(paths=("docs/*",), compare_to="no-such-ref"))]

    assert match_rules(rules, scope(FakeRepository(changed=[]), full=True)).passes


def test_compare_to_and_paths_expand_variables() -> None:
    rules = [Rule(changes=Changes(paths=("$DIR/*",), compare_to="${PREFIX}1"))]
    repository = FakeRepository(changed=[], changed_by_base={"feature_1": ["src/a"]})

    assert match_rules(rules, scope(repository, DIR="src", PREFIX="feature_")).passes


def test_compare_to_that_is_no_ref_cannot_be_decided() -> None:
    rules = [Rule(changes=Changes(paths=("*",), compare_to="$UNSET"))]

    with pytest.raises(RuleError) as caught:
        match_rules(rules, scope())

    assert caught.value.message == "rules:changes:compare_to is not a valid ref"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        pytest.param(("Dockerfile",), True, id="exact"),
        pytest.param(("README.md",), False, id="exact in a folder"),
        pytest.param(("*.md",), False, id="top level only"),
        pytest.param(("**/*.md",), True, id="suffix anywhere"),
        pytest.param(("**/*.rs",), False, id="no such suffix"),
        pytest.param(("docs/*.md",), True, id="glob"),
        pytest.param(("src", "docs"), False, id="folders do not count"),
        pytest.param(("$FILE",), True, id="variable"),
        pytest.param(("$UNSET",), False, id="undefined stays as text"),
        pytest.param((), False, id="no pattern"),
    ],
)
def test_exists(patterns: tuple[str, ...], *, expected: bool) -> None:
    rules = [Rule(exists=Exists(paths=patterns))]
    repository = FakeRepository(paths=["Dockerfile", "docs/README.md"])

    match = match_rules(rules, scope(repository, FILE="docs/README.md"))

    assert match.passes is expected


def test_exists_in_another_project() -> None:
    rules = [Rule(exists=Exists(paths=("a",), project="$GROUP/other", ref="v1"))]
    repository = FakeRepository(paths=[], projects={"g/other@v1": ["a"]})

    assert match_rules(rules, scope(repository, GROUP="g")).passes


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        (None, "rules:exists:project `g/p` is not a valid project path"),
        ("v1", "rules:exists:ref `v1` is not a valid ref in project `g/p`"),
    ],
)
def test_exists_in_a_project_that_cannot_be_read(ref: str | None, message: str) -> None:
    rules = [Rule(exists=Exists(paths=("a",), project="g/p", ref=ref))]

    with pytest.raises(RuleError) as caught:
        match_rules(rules, scope())

    assert caught.value.message == message


def test_too_many_comparisons_hold() -> None:
    many = [f"file{number}" for number in range(MAX_COMPARISONS // 2 + 1)]
    files = RepositoryFiles(FakeRepository(paths=many, changed=many))

    assert files.changed(("a*", "b*"), None).holds
    assert files.exists(("a*", "b*"), None, None).holds
    assert not files.exists(("a*", "b"), None, None).holds


def test_a_pattern_with_too_many_alternatives_holds() -> None:
    files = RepositoryFiles(FakeRepository(changed=["x"]))

    assert files.changed(("{a,b}" * 12,), None).holds


def test_scopes_share_what_they_asked_the_repository() -> None:
    class CountingRepository(FakeRepository):
        asked = 0

        def changed_files(self, compare_to: str | None = None) -> list[str]:
            del compare_to
            CountingRepository.asked += 1
            return ["a"]

    files = RepositoryFiles(CountingRepository())
    rules = [Rule(changes=Changes(paths=("b",)))]

    for _ in range(3):
        match_rules(rules, RuleScope.of({}, files))

    assert CountingRepository.asked == 1
