"""``retry`` and ``allow_failure``.

GitLab: ``Entry::Retry`` and ``Entry::AllowFailure``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    attribute,
    boolean,
    integers,
    number_in_range,
    strings_or_string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar
from spotci.parser.problems import did_you_mean
from spotci.pipeline import AllowFailure, Retry

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["RETRY_WHEN", "decode_allow_failure", "decode_retry"]

_RETRY_LIMIT = 2
_ALWAYS = "always"
#: ``always``, and every reason for a failure that GitLab knows.
RETRY_WHEN = (
    *(_ALWAYS, "unknown_failure", "script_failure", "api_failure"),
    *("stuck_or_timeout_failure", "runner_system_failure"),
    *("missing_dependency_failure", "runner_unsupported", "stale_schedule"),
    *("job_execution_timeout", "archived_failure", "unmet_prerequisites"),
    *("scheduler_failure", "data_integrity_failure", "forward_deployment_failure"),
    *("user_blocked", "project_deleted", "ci_quota_exceeded"),
    *("pipeline_loop_detected", "no_matching_runner", "trace_size_exceeded"),
    *("builds_disabled", "environment_creation_failure", "deployment_rejected"),
    *("failed_outdated_deployment_job", "job_execution_server_timeout"),
    *("protected_environment_failure", "insufficient_bridge_permissions"),
    *("downstream_bridge_project_not_found", "invalid_bridge_trigger"),
    *("upstream_bridge_project_not_found", "insufficient_upstream_permissions"),
    *("bridge_pipeline_is_child_pipeline", "downstream_pipeline_creation_failed"),
    *("secrets_provider_not_found", "reached_max_descendant_pipelines_depth"),
    *("ip_restriction_failure", "reached_max_pipeline_hierarchy_size"),
    *("reached_downstream_pipeline_trigger_rate_limit", "duo_workflow_not_allowed"),
    *("job_router_failure", "job_token_expired"),
)


def decode_retry(node: Node, place: str, problems: Problems) -> Retry | None:
    """Return ``retry``; ``when`` is ``always`` where nothing narrows it.

    Without ``max`` in a mapping nothing is retried, as in GitLab. None means that the
    value is wrong.
    """
    if isinstance(node, Mapping):
        return _mapping(node, place, problems)
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int):
        problems.error(
            f"{place} config has to be either an integer or a hash", node.span
        )
        return None
    count = number_in_range(node, f"{place} config", problems, low=0, high=_RETRY_LIMIT)
    return None if count is None else Retry(max=count, when=(_ALWAYS,))


def _mapping(node: Mapping, place: str, problems: Problems) -> Retry:
    unknown_keys(node, {"max", "when", "exit_codes"}, place, problems)
    when = attribute(node, "when", _when, place, problems)
    exit_codes = attribute(node, "exit_codes", integers, place, problems)
    if when is None:
        # With exit codes alone, only they are retried.
        when = (_ALWAYS,) if exit_codes is None else ()
    return Retry(
        max=attribute(node, "max", _count, place, problems) or 0,
        when=when,
        exit_codes=exit_codes or (),
    )


def _count(node: Node, subject: str, problems: Problems) -> int | None:
    return number_in_range(node, subject, problems, low=0, high=_RETRY_LIMIT)


def _when(node: Node, subject: str, problems: Problems) -> tuple[str, ...] | None:
    words = strings_or_string(node, subject, problems)
    if words is None:
        return None
    unknown = [word for word in words if word not in RETRY_WHEN]
    if not unknown:
        return words
    if isinstance(node, Scalar):
        complaint = "is not included in the list"
    else:
        complaint = f"contains unknown values: {', '.join(unknown)}"
    hint = did_you_mean(unknown[0], RETRY_WHEN) or (
        f"it should be one of: {', '.join(RETRY_WHEN)}"
    )
    problems.error(f"{subject} {complaint}", node.span, hint=hint)
    return None


def decode_allow_failure(
    node: Node, place: str, problems: Problems, *, exit_codes: bool = True
) -> AllowFailure | None:
    """Return ``allow_failure``; ``place`` is that of the job.

    With exit codes the job as such is not allowed to fail, only those codes are.
    ``exit_codes`` False (bridges) allows a boolean only. None means that the value is
    wrong.
    """
    if not exit_codes:
        allowed = boolean(node, f"{place} allow failure", problems)
        return None if allowed is None else AllowFailure(allowed=allowed)
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return AllowFailure(allowed=node.value)
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} allow failure should be a hash or a boolean value", node.span
        )
        return None
    place = f"{place}:allow_failure"
    unknown_keys(node, {"exit_codes"}, place, problems)
    codes = attribute(node, "exit_codes", integers, place, problems)
    return AllowFailure(exit_codes=codes or ())
