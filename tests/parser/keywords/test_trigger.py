from __future__ import annotations

import pytest

from spotci.pipeline import Trigger, TriggerForward, TriggerStrategy
from tests.trees import decoded, errors_of, messages_of


def bridge(yaml: str) -> str:
    return f"b:\n  trigger: {yaml}\n"


@pytest.mark.parametrize(
    ("yaml", "trigger"),
    [
        ("g/p", Trigger(project="g/p")),
        (
            "{project: g/p, branch: main, strategy: depend, inputs: {a: 1}}",
            Trigger(
                project="g/p",
                branch="main",
                strategy=TriggerStrategy.DEPEND,
                inputs={"a": 1},
            ),
        ),
        (
            (
                "{project: g/p, forward:"
                " {yaml_variables: false, pipeline_variables: true}}"
            ),
            Trigger(
                project="g/p",
                forward=TriggerForward(yaml_variables=False, pipeline_variables=True),
            ),
        ),
        ("{include: a.yml}", Trigger(include=({"local": "a.yml"},))),
        (
            "{include: 'https://x/a.yml'}",
            Trigger(include=({"remote": "https://x/a.yml"},)),
        ),
        (
            "{include: [{local: a.yml, inputs: {b: c}}, b.yml], strategy: mirror}",
            Trigger(
                include=({"local": "a.yml", "inputs": {"b": "c"}}, {"local": "b.yml"}),
                strategy=TriggerStrategy.MIRROR,
            ),
        ),
        (
            "{include: [{artifact: a.yml, job: j}]}",
            Trigger(include=({"artifact": "a.yml", "job": "j"},)),
        ),
    ],
)
def test_trigger(yaml: str, trigger: Trigger) -> None:
    config, problems = decoded(bridge(yaml))

    assert problems.errors == []
    assert config.jobs["b"].job.trigger == trigger
    assert config.jobs["b"].job.is_bridge


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("''", [" config can't be blank"]),
        ("{}", [" config can't be blank"]),
        ("1", [" has to be either a string or a hash"]),
        ("[a]", [" has to be either a string or a hash"]),
        ("{branch: main}", [" project can't be blank"]),
        ("{project: ''}", [" project can't be blank"]),
        ("{project: true}", [" project should be a string"]),
        ("{project: g/p, branch: 1}", [" branch should be a string"]),
        ("{project: g/p, unknown: 1}", [" config contains unknown keys: unknown"]),
        (
            "{project: g/p, strategy: no}",
            [
                " strategy should be a string",
                " strategy should be depend or mirror",
            ],
        ),
        ("{project: g/p, strategy: x}", [" strategy should be depend or mirror"]),
        ("{project: g/p, inputs: [a]}", [" inputs should be a hash"]),
        ("{project: g/p, forward: x}", [":forward config should be a hash"]),
        (
            "{project: g/p, forward: {foo: true}}",
            [":forward config contains unknown keys: foo"],
        ),
        (
            "{project: g/p, forward: {yaml_variables: x}}",
            [":forward yaml variables should be a boolean value"],
        ),
        (
            "{include: a.yml, project: g/p}",
            [" config contains unknown keys: project"],
        ),
        (
            "{include: {local: a.yml}}",
            [":include config should be an array or a string"],
        ),
        (
            "{include: [a, b, c, d]}",
            [":include config is too long (maximum is 3)"],
        ),
        ("{include: [1]}", [":include:include config should be a hash or a string"]),
        (
            "{include: [{local: a.yml, foo: 1}]}",
            [":include:include config contains unknown keys: foo"],
        ),
        (
            "{include: [{project: g/p}]}",
            [
                (
                    ":include:include config must specify the file where to fetch"
                    " the config from"
                )
            ],
        ),
        (
            "{include: [{file: a.yml}]}",
            [
                (
                    ":include:include config must specify the project where to fetch"
                    " the config from"
                )
            ],
        ),
        (
            "{include: [{artifact: a.yml}]}",
            [
                (
                    ":include:include config must specify the job where to fetch the"
                    " artifact from"
                )
            ],
        ),
        (
            "{include: [{}]}",
            [":include:include config does not have a valid subkey for include"],
        ),
        (
            "{include: [{local: a, remote: b}]}",
            [
                (
                    ":include:include config each include must use only one of: local,"
                    " remote"
                )
            ],
        ),
        (
            "{include: [{local: a, integrity: md5-x}]}",
            [
                (
                    ":include:include config integrity can only be specified for remote"
                    " includes"
                ),
                ":include:include config integrity hash must start with 'sha256-'",
            ],
        ),
        (
            "{include: [{remote: 'https://a', integrity: sha256-x}]}",
            [":include:include config integrity hash must be base64 encoded"],
        ),
    ],
)
def test_wrong_trigger(yaml: str, messages: list[str]) -> None:
    assert messages_of(bridge(yaml)) == [f"jobs:b:trigger{text}" for text in messages]


def test_null_leads_nowhere() -> None:
    assert messages_of("b: {trigger: null}\n") == [
        "jobs:b config should contain either a trigger or a needs:pipeline"
    ]


@pytest.mark.parametrize(
    "key", ["image: a", "cache: {}", "services: []", "tags: [a]", "artifacts: {}"]
)
def test_keys_of_other_jobs(key: str) -> None:
    name = key.partition(":")[0]

    assert errors_of(f"b:\n  trigger: g/p\n  {key}\n") == [
        f"""\
.gitlab-ci.yml:3:3: error: jobs:b config contains unknown keys: {name}
    3 |   {key}
      |   {"^" * len(name)}
hint: a job with trigger runs nothing itself and does not take this key"""
    ]


def test_keys_that_a_bridge_takes() -> None:
    assert (
        messages_of(
            """\
b:
  trigger: g/p
  allow_failure: true
  environment: a
  extends: .x
  inherit: {}
  interruptible: true
  manual_confirmation: sure?
  needs: [a]
  resource_group: r
  rules: [{if: $A}]
  stage: test
  variables: {A: b}
  when: manual
"""
        )
        == []
    )


@pytest.mark.parametrize("when", ["delayed", "never", "sometimes"])
def test_when_of_a_bridge(when: str) -> None:
    assert messages_of(f"b: {{trigger: g/p, when: {when}}}\n") == [
        "jobs:b when should be one of: on_success, on_failure, always, manual"
    ]


def test_script_and_trigger() -> None:
    assert messages_of("b: {trigger: g/p, script: x}\n") == [
        "jobs:b config contains unknown keys: trigger",
        "jobs:b config these keys cannot be used together: trigger, script",
    ]


def test_two_pipelines_to_mirror() -> None:
    assert messages_of("b: {needs: [{pipeline: a/b}, {pipeline: c/d}]}\n") == [
        "jobs:b config should contain at most one bridge need"
    ]


def test_needs_alone_make_no_job() -> None:
    assert messages_of("b: {needs: [a]}\n") == [
        "jobs:b config should contain either a trigger or a needs:pipeline"
    ]


@pytest.mark.parametrize("path", ["alone", "/g/p", "g/p/", "/alone"])
@pytest.mark.parametrize("form", ["{}", "{{project: {}}}"])
def test_what_is_no_path_of_a_project_is_doubted(path: str, form: str) -> None:
    _, problems = decoded(bridge(form.format(path)))

    assert problems.errors == []
    (warning,) = problems.warnings
    assert warning.message == (
        f"jobs:b:trigger `{path}` is not the path of a project: the job would fail, as"
        " GitLab finds no such project"
    )


@pytest.mark.parametrize("path", ["g/p", "g/h/p", "$PROJECT", "g-$X"])
def test_paths_that_may_be_right_are_not_doubted(path: str) -> None:
    _, problems = decoded(bridge(path))

    assert problems.warnings == []
