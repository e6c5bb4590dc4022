from __future__ import annotations

from typing import Any

import pytest

from spotci.job_inputs import JobInputError, expand_inputs, with_inputs
from spotci.pipeline import Artifacts, Cache, CacheKey, Image, SaveWhen, Service
from tests.builders import job

INPUTS = {
    "target": "staging",
    "replicas": 3,
    "ratio": 0.5,
    "debug": False,
    "tags": ["a", "b c"],
    "dashed-name": "x",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain $X", "plain $X", id="no reference"),
        pytest.param("to ${{ job.inputs.target }}!", "to staging!", id="text"),
        pytest.param("${{job.inputs.replicas}}", "3", id="number"),
        pytest.param("${{ job.inputs.ratio }}", "0.5", id="fraction"),
        pytest.param("${{ job.inputs.debug }}", "false", id="boolean"),
        pytest.param("${{ job.inputs.tags }}", '["a","b c"]', id="array"),
        pytest.param("${{ job.inputs.tags[1] }}", "b c", id="member"),
        pytest.param("${{ job.inputs['dashed-name'] }}", "x", id="quoted name"),
        pytest.param(
            "${{ job.inputs.target }}${{ job.inputs.replicas }}", "staging3", id="two"
        ),
        pytest.param(
            "\\${{ job.inputs.target }}", "${{ job.inputs.target }}", id="escape"
        ),
        pytest.param("${{\n  job.inputs.target\n}}", "staging", id="lines"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand_inputs(text, INPUTS) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            "${{ job.inputs.none }}", "`job.inputs.none`: there is no 'none'", id="name"
        ),
        pytest.param(
            "${{ job.inputs.tags[2] }}",
            "`job.inputs.tags[2]`: there is no 2",
            id="index",
        ),
        pytest.param(
            "${{ job.inputs.target.x }}",
            "`job.inputs.target.x`: there is no 'x'",
            id="part of a text",
        ),
        pytest.param("${{ job.inputs.target", "a ${{ is not closed by }}", id="open"),
        pytest.param(
            "${{ job.inputs.replicas + 1 }}",
            "`job.inputs.replicas + 1`: spotci evaluates job.inputs.NAME and nothing"
            " else",
            id="operator",
        ),
        pytest.param(
            "${{ job.inputs }}",
            "`job.inputs`: spotci evaluates job.inputs.NAME and nothing else",
            id="all inputs",
        ),
        pytest.param(
            "${{ vars.X }}",
            "`vars.X`: spotci evaluates job.inputs.NAME and nothing else",
            id="another context",
        ),
    ],
)
def test_what_cannot_be_expanded(text: str, reason: str) -> None:
    with pytest.raises(JobInputError) as caught:
        expand_inputs(text, INPUTS)

    assert str(caught.value) == f"failed to interpolate job inputs: {reason}"


def made(text: str, inputs: dict[str, Any]) -> Any:
    """Return a job with a text wherever inputs may stand, and where they may not."""
    return job(
        "job",
        script=("x", text),
        before_script=(text,),
        after_script=(text,),
        image=Image(name=text, entrypoint=(text,)),
        services=(Service(name=text, aliases=(text,)),),
        cache=(Cache(key=CacheKey(text=text), paths=(text,), when=SaveWhen.ALWAYS),),
        artifacts=Artifacts(paths=(text,), name=text, reports={"junit": (text,)}),
        resource_group="${{ job.inputs.target }}",
        inputs=inputs,
    )


def test_the_fields_of_a_job() -> None:
    expanded = with_inputs(made("${{ job.inputs.target }}", INPUTS))

    assert expanded == made("staging", INPUTS)
    assert expanded.cache[0].when is SaveWhen.ALWAYS


def test_a_job_without_inputs_keeps_its_texts() -> None:
    plain = made("\\${{ x }} ${{", {})

    assert with_inputs(plain) is plain
