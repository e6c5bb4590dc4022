from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.executor.downstream import forwarded
from spotci.pipeline import Trigger, TriggerForward
from spotci.variables import Level
from tests.builders import job, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL = TriggerForward(yaml_variables=True, pipeline_variables=True)
NOTHING = TriggerForward(yaml_variables=False)
PIPELINE_ONLY = TriggerForward(yaml_variables=False, pipeline_variables=True)
GIVEN = (
    variable("ROOT", "root", Level.ROOT),
    variable("BOTH", "yaml", Level.JOB),
    variable("BOTH", "given", Level.PIPELINE),
    variable("GIVEN", "given", Level.PIPELINE),
    variable("SETTING", "set", Level.PROJECT),
    variable("CI_COMMIT_BRANCH", "main", Level.PREDEFINED),
)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        pytest.param(
            TriggerForward(), {"ROOT": "root", "BOTH": "yaml"}, id="yaml-by-default"
        ),
        pytest.param(NOTHING, {}, id="nothing"),
        pytest.param(
            PIPELINE_ONLY,
            {"DOTENV": "env", "BOTH": "given", "GIVEN": "given"},
            id="pipeline-brings-dotenv",
        ),
        pytest.param(
            ALL,
            {"ROOT": "root", "BOTH": "given", "DOTENV": "env", "GIVEN": "given"},
            id="pipeline-over-yaml",
        ),
    ],
)
def test_what_is_forwarded(
    forward: TriggerForward, expected: Mapping[str, str]
) -> None:
    dotenv = [variable("DOTENV", "env", Level.DOTENV)]
    trigger = Trigger(include=({"local": "a.yml"},), forward=forward)

    found = forwarded(job("b"), trigger, GIVEN, dotenv)

    assert {item.name: item.value for item in found} == expected
    assert {item.level for item in found} <= {Level.PIPELINE}


@pytest.mark.parametrize(
    ("value", "expand", "expected"),
    [
        ("$CI_PIPELINE_ID", True, "77"),
        ("a-${OTHER}", True, "a-b"),
        ("$UNKNOWN", True, "$UNKNOWN"),
        ("$OTHER", False, "$OTHER"),
    ],
)
def test_values_are_expanded_among_those_of_the_bridge(
    value: str, expand: bool, expected: str
) -> None:
    others = [
        variable("CI_PIPELINE_ID", "77", Level.PREDEFINED),
        variable("OTHER", "b", Level.PROJECT),
        variable("X", value, expand=expand),
    ]

    (found,) = forwarded(job("b"), Trigger(include=({"local": "a"},)), others, ())

    assert (found.value, found.expand) == (expected, expand)


def test_a_value_made_with_a_secret_is_one() -> None:
    others = [
        variable("TOKEN", "s3cret", Level.PROJECT, masked=True),
        variable("URL", "https://$TOKEN@x"),
    ]

    (found,) = forwarded(job("b"), Trigger(include=({"local": "a"},)), others, ())

    assert found.masked
