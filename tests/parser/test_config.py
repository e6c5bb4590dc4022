from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.errors import ConfigError
from spotci.parser.config import decode
from spotci.parser.problems import Problems
from spotci.variables import Level
from tests.trees import decoded, errors_of, messages_of, tree

if TYPE_CHECKING:
    from spotci.parser.nodes import Mapping

IMPLEMENT = "config should implement the script:, run:, or trigger: keyword"
NO_JOB = "jobs config should contain at least one visible job"


def test_small_configuration() -> None:
    config, problems = decoded(
        "stages: [build]\nvariables: {A: 1}\nmake: {stage: build, script: make}\n"
    )

    assert problems.errors == []
    assert config.stages == (".pre", "build", ".post")
    assert [(v.name, v.value, v.level) for v in config.variables] == [
        ("A", "1", Level.ROOT)
    ]
    assert list(config.jobs) == ["make"]
    assert config.jobs["make"].job.script == ("make",)


def test_defaults_of_gitlab_hold_where_nothing_is_written() -> None:
    config, _ = decoded("make: {script: make}\n")

    assert config.stages == (".pre", "build", "test", "deploy", ".post")
    assert config.workflow.rules is None
    assert config.jobs["make"].job.stage == "test"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param(".hidden: {script: x}\n", [NO_JOB], id="only hidden jobs"),
        pytest.param(
            "extra: bundle update\n", [f"jobs extra {IMPLEMENT}", NO_JOB], id="text"
        ),
        pytest.param(
            "rspec: {}\nb: {script: x}\n", [f"jobs rspec {IMPLEMENT}"], id="{}"
        ),
        pytest.param(
            "rspec:\nb: {script: x}\n", [f"jobs rspec {IMPLEMENT}"], id="null"
        ),
        pytest.param(
            ".x: {}\nb: {script: x}\n",
            ["jobs:.x config can't be blank"],
            id="hidden {}",
        ),
        pytest.param(".x: [1]\nb: {script: x}\n", [], id="hidden list"),
        pytest.param("10: {script: x}\n", ["jobs:10 name should be a symbol"], id="10"),
        pytest.param(
            "true: {script: x}\n", ["jobs:true name should be a symbol"], id="true"
        ),
        pytest.param("' ': {script: x}\n", ["jobs:  name can't be blank"], id="space"),
        pytest.param('"": {script: x}\n', ["jobs:job name can't be blank"], id="blank"),
        pytest.param(
            f"? {'a' * 256}\n: {{script: x}}\n",
            [f"jobs:{'a' * 256} name is too long (maximum is 255 characters)"],
            id="long name",
        ),
        pytest.param(
            "default: 1\nworkflow: 1\nstages: 1\nvariables: 1\nb: {script: x}\n",
            [
                "workflow config should be a hash",
                "default config should be a hash",
                (
                    "stages config should be an array of strings or a nested array of"
                    " strings up to 10 levels deep"
                ),
                "variables config should be a hash",
            ],
            id="global keywords of the wrong type",
        ),
        pytest.param(
            "default:\nworkflow:\nstages:\nvariables:\nimage:\nb: {script: x}\n",
            [],
            id="global keywords that are null",
        ),
        pytest.param("default: {script: x}\n", [], id="default that is a job"),
        pytest.param("workflow: {trigger: a/b}\n", [], id="workflow that is a job"),
        pytest.param("pages: {script: x}\n", [], id="pages is a job"),
    ],
)
def test_top_level(text: str, messages: list[str]) -> None:
    assert sorted(messages_of(text)) == sorted(messages)


def test_all_errors_come_at_once_with_their_places() -> None:
    text = """\
rspec:
  script: test
  bad_tags: mysql
  rules:
    wrong: format
  tags: ruby
"""

    assert errors_of(text) == [
        """\
.gitlab-ci.yml:3:3: error: jobs:rspec config contains unknown keys: bad_tags
    3 |   bad_tags: mysql
      |   ^^^^^^^^
hint: did you mean "tags"?""",
        """\
.gitlab-ci.yml:6:9: error: jobs:rspec:tags config should be an array of strings
    6 |   tags: ruby
      |         ^^^^
hint: write it as a list: [ruby]""",
        """\
.gitlab-ci.yml:5:5: error: jobs:rspec rules should be an array containing hashes \
and arrays of hashes
    5 |     wrong: format
      |     ^""",
    ]


def test_misspelled_keyword_of_a_job_that_is_none() -> None:
    assert errors_of("make:\n  scirpt: make\ntest: {script: x}\n") == [
        """\
.gitlab-ci.yml:1:1: error: jobs make config should implement the script:, run:, \
or trigger: keyword
    1 | make:
      | ^^^^
hint: did you mean "script"?"""
    ]


def test_misspelled_global_keyword() -> None:
    assert errors_of("stage: [a]\ntest: {script: x}\n") == [
        """\
.gitlab-ci.yml:1:1: error: jobs stage config should implement the script:, run:, \
or trigger: keyword
    1 | stage: [a]
      | ^^^^^
hint: did you mean "stages"?"""
    ]


def test_unquoted_colon_in_a_script() -> None:
    assert errors_of("make:\n  script:\n    - echo a: b\n") == [
        """\
.gitlab-ci.yml:3:7: error: jobs:make:script config should be a string or a nested \
array of strings up to 10 levels deep
    3 |     - echo a: b
      |       ^
hint: quote the whole line: the ": " in it makes a mapping of it"""
    ]


def test_resolved_is_the_tree_without_places() -> None:
    config, _ = decoded(".x: [1, yes]\nmake: {script: make, variables: {1: null}}\n")

    assert config.resolved == {
        ".x": [1, True],
        "make": {"script": "make", "variables": {1: None}},
    }


def test_jobs_know_where_their_keys_stand() -> None:
    config, _ = decoded("default:\n  image: a\nmake:\n  script: make\n")

    spans = config.jobs["make"].spans

    assert {key: str(span) for key, span in spans.items()} == {
        "script": ".gitlab-ci.yml:4:3",
        "image": ".gitlab-ci.yml:2:3",
    }
    assert str(config.jobs["make"].job.span) == ".gitlab-ci.yml:3:1"


def test_timeout_of_default_reaches_the_job() -> None:
    config, _ = decoded("default: {timeout: 1h 30m}\nmake: {script: make}\n")

    assert config.jobs["make"].job.timeout == timedelta(minutes=90)


def test_warnings_are_part_of_the_configuration() -> None:
    config, problems = decoded("make: {script: make, rules: [{when: always}]}\n")

    assert list(config.warnings) == problems.warnings
    assert [warning.message for warning in config.warnings] == [
        (
            "jobs:make may allow multiple pipelines to run for a single action due to"
            " `rules:when` clause with no `workflow:rules`"
        )
    ]


def test_decoding_is_linear_in_the_jobs() -> None:
    job = "job{0}:\n  script: [a, b]\n  rules: [{{if: $A}}, {{changes: [x]}}]\n"
    small = tree("".join(job.format(number) for number in range(100)))
    large = tree("".join(job.format(number) for number in range(800)))

    ratio = _fastest(large) / _fastest(small)

    # Eight times the jobs; the rest is room for a busy machine.
    assert ratio < 24


def _fastest(root: Mapping) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        decode(root, Problems())
        times.append(time.process_time() - start)
    return min(times)


KEYS = st.sampled_from(
    (
        *("default", "workflow", "variables", "image", "stages", "cache", "job"),
        *("script", "rules", "needs", "artifacts", "parallel", "trigger", "retry"),
        *("environment", "only", "secrets", "run", "inputs", "release", "services"),
        *("when", "if", "paths", "name", "matrix", "key", "reports", ".x"),
    )
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=6), max_size=4))
def test_any_tree_gives_a_configuration_and_errors(value: dict[str, object]) -> None:
    problems = Problems()

    config = decode(_as_tree(value), problems)

    assert config.stages
    assert all(isinstance(error, ConfigError) for error in problems.errors)
    assert all(error.span is not None for error in problems.errors)


def _as_tree(value: dict[str, object]) -> Mapping:
    # JSON is YAML, so the tree gets its places from a text.
    text = _json(value)
    return tree(text)


def _json(value: object) -> str:
    match value:
        case dict():
            pairs = (f"{_quoted(key)}: {_json(item)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(_json, value)) + "]"
        case str():
            return _quoted(value)
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.3f}" if abs(value) < 1e9 else "1.5"
        case _:
            return str(value)


def _quoted(text: object) -> str:
    return "'" + "".join(c for c in str(text) if c.isalnum() or c in "$/.* ") + "'"
