"""The predefined variables that exist for a running job alone.

Rules and includes cannot see them. Those of one job (``CI_JOB_ID``, ``CI_JOB_URL``,
``CI_JOB_STARTED_AT``, ``CI_JOB_STATUS`` …) are the executor's.
"""

from __future__ import annotations

import platform
import secrets
from typing import TYPE_CHECKING

from spotci import __version__
from spotci.project.project import stable_number
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from spotci.context import Context
    from spotci.project.project import Project

__all__ = ["BUILDS_DIR", "runner_variables"]

#: ``CI_BUILDS_DIR`` of the docker executor.
BUILDS_DIR = "/builds"
_ORIGIN = "predefined"
_USER = "gitlab-ci-token"


def runner_variables(
    project: Project,
    context: Context,
    *,
    run_id: str,
    tags: tuple[str, ...] = (),
) -> tuple[Variable, ...]:
    """Return the variables of a run; its secrets are new with every call.

    Those that the server gives are predefined ones, which the YAML may override, and
    those of the runner itself win over everything.
    """
    token = f"glcbt-{secrets.token_urlsafe(24)}"
    password = secrets.token_urlsafe(24)
    pipeline = stable_number(run_id)
    url = project.server_url
    scheme, _, rest = url.partition("://")
    repository = f"{scheme}://{_USER}:{token}@{rest}/{context.project_path}.git"
    server = {
        "CI_PIPELINE_ID": str(pipeline),
        "CI_PIPELINE_URL": f"{url}/{context.project_path}/-/pipelines/{pipeline}",
        "CI_REGISTRY_USER": _USER,
        "CI_DEPENDENCY_PROXY_USER": _USER,
        "CI_RUNNER_ID": "1",
        "CI_RUNNER_DESCRIPTION": "spotci",
        "CI_RUNNER_TAGS": "[" + ", ".join(f'"{tag}"' for tag in tags) + "]",
    }
    hidden = {
        "CI_JOB_TOKEN": token,
        # It holds the token.
        "CI_REPOSITORY_URL": repository,
        "CI_REGISTRY_PASSWORD": password,
        "CI_DEPENDENCY_PROXY_PASSWORD": password,
    }
    runner = {
        "CI_BUILDS_DIR": BUILDS_DIR,
        "CI_PROJECT_DIR": f"{BUILDS_DIR}/{context.project_path}",
        "CI_CONCURRENT_ID": "0",
        "CI_CONCURRENT_PROJECT_ID": "0",
        "CI_SERVER": "yes",
        "CI_RUNNER_VERSION": __version__,
        "CI_RUNNER_REVISION": "spotci",
        "CI_RUNNER_SHORT_TOKEN": "spotci",
        "CI_RUNNER_EXECUTABLE_ARCH": _architecture(),
    }
    # What a job without a container leaves on the machine, the next one finds.
    shared = project.settings.engine.kind == "shell"
    runner["CI_SHARED_ENVIRONMENT" if shared else "CI_DISPOSABLE_ENVIRONMENT"] = "true"
    if context.source == "trigger":
        server["CI_TRIGGER_SHORT_TOKEN"] = "spot"  # noqa: S105 - not a token
    return (
        *(_variable(name, value) for name, value in server.items()),
        *(_variable(name, value, masked=True) for name, value in hidden.items()),
        *(_variable(name, value, level=Level.RUNNER) for name, value in runner.items()),
    )


def _variable(
    name: str,
    value: str,
    *,
    level: Level = Level.PREDEFINED,
    masked: bool = False,
) -> Variable:
    return Variable(name=name, value=value, level=level, masked=masked, origin=_ORIGIN)


def _architecture() -> str:
    machine = platform.machine().lower()
    names = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    return f"{platform.system().lower()}/{names.get(machine, machine)}"
