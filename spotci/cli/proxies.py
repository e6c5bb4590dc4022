"""The proxy of the settings, as the variables that programs look at.

The engine's daemon gets them in its environment. The jobs get them as predefined
variables, so that the variables of a pipeline win, as over ``environment`` in the
configuration of gitlab-runner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.project.settings import Settings

__all__ = ["daemon_proxies", "job_proxies"]

#: What is never asked through a proxy: this machine and its registry.
_DIRECT = ("localhost", "127.0.0.1", "::1")
_ORIGIN = "engine.proxy"


def daemon_proxies(settings: Settings) -> dict[str, str]:
    """Return the variables of the engine's daemon."""
    proxy = settings.engine.proxy
    if proxy is None:
        return {}
    return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": _direct(settings)}


def job_proxies(settings: Settings) -> tuple[Variable, ...]:
    """Return the variables of the jobs, in both spellings since programs differ.

    A URL with a password is masked. The executor adds the services of each job to
    those of ``NO_PROXY``.
    """
    return tuple(
        Variable(
            name=spelling,
            value=value,
            level=Level.PREDEFINED,
            expand=False,
            masked=_has_password(value),
            origin=_ORIGIN,
        )
        for name, value in daemon_proxies(settings).items()
        for spelling in (name, name.lower())
    )


def _direct(settings: Settings) -> str:
    own = (settings.engine.no_proxy or "").split(",")
    return ",".join(_unique([*own, *_DIRECT]))


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _has_password(value: str) -> bool:
    return "://" in value and urlsplit(value).password is not None
