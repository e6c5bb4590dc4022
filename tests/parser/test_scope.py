from __future__ import annotations

from dataclasses import replace

import pytest

from spotci.parser.compile import compile_pipeline
from spotci.parser.scope import Expanded, Layers, environment_tier
from spotci.pipeline import Environment
from spotci.source import SourceFile
from spotci.variables import Level, Variable, effective, expand_all
from tests.compiling import compile_text, job_of, pipeline_of, yaml_variables
from tests.contexts import context

LEVELS = """
variables: {ROOT: root, WORKFLOW: root, JOB: root, RULE: root, PIPELINE: root}
workflow:
  rules:
    - if: $CI
      variables: {WORKFLOW: workflow, NEW: workflow}
job:
  script: x
  variables: {JOB: job, RULE: job}
  rules:
    - if: $JOB == "job"
      variables: {RULE: rule, ADDED: rule}
"""


def test_each_level_overrides_the_lower_ones() -> None:
    job = job_of(LEVELS, variables={"PIPELINE": "pipeline"})

    assert yaml_variables(job) == {
        "ROOT": "root",
        "WORKFLOW": "workflow",
        "NEW": "workflow",
        "JOB": "job",
        "RULE": "rule",
        "ADDED": "rule",
        "PIPELINE": "root",
    }
    assert effective(job.variables)["PIPELINE"].value == "pipeline"


def test_what_is_overridden_is_still_there_with_its_origin() -> None:
    job = job_of(LEVELS)

    rule = [item for item in job.variables if item.name == "RULE"]
    assert [(item.level, item.value) for item in rule] == [
        (Level.ROOT, "root"),
        (Level.JOB, "job"),
        (Level.RULE, "rule"),
    ]
    assert {item.origin for item in rule} == {".gitlab-ci.yml"}


def test_variables_come_lowest_level_first() -> None:
    levels = [item.level for item in job_of(LEVELS, variables={"A": "a"}).variables]

    assert levels == sorted(levels)


@pytest.mark.parametrize(
    ("inherit", "expected"),
    [
        ("true", {"A": "1", "B": "2", "W": "3", "OWN": "4"}),
        ("false", {"OWN": "4"}),
        ("[A, W, NOPE]", {"A": "1", "W": "3", "OWN": "4"}),
    ],
)
def test_inherit_variables(inherit: str, expected: dict[str, str]) -> None:
    job = job_of(
        f"""
        variables: {{A: 1, B: 2}}
        workflow: {{rules: [variables: {{W: 3}}]}}
        job:
          script: x
          inherit: {{variables: {inherit}}}
          variables: {{OWN: 4}}
        """
    )

    assert yaml_variables(job) == expected


def test_the_yaml_overrides_predefined_variables_in_rules_too() -> None:
    pipeline = pipeline_of(
        """
        job:
          script: x
          variables: {CI_COMMIT_BRANCH: mine}
          rules: [if: $CI_COMMIT_BRANCH == "mine"]
        """
    )

    assert list(pipeline.jobs) == ["job"]


def test_variables_of_a_rule_are_not_seen_by_rules() -> None:
    job = job_of(
        """
        job:
          script: x
          rules:
            - {if: $A == null, variables: {A: new}}
        """
    )

    assert yaml_variables(job) == {"A": "new"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('$CI_JOB_NAME == "job"', True),
        ('$CI_JOB_STAGE == "test"', True),
        ('$CI_NODE_TOTAL == "1"', True),
        ("$CI_JOB_MANUAL", False),
        ('$CI_ENVIRONMENT_NAME == "review/main"', True),
        ('$CI_ENVIRONMENT_ACTION == "start"', True),
        ('$CI_ENVIRONMENT_TIER == "development"', True),
        ('$CI_ENVIRONMENT_URL == "https://$CI_COMMIT_REF_SLUG.test"', True),
        ("$CI_ENVIRONMENT_SLUG", False),
        ("$CI_PIPELINE_NAME", False),
        ("$CI_JOB_IMAGE", False),
        ('$RAW == "$CI_JOB_NAME"', True),
    ],
)
def test_what_rules_see(condition: str, *, expected: bool) -> None:
    compilation = compile_text(
        f"""
        workflow: {{name: a name}}
        job:
          script: x
          image: alpine
          variables: {{RAW: $CI_JOB_NAME}}
          environment:
            name: review/$CI_COMMIT_REF_NAME
            url: https://$CI_COMMIT_REF_SLUG.test
          rules: [if: '{condition}']
        """
    )

    assert (compilation.pipeline is not None) is expected


def test_workflow_rules_see_nothing_of_a_job() -> None:
    compilation = compile_text(
        """
        workflow:
          rules: [if: $CI_JOB_NAME == null && $CI_NODE_TOTAL && $ROOT && $RUN]
        variables: {ROOT: "1"}
        job: {script: x}
        """,
        variables={"RUN": "1"},
    )

    assert compilation.pipeline is not None


def test_predefined_variables_of_a_job() -> None:
    job = job_of(
        """
        workflow: {name: nightly $CI_COMMIT_BRANCH}
        "Job: one":
          script: x
          image: alpine:$VERSION
          when: manual
          environment: {name: Production}
        """,
        "Job: one",
    )

    values = {name: item.value for name, item in effective(job.variables).items()}
    assert {
        name: values[name]
        for name in values
        if name.startswith(("CI_JOB", "CI_NODE", "CI_ENVIRONMENT", "CI_PIPELINE_N"))
    } == {
        "CI_JOB_GROUP_NAME": "Job: one",
        "CI_JOB_IMAGE": "alpine:$VERSION",
        "CI_JOB_MANUAL": "true",
        "CI_JOB_NAME": "Job: one",
        "CI_JOB_NAME_SLUG": "job--one",
        "CI_JOB_STAGE": "test",
        "CI_NODE_TOTAL": "1",
        "CI_ENVIRONMENT_NAME": "Production",
        "CI_ENVIRONMENT_SLUG": values["CI_ENVIRONMENT_SLUG"],
        "CI_ENVIRONMENT_ACTION": "start",
        "CI_ENVIRONMENT_TIER": "production",
        "CI_PIPELINE_NAME": "nightly main",
    }


def test_an_environment_that_is_named_by_a_secret_is_secret() -> None:
    token = replace(variable("TOKEN", "t0p-secret", Level.PROJECT), masked=True)
    file = SourceFile(
        name=".gitlab-ci.yml", text="a: {script: x, environment: review/$TOKEN}"
    )
    pipeline = compile_pipeline(file, replace(context(), variables=(token,))).pipeline

    assert pipeline is not None
    (job,) = pipeline.jobs.values()
    masked = {item.name for item in job.variables if item.masked}
    assert masked == {"TOKEN", "CI_ENVIRONMENT_NAME", "CI_ENVIRONMENT_SLUG"}


def test_variables_can_be_scoped_to_an_environment() -> None:
    scoped = [
        ("*", variable("HOST", "any", Level.PROJECT)),
        ("review/*", variable("HOST", "review", Level.PROJECT)),
    ]
    pipeline = pipeline_of(
        """
        a: {script: x, environment: review/$CI_COMMIT_BRANCH}
        b: {script: x, environment: production}
        c: {script: x}
        d: {script: x, environment: review/a, rules: [if: $HOST == "review"]}
        """,
        scoped=scoped,
    )

    hosts = {
        str(job.name): effective(job.variables).get("HOST")
        for job in pipeline.jobs.values()
    }
    assert {name: item and item.value for name, item in hosts.items()} == {
        "a": "review",
        "b": "any",
        "c": None,
        "d": "review",
    }


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("production", "production"),
        ("prod/eu", "production"),
        ("live", "production"),
        ("staging", "staging"),
        ("stg-1", "staging"),
        ("pre-prod", "staging"),
        ("demo", "staging"),
        ("test", "testing"),
        ("qa/1", "testing"),
        ("review/a", "development"),
        ("dev", "development"),
        ("whatever", "other"),
    ],
)
def test_environment_tier(name: str, tier: str) -> None:
    assert environment_tier(Environment(name=name), name) == tier
    assert environment_tier(Environment(name=name, deployment_tier="x"), name) == "x"


def variable(name: str, value: str, level: Level = Level.JOB) -> Variable:
    return Variable(name=name, value=value, level=level)


def test_expanding_one_by_one_is_expanding_all() -> None:
    variables = [
        variable("A", "$B-$C"),
        variable("B", "$C$UNSET"),
        variable("C", "c", Level.PREDEFINED),
        variable("C", "$C+", Level.PROJECT),
        variable("LOOP", "$POOL"),
        variable("POOL", "$LOOP"),
    ]

    one_by_one = Expanded(variables[:4])

    assert dict(one_by_one) == effective(
        expand_all(variables[:4], keep_undefined=False)
    )
    assert Expanded(variables)["LOOP"].value == "$POOL"
    assert "NOPE" not in one_by_one
    assert len(one_by_one) == 3


def test_the_first_layer_that_has_a_name_wins() -> None:
    layers = Layers({"A": "1"}, {"A": "2", "B": "3"})

    assert dict(layers) == {"A": "1", "B": "3"}
    assert len(layers) == 2
    assert "C" not in layers


def test_jobs_of_one_environment_share_its_variables() -> None:
    scoped = [("a", variable("HOST", "a", Level.PROJECT))]
    pipeline = pipeline_of(
        """
        one: {script: x, environment: a}
        two: {script: x, environment: a}
        """,
        scoped=scoped,
    )

    assert [
        effective(job.variables)["HOST"].value for job in pipeline.jobs.values()
    ] == ["a", "a"]
