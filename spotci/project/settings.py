"""Settings: what they are, and where each value comes from.

Later sources win over earlier ones::

    defaults
    options of gitlab-ci-local with a counterpart   .gitlab-ci-local-env
    the user's file                                 ~/.config/spotci/config.toml
    the repository's file                           .spotci.toml
    the environment                                 SPOTCI_ENGINE_NAME=…
    the command line

A repository can be hostile. Keys marked ``trusted`` decide what runs with privileges,
where secrets go or which network is asked, so they are refused in ``.spotci.toml``.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.project.setting_values import (
    choice,
    duration,
    flag,
    number,
    size,
    text,
    texts,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: In a URL.
_PASSWORD = re.compile(r"(?<=[^/]):[^/@]*@")

__all__ = [
    "SECTIONS",
    "EngineSection",
    "GitlabSection",
    "IncludeSection",
    "ProjectSection",
    "RegistrySection",
    "RunSection",
    "Settings",
    "StorageSection",
    "VariablesSection",
]


def _read(
    reader: Callable[[object], object], *, trusted: bool = False
) -> Mapping[str, object]:
    return {"read": reader, "trusted": trusted}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSection:
    """``[engine]``: the Docker daemon that runs the jobs."""

    #: ``dind``, ``host`` (the developer's own daemon) or ``shell`` (no container).
    kind: str = field(
        default="dind", metadata=_read(choice("dind", "host", "shell"), trusted=True)
    )
    name: str = field(default="spot-ci-dind", metadata=_read(text))
    image: str = field(default="docker:28-dind", metadata=_read(text, trusted=True))
    network: str = field(default="spot-ci", metadata=_read(text))
    #: Limits of the whole engine: ``8g``, and a number of processors.
    memory: str | None = field(default=None, metadata=_read(text))
    cpus: float | None = field(default=None, metadata=_read(number))
    transport: str = field(
        default="auto",
        metadata=_read(choice("auto", "socket", "tls", "exec"), trusted=True),
    )
    #: Mirrors of Docker Hub, as URLs.
    mirrors: tuple[str, ...] = field(default=(), metadata=_read(texts, trusted=True))
    #: Registries that are asked without TLS.
    insecure_registries: tuple[str, ...] = field(
        default=(), metadata=_read(texts, trusted=True)
    )
    #: Files with certificates, in PEM, that the engine and the jobs trust, too.
    ca_certificates: tuple[str, ...] = field(
        default=(), metadata=_read(texts, trusted=True)
    )
    #: Folders of this machine, or volumes of its Docker, that every job sees:
    #: ``/source:/target``, with ``:ro`` for reading alone.
    volumes: tuple[str, ...] = field(default=(), metadata=_read(texts, trusted=True))
    #: Proxy of the engine and of the jobs, and the hosts that are asked directly.
    proxy: str | None = field(default=None, metadata=_read(text, trusted=True))
    no_proxy: str | None = field(default=None, metadata=_read(text, trusted=True))
    #: Which jobs get Docker: none, those that ask for it once you have said yes, the
    #: same but without the question where nobody can be asked, or all.
    docker: str = field(
        default="auto",
        metadata=_read(choice("never", "ask", "auto", "always"), trusted=True),
    )
    #: ``engine`` wires ``docker:dind`` services to it, ``nested`` starts real ones.
    dind_service: str = field(
        default="engine", metadata=_read(choice("engine", "nested"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySection:
    """``[registry]``: the registry beside the engine."""

    name: str = field(default="spot-ci-registry", metadata=_read(text))
    image: str = field(default="registry:2", metadata=_read(text, trusted=True))
    port: int = field(default=5000, metadata=_read(whole(1, 65535)))
    #: A registry whose images are kept for all runs.
    mirror: str | None = field(default=None, metadata=_read(text, trusted=True))

    @property
    def address(self) -> str:
        """``CI_REGISTRY``: the same on the host, in the engine and in the jobs."""
        return f"localhost:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """``[run]``: how pipelines run."""

    #: Jobs at once; None lets spotci decide from processors and memory.
    concurrency: int | None = field(default=None, metadata=_read(whole(1, 1000)))
    #: Bound on the whole run.
    timeout: timedelta | None = field(default=None, metadata=_read(duration))
    #: The project's timeout for a job that sets none.
    job_timeout: timedelta = field(default=timedelta(hours=1), metadata=_read(duration))
    default_image: str = field(default="ruby:3.1", metadata=_read(text))
    pull_policy: str = field(
        default="if-not-present",
        metadata=_read(choice("always", "if-not-present", "never")),
    )
    fail_fast: bool = field(default=False, metadata=_read(flag))
    #: Whether a terminal is asked which manual jobs are to be played.
    ask_manual: bool = field(default=True, metadata=_read(flag))
    #: Whether delayed jobs start at once.
    no_delay: bool = field(default=False, metadata=_read(flag))
    keep: bool = field(default=False, metadata=_read(flag))
    output: str = field(
        default="auto", metadata=_read(choice("auto", "live", "plain", "json", "quiet"))
    )
    #: Whether lines of the ``plain`` output begin with the time.
    timestamps: bool = field(default=False, metadata=_read(flag))
    source: str = field(
        default="worktree", metadata=_read(choice("worktree", "index", "head"))
    )
    artifacts_to_source: bool = field(default=False, metadata=_read(flag))
    git_depth: int = field(default=20, metadata=_read(whole(0, 1_000_000)))
    #: False makes every ``rules:changes`` true, as on a new branch.
    evaluate_changes: bool = field(default=True, metadata=_read(flag))
    #: Bounds of a job's container and of each of its services: memory (all that the
    #: engine has, where unset), processors, processes.
    job_memory: str | None = field(default=None, metadata=_read(size))
    job_cpus: float | None = field(default=None, metadata=_read(number))
    job_pids: int = field(default=8192, metadata=_read(whole(10, 4_194_304)))
    #: Size of a job's log; what a job prints beyond it is dropped.
    output_limit: str = field(default="1g", metadata=_read(size))
    #: Runs whose record is kept in ``.spotci/runs``.
    keep_runs: int = field(default=20, metadata=_read(whole(1, 100_000)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSection:
    """``[storage]``: what is kept for later runs; what is over goes by itself."""

    #: Never more than this of caches; what was not used for the longest time goes.
    caches: str = field(default="20g", metadata=_read(size))
    #: So much of the newest caches stays, however full the disk is.
    keep_caches: str = field(default="1g", metadata=_read(size))
    #: Never more than this of images in the engine; without, there is no bound.
    images: str | None = field(default=None, metadata=_read(size))
    #: Where less is free on the engine's disk, caches go, then images.
    leave_free: str = field(default="2g", metadata=_read(size))
    #: Never more than this of records of a project's runs; the newest one stays.
    records: str = field(default="5g", metadata=_read(size))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSection:
    """``[project]``: what GitLab would know of the project."""

    #: ``group/project``; read from the remote where None.
    path: str | None = field(default=None, metadata=_read(text))
    id: int | None = field(default=None, metadata=_read(whole(1, 2**63 - 1)))
    #: The git remote that is the GitLab server's.
    remote: str | None = field(default=None, metadata=_read(text))
    default_branch: str | None = field(default=None, metadata=_read(text))
    #: ``CI_CONFIG_PATH``.
    config: str = field(default=".gitlab-ci.yml", metadata=_read(text))
    #: Patterns of protected branches (the default branch always is) and tags.
    protected_branches: tuple[str, ...] = field(
        default=("release/*",), metadata=_read(texts)
    )
    protected_tags: tuple[str, ...] = field(default=("v*",), metadata=_read(texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludeSection:
    """``[include]``: files from outside."""

    #: Use what was fetched before, whatever its age, and never the network.
    offline: bool = field(default=False, metadata=_read(flag))
    #: For how long a file of a branch or a URL is not fetched again.
    ttl: timedelta = field(default=timedelta(minutes=10), metadata=_read(duration))
    timeout: timedelta = field(default=timedelta(seconds=30), metadata=_read(duration))
    allow_http: bool = field(default=False, metadata=_read(flag, trusted=True))
    #: ``host`` or ``host:port`` that may be asked though its address is private.
    allow_hosts: tuple[str, ...] = field(
        default=(), metadata=_read(texts, trusted=True)
    )
    #: A folder with GitLab's templates, and the version of GitLab's otherwise.
    templates: str | None = field(default=None, metadata=_read(text))
    templates_ref: str = field(default="master", metadata=_read(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class GitlabSection:
    """``[gitlab]``: the server, where a project of another must be read."""

    #: ``https://gitlab.example.com``; read from the remote where None.
    url: str | None = field(default=None, metadata=_read(text, trusted=True))
    #: Sent to that server and to no other. Without ``url``, to ``gitlab.com``.
    token: str | None = field(
        default=None, repr=False, metadata=_read(text, trusted=True)
    )
    #: The name of a variable of the environment that holds the token.
    token_variable: str | None = field(default=None, metadata=_read(text, trusted=True))
    #: Patterns of projects whose variables, and those of their groups, are read from
    #: the server: ``acme/*``.
    variables: tuple[str, ...] = field(default=(), metadata=_read(texts, trusted=True))
    version: str = field(default="18.6.0", metadata=_read(text))
    #: Stands in for the dependency proxy, which mirrors Docker Hub.
    dependency_proxy: str = field(default="docker.io", metadata=_read(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesSection:
    """``[variables]``: where variables are read from and which are secret."""

    #: More files of ``KEY=VALUE``, relative to the repository.
    files: tuple[str, ...] = field(default=(), metadata=_read(texts))
    #: The variables file of gitlab-ci-local.
    gitlab_ci_local: str = field(
        default=".gitlab-ci-local-variables.yml", metadata=_read(text)
    )
    #: Patterns of further names whose values are secret, and of those that are not.
    mask: tuple[str, ...] = field(default=(), metadata=_read(texts))
    unmask: tuple[str, ...] = field(default=(), metadata=_read(texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. ``origins`` maps ``section.key`` to where its value came from."""

    engine: EngineSection = field(default_factory=EngineSection)
    registry: RegistrySection = field(default_factory=RegistrySection)
    run: RunSection = field(default_factory=RunSection)
    storage: StorageSection = field(default_factory=StorageSection)
    project: ProjectSection = field(default_factory=ProjectSection)
    include: IncludeSection = field(default_factory=IncludeSection)
    gitlab: GitlabSection = field(default_factory=GitlabSection)
    variables: VariablesSection = field(default_factory=VariablesSection)
    #: ``group/project`` to a local checkout, an absolute path.
    projects: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    origins: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), compare=False
    )

    def effective(self) -> dict[str, tuple[object, str]]:
        """Return ``section.key`` → value and origin, for ``spotci doctor``.

        The value of a secret is left out.
        """
        rows: dict[str, tuple[object, str]] = {}
        for section in SECTIONS:
            values = getattr(self, section)
            for key in dataclasses.fields(values):
                name = f"{section}.{key.name}"
                value = getattr(values, key.name)
                if name == "gitlab.token" and value is not None:
                    value = "[MASKED]"
                elif name == "engine.proxy" and value is not None:
                    value = _PASSWORD.sub(":[MASKED]@", value)
                rows[name] = (value, self.origins.get(name, "default"))
        for project, folder in self.projects.items():
            name = f"projects.{project}"
            rows[name] = (folder, self.origins.get(name, "default"))
        return rows


#: The sections by name, ``projects`` apart: its keys are free.
SECTIONS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "engine": EngineSection,
        "registry": RegistrySection,
        "run": RunSection,
        "storage": StorageSection,
        "project": ProjectSection,
        "include": IncludeSection,
        "gitlab": GitlabSection,
        "variables": VariablesSection,
    }
)
