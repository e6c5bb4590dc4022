"""Names of images: what a service is called, and what of Docker a job uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.pipeline import Job

__all__ = [
    "host_names",
    "is_docker",
    "is_docker_service",
    "repository",
    "split_image",
    "talks_to_registry",
]


def split_image(name: str) -> tuple[str, str]:
    """Return the name of an image without tag and digest, and the tag."""
    bare = name.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", tag


def repository(name: str) -> str:
    """Return the last part of an image's name: ``docker`` of ``docker:28-dind``."""
    return split_image(name)[0].rpartition("/")[2]


def host_names(image: str) -> tuple[str, ...]:
    """Return the host names that a service gets from its image.

    ``registry.example.com:5000/ns/img:1`` gives ``registry.example.com__ns__img`` and
    ``registry.example.com-ns-img``: without tag and port, the slashes replaced.
    """
    bare, _ = split_image(image)
    registry, slash, rest = bare.partition("/")
    if slash:
        bare = f"{registry.partition(':')[0]}/{rest}"
    names = dict.fromkeys((bare.replace("/", "__"), bare.replace("/", "-")))
    return tuple(name for name in names if name)


def is_docker(image: str) -> bool:
    """Return whether a job of this image means to command Docker."""
    return repository(image) == "docker"


def is_docker_service(image: str) -> bool:
    """Return whether a service of this image is a Docker daemon."""
    return is_docker(image) or "dind" in image.rpartition("/")[2]


def talks_to_registry(job: Job, values: Mapping[str, str]) -> bool:
    """Return whether a script means the local registry, by its name or address.

    ``values`` are those of the job's variables.
    """
    address = values.get("CI_REGISTRY", "")
    lines = (*job.before_script, *job.script, *job.after_script)
    return address.startswith("localhost") and any(
        "CI_REGISTRY" in line or address in line for line in lines
    )
