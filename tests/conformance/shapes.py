"""Jobs in the form in which the cases describe them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from spotci.parser.needs import JobIndex
from spotci.variables import YAML_LEVELS, effective, expand_all

if TYPE_CHECKING:
    from spotci.parser.model import Compilation, Only, Rule
    from spotci.pipeline import Artifacts, Cache, Image, Job, Service

__all__ = ["job_shape"]


def job_shape(job: Job, compilation: Compilation) -> dict[str, Any]:
    """Return everything that a case may ask of a job."""
    config = compilation.config.jobs[job.base_name]
    return {
        "stage": job.stage,
        "when": str(job.when),
        "start_in": job.start_in_text,
        "allow_failure": job.allow_failure.allowed,
        "allow_failure_exit_codes": list(job.allow_failure.exit_codes),
        "script": list(job.script),
        "before_script": list(job.before_script),
        "after_script": list(job.after_script),
        "image": None if job.image is None else _container(job.image),
        "services": [_container(service) for service in job.services],
        "variables": _variables(job),
        "server_expanded_variables": _expanded(job),
        "needs": _needs(job, compilation),
        "cross_dependencies": [_without_none(need) for need in job.cross_needs],
        "dependencies": None if job.dependencies is None else list(job.dependencies),
        "only": _only(config.only),
        "except": _only(config.except_),
        "rules": [_rule(rule) for rule in config.rules or ()],
        "retry": _plain(job.retry),
        "tags": list(job.tags),
        "interruptible": job.interruptible,
        "environment": None
        if job.environment is None
        else _without_none(job.environment),
        "artifacts": None if job.artifacts is None else _artifacts(job.artifacts),
        "cache": [_cache(cache) for cache in job.cache],
        "hooks": {"pre_get_sources_script": list(job.pre_get_sources_script)}
        if job.pre_get_sources_script
        else None,
        "id_tokens": _plain(job.id_tokens),
        "coverage": job.coverage,
        "resource_group": job.resource_group,
        "trigger": None if job.trigger is None else _without_none(job.trigger),
        "timeout_seconds": None
        if job.timeout is None
        else int(job.timeout.total_seconds()),
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({item.name: getattr(value, item.name) for item in fields(value)})
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _without_none(value: Any) -> dict[str, Any]:
    return {key: item for key, item in _plain(value).items() if item is not None}


def _container(value: Image | Service) -> dict[str, Any]:
    """Return an image or a service; docker's own keys stand below ``docker``."""
    shape = _without_none(value)
    docker = {key: shape.pop(key) for key in ("platform", "user") if key in shape}
    if docker:
        shape["docker"] = docker
    aliases = shape.pop("aliases", [])
    if aliases:
        shape["alias"] = " ".join(aliases)
    if "variables" in shape:
        items = getattr(value, "variables", ())
        shape["variables"] = {item.name: item.value for item in items}
    return shape


def _variables(job: Job) -> dict[str, str]:
    yaml = (item for item in job.variables if item.level in YAML_LEVELS)
    return {name: item.value for name, item in effective(yaml).items()}


def _expanded(job: Job) -> dict[str, str]:
    expanded = expand_all(
        job.variables,
        keep_undefined=True,
        expand_raw_refs=False,
        expand_file_refs=False,
    )
    return {name: item.value for name, item in effective(expanded).items()}


def _needs(job: Job, compilation: Compilation) -> list[dict[str, Any]] | None:
    if job.needs is None:
        return None
    index = JobIndex.of(compilation.config)
    instance = index.by_name[job.name]
    config = instance.config
    rules = config.rules or ()
    written = config.needs or ()
    if job.rule is not None and rules[job.rule].needs is not None:
        written = rules[job.rule].needs or ()
    optional = {need.job: need.optional for need in index.resolve(written, instance)}
    return [
        {
            "name": need.job,
            "artifacts": need.artifacts,
            "optional": optional[need.job],
        }
        for need in job.needs
    ]


def _only(only: Only | None) -> dict[str, Any] | None:
    if only is None:
        return None
    refs = only.refs
    return {
        "refs": None
        if refs is None
        else [
            ref.pattern if ref.project is None else f"{ref.pattern}@{ref.project}"
            for ref in refs
        ],
        "variables": None
        if only.variables is None
        else [condition.text for condition in only.variables],
        "changes": _plain(only.changes),
        "kubernetes": "active" if only.kubernetes else None,
    }


def _artifacts(artifacts: Artifacts) -> dict[str, Any]:
    shape = _without_none(artifacts)
    coverage_format = shape.pop("coverage_format", None)
    if coverage_format is not None:
        (path,) = shape["reports"]["coverage_report"]
        shape["reports"]["coverage_report"] = {
            "coverage_format": coverage_format,
            "path": path,
        }
    return shape


def _cache(cache: Cache) -> dict[str, Any]:
    shape = _without_none(cache)
    key = _without_none(cache.key)
    shape["key"] = key["text"] if cache.key.text is not None else key
    return shape


def _rule(rule: Rule) -> dict[str, Any]:
    shape = {
        "if": None if rule.condition is None else rule.condition.text,
        "changes": None if rule.changes is None else _without_none(rule.changes),
        "exists": None if rule.exists is None else _without_none(rule.exists),
        "when": _plain(rule.when),
        "start_in": rule.start_in_text,
        "allow_failure": rule.allow_failure,
        "variables": {item.name: item.value for item in rule.variables} or None,
        "needs": None
        if rule.needs is None
        else [
            {"name": need.job, "artifacts": need.artifacts, "optional": need.optional}
            for need in rule.needs
        ],
        "interruptible": rule.interruptible,
    }
    return {key: value for key, value in shape.items() if value is not None}
