"""What one attempt of a job is to have in the engine, before any of it is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotci.errors import EngineError
from spotci.executor.images import talks_to_registry
from spotci.executor.resources import JobResources
from spotci.executor.services import resolve_services
from spotci.pipeline import Image

if TYPE_CHECKING:
    from spotci.executor.backend import Backend
    from spotci.executor.emit import Emit
    from spotci.executor.job_variables import JobVariables
    from spotci.executor.plan import RunPlan
    from spotci.executor.trace import Trace
    from spotci.pipeline import Job

__all__ = ["plan_resources"]


async def plan_resources(
    job: Job,
    number: int,
    plan: RunPlan,
    variables: JobVariables,
    *,
    backend: Backend,
    emit: Emit,
    trace: Trace,
) -> tuple[JobResources, JobVariables]:
    """Return what attempt ``number`` of a job has, and tell of it in the log.

    Its variables come with it: no proxy stands between a job and its services. Raises
    EngineError where the name of its image is empty.
    """
    image = job.image or Image(name=plan.options.default_image)
    image = replace(image, name=variables.expand(image.name).strip())
    if not image.name:
        raise EngineError("invalid image reference: the name is empty")
    if backend.containers:
        await trace.line(f"Using Docker executor with image {image.name} ...")
        services, warnings = resolve_services(job.services, variables)
        if plan.options.proxied:
            names = [name for service in services for name in service.aliases]
            variables = variables.without_proxy(names)
            services, warnings = resolve_services(job.services, variables)
    else:
        await trace.line("Using Shell (sh) executor...")
        services, warnings = (), _no_services(job)
    for warning in warnings:
        await trace.warning(warning)
    for service in services:
        await trace.line(f"Starting service {service.image}...")
    suffix = "" if number == 1 else f"-{number}"
    resources = JobResources(
        backend=backend,
        plan=plan,
        emit=emit,
        trace=trace,
        name=f"spot-ci-{plan.run}-{plan.slug(job.name)}{suffix}",
        labels={"spotci.run": plan.run, "spotci.job": job.name},
        image=image,
        services=services,
        registry=talks_to_registry(job, variables.values),
    )
    return resources, variables


def _no_services(job: Job) -> tuple[str, ...]:
    return tuple(
        f"Service {service.name} is not started: there are no containers"
        for service in job.services
    )
