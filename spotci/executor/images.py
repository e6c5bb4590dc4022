"""Names of images: what a service is called, and which images hold Docker."""

from __future__ import annotations

__all__ = ["host_names", "is_docker", "is_docker_service", "repository", "split_image"]


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
