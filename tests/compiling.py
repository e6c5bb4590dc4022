"""Compile a text: what most tests of the parser begin with."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from spotci.errors import ConfigError
from spotci.parser.compile import compile_pipeline
from spotci.source import SourceFile
from spotci.variables import YAML_LEVELS, effective
from tests.contexts import context

if TYPE_CHECKING:
    from spotci.parser.model import Compilation
    from spotci.pipeline import Job, Pipeline

__all__ = [
    "compile_text",
    "config_errors",
    "job_of",
    "pipeline_of",
    "yaml_variables",
]


def compile_text(text: str, **circumstances: Any) -> Compilation:
    """Compile the text of a ``.gitlab-ci.yml``; arguments as of ``context``."""
    file = SourceFile(name=".gitlab-ci.yml", text=dedent(text))
    return compile_pipeline(file, context(**circumstances))


def pipeline_of(text: str, **circumstances: Any) -> Pipeline:
    """Return the pipeline of a text, which must have one."""
    pipeline = compile_text(text, **circumstances).pipeline
    assert pipeline is not None
    return pipeline


def job_of(text: str, name: str = "job", **circumstances: Any) -> Job:
    """Return one job of the pipeline of a text."""
    return next(
        job
        for job in pipeline_of(text, **circumstances).jobs.values()
        if job.name == name
    )


def config_errors(text: str, **circumstances: Any) -> list[str]:
    """Return all errors of a text, as the user sees them."""
    with pytest.raises(ExceptionGroup) as caught:
        compile_text(text, **circumstances)
    errors = caught.value.exceptions
    assert all(isinstance(error, ConfigError) for error in errors)
    return [str(error) for error in errors]


def yaml_variables(job: Job) -> dict[str, str]:
    """Return the variables of a job that come from the YAML, by precedence."""
    yaml = (item for item in job.variables if item.level in YAML_LEVELS)
    return {name: item.value for name, item in effective(yaml).items()}
