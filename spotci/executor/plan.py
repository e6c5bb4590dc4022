"""What the executor is asked to do: a pipeline with the values of one run."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.executor.backend import Limits
from spotci.slugs import slugify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from spotci.executor.debug import Debugger
    from spotci.executor.elsewhere import Elsewhere
    from spotci.executor.manual import Player
    from spotci.pipeline import JobName, Pipeline
    from spotci.tree import SourceTree
    from spotci.variables import Variable

__all__ = ["EarlierJob", "RunOptions", "RunPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run; what ``spotci run`` offers as options."""

    concurrency: int = 4
    #: Manual jobs to play: names, or ``all``.
    manual: frozenset[str] = frozenset()
    #: Who is asked about the other manual jobs, in the end; None nobody.
    player: Player | None = None
    #: Jobs that the user named: they run even where they are manual or delayed.
    named: frozenset[JobName] = frozenset()
    fail_fast: bool = False
    #: Skip the waiting of ``when: delayed``.
    no_delay: bool = False
    #: Keep containers and workspaces of failed jobs.
    keep: bool = False
    #: Bound on the whole run.
    timeout: timedelta | None = None
    #: The project's timeout for a job that sets none.
    job_timeout: timedelta = timedelta(hours=1)
    default_image: str = "ruby:3.1"
    #: For images that do not say when they are pulled.
    pull_policy: str = "if-not-present"
    limits: Limits = field(default_factory=Limits)
    #: Start a real nested daemon for ``docker:dind`` services.
    nested_dind: bool = False
    #: Which jobs may command the engine: ``auto`` those that ask for Docker by an
    #: image or service, ``always`` all, ``never`` none.
    docker: str = "auto"
    #: Whether ``NO_PROXY`` is set and has to name the services of each job.
    proxied: bool = False
    #: Copy artifacts of passed jobs into the source tree, too.
    artifacts_to_source: bool = False
    #: Caches start empty and nothing is reused.
    ignore_caches: bool = False
    #: Seconds to wait for services to accept connections; negative waits not at all.
    services_timeout: float = 30.0
    #: Bytes of a job's log; what a job prints beyond them is dropped.
    output_limit: int = 1 << 30
    #: Seconds between SIGTERM and SIGKILL for a job that is stopped.
    stop_grace: float = 10.0
    #: Who looks into jobs, and where; None nobody.
    debugger: Debugger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierJob:
    """What a job of an earlier run handed on, for jobs that run without it.

    ``artifacts`` is the folder of its record; None where it handed on nothing, or,
    with ``lost``, where its artifacts are gone: who depends on them then fails.
    ``variables`` are those of its dotenv reports.
    """

    artifacts: Path | None = None
    variables: tuple[Variable, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run: its id, its pipeline, its sources and where its record goes.

    ``variables`` are those that exist for the runner alone (``CI_PIPELINE_ID``,
    ``CI_REGISTRY_PASSWORD``, ``CI_PROJECT_DIR``); those of the parser are in the
    jobs. ``record`` is the folder ``.spotci/runs/<id>`` on the host, which exists.
    """

    run: str
    pipeline: Pipeline
    tree: SourceTree
    record: Path
    sha: str = ""
    project_path: str = "local/project"
    variables: tuple[Variable, ...] = ()
    #: Whether the ref is protected: cache keys differ by it.
    protected: bool = True
    options: RunOptions = field(default_factory=RunOptions)
    #: What jobs that do not run this time handed on the last time.
    earlier: Mapping[JobName, EarlierJob] = field(
        default_factory=lambda: MappingProxyType({})
    )
    #: Knows what pipelines of other projects have left; None knows of none.
    elsewhere: Elsewhere | None = field(default=None, compare=False)
    #: Tells what the Dockerfiles of the tree are built from, for jobs that build
    #: images; it may read files, and is asked by these jobs alone.
    base_images: Callable[[], tuple[str, ...]] = field(default=tuple, compare=False)
    #: The name of each job in the record's folders.
    slugs: Mapping[JobName, str] = field(default_factory=lambda: MappingProxyType({}))

    def slug(self, job: JobName) -> str:
        """Return the name of a job in the record's folders and of its container."""
        return self.slugs.get(job) or slugify(job) or "job"

    @property
    def builds_dir(self) -> str:
        """``CI_BUILDS_DIR``."""
        return "/builds"

    @property
    def project_dir(self) -> str:
        """``CI_PROJECT_DIR``, where a job does not ask for another."""
        return f"{self.builds_dir}/{self.project_path}"
