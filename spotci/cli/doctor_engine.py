"""What ``spotci doctor`` says of Docker, the engine and the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spotci.cli.engine_settings import engine_settings
from spotci.cli.findings import Finding
from spotci.errors import EngineError, UsageError
from spotci.project.compose import services_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.dind.examine import Facts
    from spotci.dind.settings import EngineSettings
    from spotci.project import Project

__all__ = ["describe_facts", "examine_engine"]

_GIB = 1024**3
_LITTLE_MEMORY = 2 * _GIB
_DOCKER = {
    "never": "no job gets Docker",
    "ask": "jobs get Docker once you have allowed it, never without a terminal",
    "auto": "jobs that ask for Docker get it; on a terminal you are asked first",
    "always": "every job gets Docker, as good as root on this machine",
}


def examine_engine(project: Project) -> Iterator[Finding]:
    """Look at Docker, the engine, its registry, and what the settings say of them."""
    from spotci.dind.examine import examine  # noqa: PLC0415 - start-up time

    try:
        settings = engine_settings(project)
        facts = anyio.run(examine, settings)
    except (EngineError, UsageError) as error:
        yield Finding(
            what="docker",
            text=error.message,
            level="error",
            remedy=error.hint or "start Docker, or use --engine shell",
        )
        return
    yield from describe_facts(facts, settings)
    yield from _compose(project)
    yield Finding(what="isolation", text=_DOCKER[project.settings.engine.docker])
    if text := _network(settings):
        yield Finding(what="network", text=text)


def describe_facts(facts: Facts, settings: EngineSettings) -> Iterator[Finding]:
    """Say what has been found, with the remedies."""
    yield _host(facts)
    yield _engine(facts, settings)
    yield _registry(facts, settings)
    if settings.registry_mirror is not None:
        yield _mirror(facts, settings)


def _host(facts: Facts) -> Finding:
    from spotci.dind.fitness import is_fast  # noqa: PLC0415 - start-up time

    text = (
        f"{facts.version} at {facts.address}, {facts.storage_driver}, "
        f"{facts.cpus} processors, {facts.memory / _GIB:.1f} GiB"
    )
    remedy = ""
    if not is_fast(facts.storage_driver):
        remedy = (
            f"{facts.storage_driver} copies whole images: put Docker's data root on "
            "ext4, xfs or btrfs"
        )
    elif facts.memory < _LITTLE_MEMORY:
        remedy = "give Docker 2 GiB or more: the engine, its jobs and services share it"
    elif facts.rootless:
        remedy = (
            "a daemon without root can refuse what the engine needs; if it does not "
            "start, choose another by DOCKER_HOST or docker context use"
        )
    return _finding("docker", text, remedy)


def _engine(facts: Facts, settings: EngineSettings) -> Finding:
    status = facts.engine
    text = f"{status.name} is {status.state}"
    if facts.foreign:
        return Finding(
            what="engine",
            text=f"the container {status.name} is not yours",
            level="error",
            remedy="choose another name: engine.name, or SPOTCI_ENGINE_NAME",
        )
    if status.state == "silent":
        remedy = f"the next run restarts it; see: docker logs {status.name}"
        return _finding("engine", f"{text}: its daemon does not answer", remedy)
    if not facts.current:
        remedy = "the next run makes it anew, unless another run uses it"
        return _finding("engine", f"{text}, made from other settings", remedy)
    if status.state != "running":
        text += ", and starts with the next run"
        if not facts.has_image:
            text += f", which pulls {settings.image}"
        return _finding("engine", text)
    if settings.kind == "host":
        return _finding("engine", f"{text}: jobs run in your own Docker, beside yours")
    detail = f"Docker {status.version}, {status.storage_driver}"
    way = settings.transport if status.machine is None else "exec"
    return _finding("engine", f"{text}: {detail}, by {way}")


def _registry(facts: Facts, settings: EngineSettings) -> Finding:
    status, port = facts.engine, settings.registry_port
    elsewhere = (
        f"port {port} of this machine is taken by {facts.holder}; registry.port in "
        ".spotci.toml chooses another for all"
    )
    if status.state != "running" or not facts.current:
        text = f"starts with the engine, at localhost:{port}"
        return _finding("registry", text, elsewhere if facts.holder else "")
    if not status.registry_running:
        return _finding("registry", "does not run", "spotci registry start")
    if status.machine is not None:
        text = f"at localhost:{status.registry_port} of {status.machine}"
        return _finding("registry", f"{text}, at localhost:{port} in jobs")
    if status.registry_port == port:
        return _finding("registry", f"at localhost:{port}, here and in jobs")
    text = f"at localhost:{status.registry_port} here, at localhost:{port} in jobs"
    free = f"port {port} of this machine was taken; spotci clean, if it is free now"
    return _finding("registry", text, elsewhere if facts.holder else free)


def _mirror(facts: Facts, settings: EngineSettings) -> Finding:
    upstream = settings.registry_mirror
    if facts.mirror_running:
        return _finding("mirror", f"keeps what is pulled from {upstream}")
    if facts.engine.state != "running":
        return _finding("mirror", f"of {upstream} starts with the engine")
    remedy = f"does {upstream} answer? then: spotci registry start"
    return _finding("mirror", f"of {upstream} does not run", remedy)


def _compose(project: Project) -> Iterator[Finding]:
    port = project.settings.registry.port
    for service in services_at(project.root, port):
        profiles = (
            f", profile {', '.join(service.profiles)}" if service.profiles else ""
        )
        text = (
            f"the service {service.name} of {service.file}{profiles} wants port {port} "
            "of this machine"
        )
        remedy = (
            "jobs do not need it: spotci has a registry of its own; registry.port in "
            ".spotci.toml lets both run"
        )
        yield _finding("compose", text, remedy)


def _network(settings: EngineSettings) -> str:
    parts = {
        "proxy": settings.proxies.get("HTTP_PROXY", "").rpartition("@")[2],
        "mirrors": ", ".join(settings.mirrors),
        "without TLS": ", ".join(settings.insecure_registries),
        "authorities": str(len(settings.ca_certificates) or ""),
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items() if value)


def _finding(what: str, text: str, remedy: str = "") -> Finding:
    level = "warning" if remedy else "ok"
    return Finding(what=what, text=text, level=level, remedy=remedy)
