"""Jobs as plain values, in the shapes that GitLab's YAML has (stable).

What is unset is None; inside a mapping it is left out. ``timeout`` and ``start_in`` are
texts as GitLab reads them, ``1h 30m``; ``coverage`` stands between its slashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spotci.cli.descriptions import description
from spotci.variables import Level, effective

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from spotci.errors import ConfigError, ConfigWarning
    from spotci.pipeline import (
        AllowFailure,
        Artifacts,
        Cache,
        CrossNeed,
        Environment,
        Image,
        Job,
        Parallel,
        Release,
        Retry,
        Service,
        Trigger,
    )
    from spotci.source import Span
    from spotci.variables import Variable

__all__ = ["error_shape", "job_shape", "variable_shape", "warning_shape"]

#: The levels of a job's variables that come from its YAML.
_FROM_YAML = range(Level.ROOT, Level.RULE + 1)


def job_shape(job: Job) -> dict[str, Any]:
    """Return a job with all its keys."""
    return {
        "name": job.name,
        "stage": job.stage,
        "when": str(job.when),
        "allow_failure": _allow_failure(job.allow_failure),
        "needs": _needs(job),
        "dependencies": None if job.dependencies is None else list(job.dependencies),
        "image": None if job.image is None else _image(job.image),
        "services": [_service(service) for service in job.services] or None,
        "variables": variable_shape(job.variables) or None,
        "tags": list(job.tags) or None,
        "script": list(job.script) or None,
        "before_script": list(job.before_script) or None,
        "after_script": list(job.after_script) or None,
        "environment": None
        if job.environment is None
        else _environment(job.environment),
        "artifacts": None if job.artifacts is None else _artifacts(job.artifacts),
        "cache": [_cache(cache) for cache in job.cache] or None,
        "retry": _retry(job.retry),
        "timeout": _duration(job.timeout),
        "interruptible": job.interruptible,
        "resource_group": job.resource_group,
        "parallel": None if job.parallel is None else _parallel(job.parallel),
        "coverage": None if job.coverage is None else f"/{job.coverage}/",
        "start_in": _duration(job.start_in),
        "trigger": None if job.trigger is None else _trigger(job.trigger),
        "release": None if job.release is None else _release(job.release),
        "extends": list(job.extends) or None,
        "description": description(job),
        "rule": job.rule,
        "source": _source(job.span),
    }


def variable_shape(variables: Sequence[Variable]) -> dict[str, str]:
    """Return the variables of the YAML by name, unexpanded; secrets stay hidden."""
    chosen = effective(item for item in variables if item.level in _FROM_YAML)
    return {
        name: "[MASKED]" if item.masked else item.value for name, item in chosen.items()
    }


def error_shape(error: ConfigError) -> dict[str, Any]:
    """Return an error with its place."""
    return {"message": error.message, **_place(error.span), "hint": error.hint}


def warning_shape(warning: ConfigWarning) -> dict[str, Any]:
    """Return a warning with its place."""
    return {"message": warning.message, **_place(warning.span)}


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "line": None, "column": None}
    return {"file": span.file.name, "line": span.line, "column": span.column}


def _source(span: Span | None) -> dict[str, Any] | None:
    return None if span is None else {"file": span.file.name, "line": span.line}


def _allow_failure(value: AllowFailure) -> bool | dict[str, Any]:
    if value.exit_codes:
        return {"exit_codes": list(value.exit_codes)}
    return value.allowed


def _needs(job: Job) -> list[dict[str, Any]] | None:
    if job.needs is None and not job.cross_needs:
        return None
    needs = [{"job": need.job, "artifacts": need.artifacts} for need in job.needs or ()]
    return needs + [_cross_need(need) for need in job.cross_needs]


def _cross_need(need: CrossNeed) -> dict[str, Any]:
    return _set(
        project=need.project,
        ref=need.ref,
        pipeline=need.pipeline,
        job=need.job,
        artifacts=need.artifacts,
    )


def _image(image: Image) -> dict[str, Any]:
    return _set(
        name=image.name,
        entrypoint=_list(image.entrypoint),
        pull_policy=list(image.pull_policy) or None,
        docker=_set(user=image.user, platform=image.platform) or None,
    )


def _service(service: Service) -> dict[str, Any]:
    return _set(
        name=service.name,
        alias=" ".join(service.aliases) or None,
        entrypoint=_list(service.entrypoint),
        command=_list(service.command),
        variables={
            item.name: "[MASKED]" if item.masked else item.value
            for item in service.variables
        }
        or None,
        pull_policy=list(service.pull_policy) or None,
        docker=_set(user=service.user, platform=service.platform) or None,
    )


def _environment(environment: Environment) -> dict[str, Any]:
    return _set(
        name=environment.name,
        action=str(environment.action),
        url=environment.url,
        on_stop=environment.on_stop,
        auto_stop_in=environment.auto_stop_in,
        deployment_tier=environment.deployment_tier,
        kubernetes=_plain(environment.kubernetes),
    )


def _artifacts(artifacts: Artifacts) -> dict[str, Any]:
    reports = {kind: list(paths) for kind, paths in artifacts.reports.items()}
    shape = _set(
        name=artifacts.name,
        paths=list(artifacts.paths) or None,
        exclude=list(artifacts.exclude) or None,
        untracked=artifacts.untracked or None,
        when=str(artifacts.when),
        expire_in=artifacts.expire_in,
        expose_as=artifacts.expose_as,
        public=artifacts.public,
        access=None if artifacts.access is None else str(artifacts.access),
        reports=dict(reports) or None,
    )
    if coverage := reports.get("coverage_report"):
        shape["reports"]["coverage_report"] = _set(
            coverage_format=artifacts.coverage_format, path=coverage[0]
        )
    return shape


def _cache(cache: Cache) -> dict[str, Any]:
    key: Any = cache.key.text
    if cache.key.files or cache.key.files_commits:
        key = _set(
            files=list(cache.key.files) or None,
            files_commits=list(cache.key.files_commits) or None,
            prefix=cache.key.prefix,
        )
    return _set(
        key=key,
        paths=list(cache.paths) or None,
        untracked=cache.untracked or None,
        policy=str(cache.policy),
        when=str(cache.when),
        unprotect=cache.unprotect or None,
        fallback_keys=list(cache.fallback_keys) or None,
    )


def _retry(retry: Retry) -> dict[str, Any] | None:
    if not retry.max:
        return None
    return _set(
        max=retry.max,
        when=list(retry.when) or None,
        exit_codes=list(retry.exit_codes) or None,
    )


def _parallel(parallel: Parallel) -> dict[str, Any]:
    return _set(
        index=parallel.index,
        total=parallel.total,
        matrix=dict(parallel.matrix) or None,
    )


def _trigger(trigger: Trigger) -> dict[str, Any]:
    forward = trigger.forward
    return _set(
        project=trigger.project,
        branch=trigger.branch,
        include=_plain(trigger.include) or None,
        strategy=None if trigger.strategy is None else str(trigger.strategy),
        forward={
            "yaml_variables": forward.yaml_variables,
            "pipeline_variables": forward.pipeline_variables,
        },
        inputs=_plain(trigger.inputs) or None,
    )


def _release(release: Release) -> dict[str, Any]:
    return {
        **_plain(release.fields),
        "tag_name": release.tag_name,
        "description": release.description,
    }


def _duration(value: timedelta | None) -> str | None:
    if value is None:
        return None
    rest = round(value.total_seconds())
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def _set(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values have no type
    return {name: value for name, value in values.items() if value is not None}


def _list(value: Sequence[str] | None) -> list[str] | None:
    return None if value is None else list(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values have no type
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
