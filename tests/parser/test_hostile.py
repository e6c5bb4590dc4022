"""Configurations made of GitLab's own words with wrong values never break the parser.

Whatever stands where, the answer is a pipeline or errors with places, and comes soon.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from spotci.context import MergeRequest
from spotci.errors import ConfigError
from spotci.parser.compile import check, compile_pipeline
from spotci.parser.keywords.support import KEYWORDS
from spotci.source import SourceFile
from tests.contexts import FakeReader, FakeRepository, context

if TYPE_CHECKING:
    from spotci.context import Context

#: Seconds for one small configuration, on a machine that has other work, too.
BUDGET = 10.0

NAMES = ("a", "b", "c: [x]", "a 1/2", ".h", "pages", "default", "workflow", "", "~")
WORDS = sorted(
    {
        *(word for path in KEYWORDS for word in path.split(":")),
        *("extends", "<<", "matrix", "job", "pipeline", "project", "ref", "file"),
        *("local", "remote", "template", "component", "artifact", "name", "url"),
        *("paths", "key", "files", "prefix", "if", "changes", "exists", "compare_to"),
        *("refs", "max", "value", "description", "expand", "options", "aud", "links"),
        *("strategy", "forward", "default", "type", "regex", "user", "namespace"),
        *("stages", "include", "action", "on_stop", "deployment_tier", "assets"),
        *("yaml_variables", "entrypoint", "command", "alias", "fallback_keys", "A"),
    }
)
TEXTS = (
    *("", " ", "a", "b", ".h", "build", ".pre", "nope", "never", "manual", "always"),
    *("delayed", "on_failure", "1 day", "1:2", "$A", "${A}", "%A%", "$$", "$A/$B"),
    *("/x/", "/(/", "/a.*b/i", "$A == 'b'", "$A =~ /b/", "!$A", "*", "**/*", "{a,b}"),
    *("a/b", "/", "../x", "a.yml", "https://x/y.yml", "x@y", "depend", "branches"),
    *("$[[ inputs.a ]]", "$[[ inputs.a | truncate(0,1) ]]", "$[[ matrix.A ]]", "$[["),
    *("${{ job.inputs.a }}", "x" * 300, "é", "1", "yes", "null", "~", "- a", "a: b"),
)


@dataclass(frozen=True)
class Reference:
    """``!reference [...]``, or the tag before something else."""

    argument: Any


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 60)
    | st.sampled_from([10**30, 1.5, -0.0, float("inf"), float("nan")])
    | st.sampled_from(TEXTS)
)
references = st.lists(st.sampled_from([*NAMES, *WORDS]), max_size=3).map(Reference)
keys = st.sampled_from(WORDS) | st.sampled_from([*NAMES, 1, True, None, 1.5])
values = st.recursive(
    scalars | references,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=4)
        | inner.map(Reference)
    ),
    max_leaves=8,
)
jobs = st.dictionaries(st.sampled_from(WORDS), values, max_size=5).flatmap(
    lambda job: st.sampled_from(
        [job, {"script": "x", **job}, {"trigger": "g/p", **job}]
    )
)
documents = st.dictionaries(
    st.sampled_from([*NAMES, *WORDS]), jobs | values, min_size=1, max_size=5
)
headers = st.fixed_dictionaries(
    {"spec": values | st.fixed_dictionaries({"inputs": values | documents})}
)
contexts = st.sampled_from(
    [
        {"branch": "main"},
        {"tag": "v1"},
        {"source": "schedule"},
        {
            "merge_request": MergeRequest(source_branch="a", target_branch="b"),
            "repository": FakeRepository(paths=("a", "b/c"), changed=("a",)),
        },
    ]
)


MATRIX = {"matrix": [{"A": ["x", "y"]}]}
#: Values with which a job is mostly right, so that rules and graphs have work to do.
PLAUSIBLE: dict[str, list[Any]] = {
    "extends": [".h", [".h", "a"], "d"],
    "stage": ["build", "test", ".pre", ".post"],
    "when": ["manual", "always", "on_failure", "on_success"],
    "allow_failure": [True, {"exit_codes": [1, 2]}],
    "needs": [
        *([], ["a"], ["a", "d"], ["c: [x]"], [{"job": "b", "optional": True}]),
        [{"job": "c", "parallel": MATRIX}],
        [{"job": "c", "parallel": {"matrix": [{"A": "$[[ matrix.A ]]"}]}}],
    ],
    "dependencies": [[], ["a"], ["c"]],
    "parallel": [1, 3, MATRIX, {"matrix": [{"A": ["x"], "B": [1, 2]}, {"A": "z"}]}],
    "variables": [{}, {"A": "b"}, {"A": "$B", "B": "$A"}, {"B": {"value": "$A"}}],
    "rules": [
        *([], [{}], None, [{"when": "never"}], [{"if": "$A == 'b'", "needs": ["a"]}]),
        [{"if": "$CI_COMMIT_TAG"}, [{"when": "manual", "allow_failure": True}]],
        [{"changes": ["a"], "variables": {"A": "c"}}, {"exists": "**/c"}],
        [{"changes": {"paths": ["$A"], "compare_to": "main"}}],
        [{"if": "$CI_MERGE_REQUEST_IID", "when": "delayed", "start_in": "1 day"}],
    ],
    "only": [["branches"], {"variables": ["$A"]}, ["/^m/"], {"changes": ["a"]}],
    "except": [["tags"], {"refs": ["merge_requests"]}],
    "environment": ["e/$A", {"name": "e", "on_stop": "a", "action": "stop"}],
    "inherit": [{"variables": False}, {"default": ["image"], "variables": ["A"]}],
    "image": ["alpine", {"name": "$A"}],
    "interruptible": [True],
    "resource_group": ["$A"],
    "inputs": [{"a": {"default": "b"}}],
}
scripts = st.sampled_from(["x", ["x", ["y"]], Reference(["a", "script"])])
plausible_jobs = st.lists(
    st.sampled_from(sorted(PLAUSIBLE)), max_size=4, unique=True
).flatmap(
    lambda keys: st.fixed_dictionaries(
        {"script": scripts, **{key: st.sampled_from(PLAUSIBLE[key]) for key in keys}}
    )
)
plausible_documents = st.fixed_dictionaries(
    {"a": plausible_jobs, "b": plausible_jobs, "c": plausible_jobs},
    optional={
        "d": plausible_jobs,
        ".h": plausible_jobs,
        "variables": st.sampled_from(PLAUSIBLE["variables"]),
        "default": st.sampled_from([{"image": "b"}, {"retry": 1, "tags": ["a"]}]),
        "workflow": st.sampled_from(
            [
                {"name": "$A"},
                {"rules": [{"if": "$CI_COMMIT_BRANCH", "variables": {"A": "w"}}]},
            ]
        ),
    },
)


def emit(value: Any) -> str:
    """Return a value as YAML in flow style."""
    match value:
        case Reference(argument):
            return f"!reference {emit(argument)}"
        case dict():
            pairs = (f"? {_key(key)} : {emit(each)}" for key, each in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(emit, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _key(key: Any) -> str:
    return key if key == "<<" else json.dumps(key, ensure_ascii=False)


@pytest.mark.property
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents, st.none() | headers, documents, contexts)
def test_any_structure_gives_a_pipeline_or_errors(
    root: dict[str, Any],
    header: dict[str, Any] | None,
    included: dict[str, Any],
    circumstances: dict[str, Any],
) -> None:
    text = emit(root)
    if header is not None:
        text = f"{emit(header)}\n---\n{text}"
    chosen = context(
        reader=FakeReader(texts={"a.yml": emit(included)}), **circumstances
    )
    file = SourceFile(name=".gitlab-ci.yml", text=text)
    started = time.monotonic()

    errors = _errors(file, chosen)

    assert time.monotonic() - started < BUDGET
    found, warnings = check(file, chosen)
    assert list(map(str, found)) == list(map(str, errors))
    assert all(map(str, warnings))


@pytest.mark.property
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(plausible_documents, contexts)
def test_a_pipeline_holds_together(
    root: dict[str, Any], circumstances: dict[str, Any]
) -> None:
    chosen = context(**circumstances)
    file = SourceFile(name=".gitlab-ci.yml", text=emit(root))
    if _errors(file, chosen):
        event("errors")
        return

    compiled = compile_pipeline(file, chosen)

    pipeline = compiled.pipeline
    outside = {excluded.name for excluded in compiled.excluded}
    if pipeline is None:
        assert compiled.reason
        return
    order = {stage: position for position, stage in enumerate(pipeline.stages)}
    assert not outside & pipeline.jobs.keys()
    for name, job in pipeline.jobs.items():
        assert name == job.name
        for need in job.needs or ():
            assert order[pipeline.jobs[need.job].stage] <= order[job.stage]
        assert {"CI_JOB_NAME", "CI_JOB_STAGE"} <= {v.name for v in job.variables}
    assert {job.stage for job in pipeline.jobs.values()} - {".pre", ".post"}


def _errors(file: SourceFile, chosen: Context) -> list[ConfigError]:
    """Return the errors of a configuration; any other exception passes."""
    try:
        compile_pipeline(file, chosen)
    except ExceptionGroup as group:
        errors = [each for each in group.exceptions if isinstance(each, ConfigError)]
        if len(errors) < len(group.exceptions):
            raise
        return errors
    return []
