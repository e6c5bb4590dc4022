from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.variables import (
    Level,
    Variable,
    effective,
    expand,
    expand_all,
    expand_runner,
    find_cycle,
    references,
)


def variable(name: str, value: str, level: Level = Level.PROJECT) -> Variable:
    return Variable(name=name, value=value, level=level)


def raw(name: str, value: str) -> Variable:
    return Variable(name=name, value=value, level=Level.PROJECT, expand=False)


def file(name: str, value: str) -> Variable:
    return Variable(name=name, value=value, level=Level.PROJECT, file=True)


def values(variables: tuple[Variable, ...]) -> list[tuple[str, str]]:
    return [(item.name, item.value) for item in variables]


def test_the_higher_level_wins_wherever_it_stands() -> None:
    variables = [
        variable("A", "pipeline", Level.PIPELINE),
        variable("A", "job", Level.JOB),
        variable("A", "predefined", Level.PREDEFINED),
        variable("B", "first", Level.JOB),
        variable("B", "second", Level.JOB),
    ]

    winners = effective(variables)

    assert winners["A"].value == "pipeline"
    assert winners["B"].value == "second"


@pytest.mark.parametrize(
    ("value", "kept", "dropped"),
    [
        ("plain", "plain", "plain"),
        ("$A", "a", "a"),
        ("${A}", "a", "a"),
        ("%A%", "a", "a"),
        ("x$A-${A}x", "xa-ax", "xa-ax"),
        ("$AB", "$AB", ""),
        ("%AB%%A%", "%AB%a", "a"),
        ("$$A", "$$A", "$$A"),
        ("%%A%%", "%%A%%", "%%A%%"),
        ("$1", "$1", "$1"),
        ("${}", "${}", "${}"),
        ("$", "$", "$"),
        ("$A$UNSET", "a$UNSET", "a"),
        ("$NESTED", "$A", "$A"),
    ],
)
def test_expand_is_one_pass(value: str, kept: str, dropped: str) -> None:
    known = effective([variable("A", "a"), variable("NESTED", "$A")])

    assert expand(value, known, keep_undefined=True) == kept
    assert expand(value, known, keep_undefined=False) == dropped


def test_references_to_files_and_raw_variables_can_stay() -> None:
    known = effective([file("F", "content"), raw("R", "$A")])

    assert expand("$F ${R}", known, keep_undefined=False) == "content $A"
    assert (
        expand(
            "$F ${R}",
            known,
            keep_undefined=False,
            expand_file_refs=False,
            expand_raw_refs=False,
        )
        == "$F ${R}"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$A ${A} $$A $$$A", "a a $A $a"),
        ("$UNSET|${UNSET}|", "||"),
        ("$1 $* $# $@ $! $? $-", "      "),
        ("${1}${*}", ""),
        ("${}", ""),
        ("${A", "A"),
        ("$", "$"),
        ("100%A%", "100%A%"),
        ("$A-b", "a-b"),
        ("$. x", "$. x"),
    ],
)
def test_the_runner_expands_as_go_does(value: str, expected: str) -> None:
    assert expand_runner(value, {"A": "a"}) == expected


def test_expand_all_is_recursive_and_in_order_of_dependency() -> None:
    expanded = expand_all(
        [variable("C", "$B!"), variable("B", "${A}b"), variable("A", "a")],
        keep_undefined=False,
    )

    assert values(expanded) == [("A", "a"), ("B", "ab"), ("C", "ab!")]


def test_raw_variables_are_not_expanded_but_referred_to() -> None:
    variables = [variable("A", "a"), raw("R", "$A"), variable("C", "$R")]

    assert values(expand_all(variables, keep_undefined=False)) == [
        ("A", "a"),
        ("R", "$A"),
        ("C", "$A"),
    ]
    assert values(
        expand_all(variables, keep_undefined=False, expand_raw_refs=False)
    ) == [("A", "a"), ("R", "$A"), ("C", "$R")]


def test_a_variable_that_names_itself_takes_the_lower_level() -> None:
    lower = variable("PATH", "/bin", Level.PREDEFINED)
    higher = variable("PATH", "/opt:$PATH", Level.JOB)

    expanded = effective(expand_all([higher, lower], keep_undefined=True))

    assert expanded["PATH"].value == "/opt:/bin"
    assert find_cycle([higher, lower]) is None


def test_a_variable_that_names_only_itself_stays() -> None:
    variables = [variable("A", "$A-x")]

    assert values(expand_all(variables, keep_undefined=True)) == [("A", "$A-x")]
    assert values(expand_all(variables, keep_undefined=False)) == [("A", "-x")]


def test_of_the_levels_of_the_yaml_only_the_last_counts() -> None:
    variables = [variable("A", "1", Level.ROOT), variable("A", "$A-x", Level.JOB)]

    assert values(expand_all(variables, keep_undefined=True)) == [("A", "$A-x")]


def test_a_cycle_leaves_all_as_they_were() -> None:
    variables = [variable("A", "$B"), variable("B", "$A"), variable("C", "$A")]

    assert values(expand_all(variables, keep_undefined=False)) == values(
        tuple(variables)
    )
    assert find_cycle(variables) == ("A", "B")


def test_the_same_variable_twice_is_no_cycle() -> None:
    twice = [variable("A", "$A-x"), variable("A", "$A-x")]

    assert find_cycle(twice) is None


def test_a_chain_longer_than_the_stack_is_expanded() -> None:
    chain = [variable(f"V{number}", f"$V{number + 1}") for number in range(5000)]

    expanded = effective(
        expand_all([*chain, variable("V5000", "end")], keep_undefined=False)
    )

    assert expanded["V0"].value == "end"


def test_references() -> None:
    assert references("$A ${B} %C% $$D %%E%% ${}") == ("A", "B", "C")


def test_the_value_of_a_secret_is_in_no_repr() -> None:
    secret = Variable(name="TOKEN", value="s3cret", masked=True)

    assert repr(secret) == "Variable(TOKEN='[MASKED]', JOB)"


names = st.sampled_from("ABCDE")
references_to = names.map(lambda name: f"${name}")
variable_lists = st.lists(
    st.builds(
        variable,
        names,
        st.lists(st.one_of(references_to, st.text("xy$%", max_size=3))).map("".join),
        st.sampled_from([Level.PREDEFINED, Level.JOB, Level.PROJECT]),
    ),
    max_size=8,
)


@pytest.mark.property
@given(variable_lists)
def test_expansion_ends_and_keeps_names(variables: list[Variable]) -> None:
    expanded = expand_all(variables, keep_undefined=True)

    assert {item.name for item in expanded} == {item.name for item in variables}


@pytest.mark.property
@given(variable_lists)
def test_expanding_values_without_cycle_leaves_only_undefined_names(
    variables: list[Variable],
) -> None:
    if find_cycle(variables) is None:
        expanded = expand_all(variables, keep_undefined=False)
        known = {item.name for item in variables}
        for item in expanded:
            leftover = set(references(item.value)) & known
            # Two pieces may make a new reference between them: it is not followed.
            assert not leftover or "$" in "".join(other.value for other in variables)
