"""Images in the engine: backend.Images.

Where an image comes from, by policy::

    if-not-present   the engine; else the host engine; else its registry
    always           its registry
    never            the engine; else the host engine

The host engine is the developer's own. An image that was built or pulled there after
the engine got its image of that name takes the place of that, once a run: a run sees
one state of the developer's images.

``localhost:5000`` is another machine for the host engine than for the engine, so those
images come from the registry beside it and nowhere else. They are refreshed with
``if-not-present``, too, since what one job pushes is what the next is meant to run;
where the registry has nothing of that name, an image that a job has built serves. They
are pulled by digest, so that the tag stays what a job that is about to push has made
of it.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from spotci.dataclass import dataclass
from spotci.dind.image_facts import image_info, is_newer, suits_platform
from spotci.dind.image_transfer import copy_image, pull_image
from spotci.dind.references import Reference
from spotci.dind.registry_auth import has_helper, registry_auth
from spotci.dind.shared import shared_work
from spotci.dind.together import together
from spotci.errors import EngineError, ImagePullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from spotci.dind.daemon import Daemon
    from spotci.dind.engine import DindEngine
    from spotci.dind.settings import Progress
    from spotci.dind.shared import SharedWork
    from spotci.executor.backend import ImageInfo

__all__ = ["DockerImages", "open_images"]

_Found = dict[str, Any]

_BAD_REQUEST = 400
_NOT_FOUND = 404
_DEFAULT_POLICY = "if-not-present"

#: Transfers at once: more would only take bandwidth from one another.
_TRANSFERS = 4

_DENIED = ("denied", "unauthorized", "authentication required", "no basic auth")


@asynccontextmanager
async def open_images(
    engine: DindEngine, environ: Mapping[str, str] | None = None
) -> AsyncIterator[DockerImages]:
    """Give the images of an engine; leaving the block ends transfers under way.

    ``environ`` is this process's unless given: ``DOCKER_CONFIG`` is looked up there.
    """
    async with shared_work() as work:
        yield DockerImages(engine, work, os.environ if environ is None else environ)


@dataclass(slots=True, kw_only=True)
class _Session:
    """What the calls of one run share."""

    engine: DindEngine
    work: SharedWork
    environ: Mapping[str, str]
    transfers: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(_TRANSFERS)
    )
    #: Names and platforms that have been compared with the host engine's.
    compared: set[tuple[str, str | None]] = field(default_factory=set)
    #: Ids of images that have no name in the engine, such as those of digests.
    ids: dict[tuple[str, str | None], str] = field(default_factory=dict)


class DockerImages:
    """Gets images into the engine, each once however many jobs ask for it."""

    def __init__(
        self, engine: DindEngine, work: SharedWork, environ: Mapping[str, str]
    ) -> None:
        self._session = _Session(engine=engine, work=work, environ=environ)
        #: Ids of the images that jobs got.
        self.used: set[str] = set()

    async def ensure(
        self,
        name: str,
        *,
        policy: Sequence[str] = (),
        platform: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> ImageInfo:
        """Return an image that is in the engine now; see backend.Images.

        Raises ImagePullError with the answer of each policy, and of the registry.
        """
        request = _Request(self._session, name, platform, progress)
        failures: list[tuple[str, ImagePullError]] = []
        for wanted in policy or (_DEFAULT_POLICY,):
            try:
                found = await request.by_policy(wanted)
            except ImagePullError as failure:
                failures.append((wanted, failure))
            else:
                info = image_info(name, found)
                self.used |= {info.id} - {""}
                return info
        raise _all_failed(name, failures)

    async def offer(self, names: Sequence[str]) -> None:
        """Bring in those of these images that the host engine has; see the port."""

        async def one(name: str) -> None:
            with suppress(EngineError):
                await _Request(self._session, name, None, None).from_this_machine()

        await together(*(partial(one, name) for name in names))


class _Request:
    """One call of ``ensure``."""

    def __init__(
        self,
        session: _Session,
        name: str,
        platform: str | None,
        progress: Progress | None,
    ) -> None:
        self._session, self._platform, self._progress = session, platform, progress
        self._engine = session.engine
        self._reference = Reference.parse(name)
        self._name = self._reference.name
        self._key = (self._name, platform)
        port = self._engine.settings.registry_port
        self._is_ours = self._reference.is_on_loopback(port)

    async def by_policy(self, policy: str) -> _Found:
        match policy:
            case "always" if self._is_ours:
                return await self._from_our_registry(or_engine=False)
            case "always":
                return await self._pull(self._reference)
            case "if-not-present" if self._is_ours:
                return await self._from_our_registry(or_engine=True)
            case "if-not-present":
                found = await self.from_this_machine()
                return found or await self._pull(self._reference)
            case "never":
                found = await self.from_this_machine()
                if found is not None:
                    return found
                raise self._failure("it is not on this machine")
            case _:
                raise self._failure(f'unsupported pull policy "{policy}"')

    async def from_this_machine(self) -> _Found | None:
        """Return the engine's own image, or the host engine's, or None."""
        engine, compared = self._engine, self._session.compared
        known = self._session.ids.get(self._key, self._name)
        found = await self._inspect(engine.inner, known)
        if self._is_ours or (found is not None and self._key in compared):
            return found
        theirs = await self._inspect(engine.outer.daemon, self._name)
        if theirs is not None and (found is None or is_newer(theirs, found)):
            found = await self._take(theirs)
        compared.add(self._key)
        return found

    async def _take(self, theirs: _Found) -> _Found:
        """Copy an image of the host engine, or name one that is there already."""
        session, inner = self._session, self._engine.inner
        copies: list[str | None] = []

        async def copy(note: Progress) -> None:
            if await self._inspect(inner, theirs["Id"]) is not None:
                await self._name_it(theirs["Id"])
                return
            copies.append(await self._copy(theirs, note))

        await session.work.share(("copy", self._key), copy, self._progress)
        names = (self._name, theirs["Id"], *(name for name in copies if name))
        for name in names:
            found = await self._inspect(inner, name)
            if found is not None:
                if name != self._name:
                    session.ids[self._key] = found["Id"]
                return found
        raise self._failure("the engine has not kept it")

    async def _copy(self, theirs: _Found, note: Progress) -> str | None:
        host = self._engine.outer.daemon
        async with self._session.transfers:
            return await self._engine.inner.call(
                "take image",
                self._name,
                lambda client: copy_image(
                    host.client,
                    client,
                    self._name,
                    theirs.get("Size") or None,
                    note,
                ),
                abandon=True,
                error=ImagePullError,
            )

    async def _name_it(self, identity: str) -> None:
        """Give an image of the engine the name that is asked for, if it is a tag."""
        reference = self._reference
        if reference.tag is None:
            return
        await self._engine.inner.ask(
            "POST",
            f"/images/{identity}/tag",
            query={"repo": reference.repository, "tag": reference.tag},
            operation="tag image",
            subject=self._name,
            error=ImagePullError,
        )

    async def _from_our_registry(self, *, or_engine: bool) -> _Found:
        """Return what the registry beside the engine has; see the module."""
        inner = self._engine.inner
        try:
            digest = self._reference.digest or await self._digest()
        except ImagePullError:
            found = None
            if or_engine:
                found = await self._inspect(inner, self._name)
            if found is None:
                raise
            return found
        exact = self._reference.at(digest)
        found = await self._inspect(inner, exact.name)
        return found or await self._pull(exact)

    async def _digest(self) -> str:
        """Ask the registry, through the engine, what it has under the name."""
        found: _Found = await self._engine.inner.ask(
            "GET",
            f"/distribution/{self._name}/json",
            operation="pull image",
            subject=self._name,
            error=ImagePullError,
        )
        return str(found["Descriptor"]["digest"])

    async def _pull(self, reference: Reference) -> _Found:
        session = self._session

        async def pull(note: Progress) -> None:
            async with session.transfers:
                await self._pull_now(reference, note)

        key = ("pull", reference.name, self._platform)
        await session.work.share(key, pull, self._progress)
        session.ids.pop(self._key, None)
        session.compared.add(self._key)
        found = await self._inspect(self._engine.inner, reference.name)
        if found is None:
            raise self._failure(
                f"the registry's image is not for the platform {self._platform}"
            )
        return found

    async def _pull_now(self, reference: Reference, note: Progress) -> None:
        environ = self._session.environ
        registry = reference.registry
        auth: Mapping[str, str] = {}
        if not self._is_ours:
            auth = await to_thread.run_sync(registry_auth, environ, registry)
        try:
            await self._engine.inner.call(
                "pull image",
                self._name,
                lambda client: pull_image(
                    client,
                    reference,
                    platform=self._platform,
                    auth=auth,
                    note=note,
                ),
                abandon=True,
                error=ImagePullError,
            )
        except ImagePullError as failure:
            if not auth and _is_denied(failure):
                failure.hint = await to_thread.run_sync(
                    _login_hint, environ, registry, self._name
                )
            raise

    async def _inspect(self, daemon: Daemon, name: str) -> _Found | None:
        """Return what a daemon knows of an image, None where it has none that suits."""
        try:
            found: _Found = await daemon.ask(
                "GET",
                f"/images/{name}/json",
                operation="inspect image",
                subject=name,
                error=ImagePullError,
            )
        except ImagePullError as failure:
            # What is no name for an image cannot be there either.
            if failure.status in (_NOT_FOUND, _BAD_REQUEST):
                return None
            raise
        return found if suits_platform(found, self._platform) else None

    def _failure(self, message: str) -> ImagePullError:
        return ImagePullError(message, operation="pull image", subject=self._name)


def _is_denied(failure: ImagePullError) -> bool:
    text = failure.message.lower()
    return any(word in text for word in _DENIED)


def _login_hint(environ: Mapping[str, str], registry: str, name: str) -> str:
    if has_helper(environ, registry):
        return (
            f"credentials for {registry} are kept by a program that spotci does not"
            f" run: docker pull {name} gets the image, and spotci takes it from there"
        )
    return f"if it is a private image: docker login {registry}"


def _all_failed(
    name: str, failures: Sequence[tuple[str, ImagePullError]]
) -> ImagePullError:
    """Return one error for all policies that were tried."""
    _, last = failures[-1]
    if len(failures) == 1:
        return last
    answers = "; ".join(f"{policy}: {error.message}" for policy, error in failures)
    failure = ImagePullError(
        answers,
        operation="pull image",
        subject=name,
        status=last.status,
        hint=last.hint,
    )
    failure.__cause__ = last
    return failure
