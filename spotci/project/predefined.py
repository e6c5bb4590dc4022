"""The predefined variables that exist before a job runs (docs: predefined variables).

Each function gives those of one subject; none of them holds a secret. Those that exist
for the runner alone are in :mod:`spotci.project.runner`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.slugs import slugify

if TYPE_CHECKING:
    from spotci.project.event import PipelineEvent
    from spotci.project.git import Commit
    from spotci.project.project import Project

__all__ = [
    "NO_SHA",
    "commit_variables",
    "merge_request_variables",
    "pipeline_variables",
    "project_variables",
    "server_variables",
    "user_variables",
]

#: What GitLab gives where there is no commit before.
NO_SHA = "0" * 40
_SHORT = 8
#: Bytes of a message, and of a merge request's description, that GitLab keeps.
_MESSAGE_LIMIT = 100_000
_DESCRIPTION_LIMIT = 2_700
#: A first line of this many characters is shown whole, with the rest.
_LONG_TITLE = 100
_SSH_PORT = 22
_PAGES_DOMAINS = {"gitlab.com": "gitlab.io"}


def server_variables(project: Project) -> dict[str, str]:
    """Return ``CI``, ``GITLAB_CI``, ``CI_SERVER_*``, ``CI_API_*`` and their like."""
    remote, settings = project.remote, project.settings
    url = project.server_url
    major, minor, patch = (*settings.gitlab.version.split("."), "0", "0")[:3]
    proxy = settings.gitlab.dependency_proxy
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_API_V4_URL": f"{url}/api/v4",
        "CI_API_GRAPHQL_URL": f"{url}/api/graphql",
        "CI_SERVER_HOST": remote.host,
        "CI_SERVER_PORT": str(remote.port),
        "CI_SERVER_PROTOCOL": remote.protocol,
        "CI_SERVER_URL": url,
        "CI_SERVER_FQDN": remote.fqdn,
        "CI_SERVER_SHELL_SSH_HOST": remote.host,
        "CI_SERVER_SHELL_SSH_PORT": str(remote.ssh_port or _SSH_PORT),
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_VERSION": settings.gitlab.version,
        "CI_SERVER_VERSION_MAJOR": major,
        "CI_SERVER_VERSION_MINOR": minor,
        "CI_SERVER_VERSION_PATCH": patch,
        "CI_SERVER_REVISION": "spotci",
        "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
        "GITLAB_FEATURES": "",
        # The dependency proxy of a group mirrors Docker Hub: so Docker Hub, or the
        # mirror of the settings, can stand in for it under every prefix.
        "CI_DEPENDENCY_PROXY_SERVER": proxy.partition("/")[0],
        "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": proxy,
        "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX": proxy,
    }


def project_variables(project: Project) -> dict[str, str]:
    """Return ``CI_PROJECT_*``, ``CI_REGISTRY*``, ``CI_PAGES_*`` and their like."""
    path = project.path
    namespace, _, name = path.rpartition("/")
    root, _, below = path.partition("/")
    registry = project.settings.registry.address
    host = project.remote.host
    pages = _PAGES_DOMAINS.get(host, f"pages.{host}")
    return {
        "CI_CONFIG_PATH": project.settings.project.config,
        "CI_DEFAULT_BRANCH": project.default_branch,
        "CI_DEFAULT_BRANCH_SLUG": slugify(project.default_branch),
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_TITLE": name,
        "CI_PROJECT_DESCRIPTION": "",
        "CI_PROJECT_PATH": path,
        "CI_PROJECT_PATH_SLUG": slugify(path),
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_NAMESPACE_ID": str(project.namespace_id),
        "CI_PROJECT_NAMESPACE_SLUG": slugify(namespace),
        "CI_PROJECT_ROOT_NAMESPACE": root,
        "CI_PROJECT_URL": f"{project.server_url}/{path}",
        "CI_PROJECT_VISIBILITY": "private",
        "CI_PROJECT_TOPICS": "",
        "CI_PROJECT_REPOSITORY_LANGUAGES": "",
        "CI_PROJECT_CLASSIFICATION_LABEL": "",
        "CI_REGISTRY": registry,
        "CI_REGISTRY_IMAGE": f"{registry}/{path.lower()}",
        "CI_PAGES_DOMAIN": pages,
        "CI_PAGES_HOSTNAME": f"{slugify(root)}.{pages}",
        "CI_PAGES_URL": f"https://{slugify(root)}.{pages}/{below}",
    }


def commit_variables(project: Project, event: PipelineEvent) -> dict[str, str]:
    """Return ``CI_COMMIT_*``. The branch is unset for tags and merge requests."""
    commit = project.git.commit if project.git else None
    sha = commit.sha if commit else NO_SHA
    variables = {
        "CI_COMMIT_SHA": sha,
        "CI_COMMIT_SHORT_SHA": sha[:_SHORT],
        "CI_COMMIT_BEFORE_SHA": event.before_sha,
        "CI_COMMIT_REF_NAME": event.ref,
        "CI_COMMIT_REF_SLUG": slugify(event.ref),
        "CI_COMMIT_REF_PROTECTED": _flag(event.protected),
        **_message_variables(commit),
    }
    if event.branch is not None:
        variables["CI_COMMIT_BRANCH"] = event.branch
    if event.tag is not None:
        variables["CI_COMMIT_TAG"] = event.tag
        variables["CI_COMMIT_TAG_MESSAGE"] = event.tag_message
    return variables


def merge_request_variables(project: Project, event: PipelineEvent) -> dict[str, str]:
    """Return ``CI_MERGE_REQUEST_*`` of a pipeline for a merge request, else nothing."""
    request = event.merge_request
    if request is None:
        return {}
    commit = project.git.commit if project.git else None
    message = commit.message if commit else ""
    description = _description(message).strip("\n")
    url = f"{project.server_url}/{project.path}"
    variables = {
        "ID": str(request.iid),
        "IID": str(request.iid),
        "REF_PATH": f"refs/merge-requests/{request.iid}/head",
        "PROJECT_ID": str(project.id),
        "PROJECT_PATH": project.path,
        "PROJECT_URL": url,
        "TARGET_BRANCH_NAME": request.target_branch,
        "TARGET_BRANCH_PROTECTED": _flag(event.target_protected),
        # Set in merged results pipelines alone.
        "TARGET_BRANCH_SHA": "",
        "SOURCE_PROJECT_ID": str(project.id),
        "SOURCE_PROJECT_PATH": project.path,
        "SOURCE_PROJECT_URL": url,
        "SOURCE_BRANCH_NAME": request.source_branch,
        "SOURCE_BRANCH_PROTECTED": _flag(event.protected),
        "SOURCE_BRANCH_SHA": "",
        "TITLE": _title(message),
        "DESCRIPTION": description[:_DESCRIPTION_LIMIT],
        "DESCRIPTION_IS_TRUNCATED": _flag(len(description) > _DESCRIPTION_LIMIT),
        "EVENT_TYPE": "detached",
        "DIFF_ID": str(request.iid),
        "DIFF_BASE_SHA": event.base_sha or "",
        "APPROVED": "false",
        "SQUASH_ON_MERGE": "false",
        "DRAFT": _flag(_title(message).lower().startswith(("draft:", "[draft]"))),
    }
    if request.labels:
        variables["LABELS"] = ",".join(request.labels)
    named = {f"CI_MERGE_REQUEST_{name}": value for name, value in variables.items()}
    return {**named, "CI_OPEN_MERGE_REQUESTS": f"{project.path}!{request.iid}"}


def pipeline_variables(event: PipelineEvent) -> dict[str, str]:
    """Return ``CI_PIPELINE_*`` that rules can see."""
    variables = {
        "CI_PIPELINE_SOURCE": str(event.source),
        "CI_PIPELINE_IID": str(event.iid),
        "CI_PIPELINE_CREATED_AT": event.created_at,
    }
    if event.source == "trigger":
        variables["CI_PIPELINE_TRIGGERED"] = "true"
    if event.source == "schedule":
        variables["CI_PIPELINE_SCHEDULE_DESCRIPTION"] = "local schedule"
    return variables


def user_variables(project: Project) -> dict[str, str]:
    """Return ``GITLAB_USER_*`` from git's configuration; YAML cannot override them."""
    return {
        "GITLAB_USER_ID": str(project.user_id),
        "GITLAB_USER_EMAIL": project.user_email,
        "GITLAB_USER_LOGIN": project.user_login,
        "GITLAB_USER_NAME": project.user_name,
    }


def _message_variables(commit: Commit | None) -> dict[str, str]:
    if commit is None:
        names = ("AUTHOR", "TIMESTAMP", "TITLE", "DESCRIPTION", "MESSAGE")
        empty = {f"CI_COMMIT_{name}": "" for name in names}
        return {**empty, "CI_COMMIT_MESSAGE_IS_TRUNCATED": "false"}
    message = commit.message.encode()[:_MESSAGE_LIMIT].decode(errors="ignore")
    return {
        "CI_COMMIT_AUTHOR": f"{commit.author_name} <{commit.author_email}>",
        "CI_COMMIT_TIMESTAMP": commit.timestamp,
        "CI_COMMIT_TITLE": _title(message),
        "CI_COMMIT_DESCRIPTION": _description(message),
        "CI_COMMIT_MESSAGE": message,
        "CI_COMMIT_MESSAGE_IS_TRUNCATED": _flag(message != commit.message),
    }


def _title(message: str) -> str:
    return message.partition("\n")[0].rstrip("\r")


def _description(message: str) -> str:
    # As Ruby's split("\n", 2)[1].chomp: the empty line behind the title stays.
    if len(_title(message)) >= _LONG_TITLE:
        return message
    return message.partition("\n")[2].removesuffix("\n")


def _flag(value: bool) -> str:  # noqa: FBT001 - a converter
    return "true" if value else "false"
