"""An engine in an office: its registries, mirror, proxy, authority, and volumes.

The servers are containers on the engine's network. All of them offer one image.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spotci.dind.containers import DockerEngine
from spotci.dind.engine import open_engine
from spotci.dind.images import open_images
from spotci.dind.lease import hold_lease
from spotci.dind.settings import ExtraVolume
from spotci.errors import EngineError, ImagePullError
from spotci.executor.backend import ContainerSpec
from tests.engine.real import (
    IMAGE,
    ExecShell,
    free_port,
    load_image,
    make_settings,
    quiet,
    remove_host_objects,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from docker.api.client import APIClient

    from spotci.dind.engine import DindEngine

pytestmark = pytest.mark.engine

#: Forwards what is asked of ``hidden.example``, which nobody else can resolve.
PROXY = """
import http.server, urllib.request

class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = self.path.replace("hidden.example", "plain.example")
        kept = {"Accept": ", ".join(self.headers.get_all("Accept", []))}
        with urllib.request.urlopen(urllib.request.Request(url, headers=kept)) as found:
            self.send_response(found.status)
            for name in ("Content-Type", "Docker-Content-Digest", "Content-Length"):
                if found.headers[name]:
                    self.send_header(name, found.headers[name])
            self.end_headers()
            self.wfile.write(found.read())

http.server.ThreadingHTTPServer(("", 3128), Proxy).serve_forever()
"""


@dataclass(frozen=True)
class Office:
    """Containers of the host on the engine's network."""

    host: APIClient
    network: str

    @contextmanager
    def server(self, name: str, image: str, **fields: Any) -> Iterator[str]:
        """Run a container that is called ``<name>.example`` in the network."""
        host, config = self.host, fields.pop("host_config", {})
        made = host.create_container(
            image,
            host_config=host.create_host_config(network_mode=self.network, **config),
            networking_config={
                "EndpointsConfig": {self.network: {"Aliases": [f"{name}.example"]}}
            },
            **fields,
        )
        try:
            host.start(made["Id"])
            yield str(made["Id"])
        finally:
            host.remove_container(made["Id"], v=True, force=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="spotci-test-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def authority(folder: Path) -> str:
    """The certificate of ``secure.example``, which is its own authority."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=office"),
            *("-addext", "subjectAltName=DNS:secure.example"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / "key.pem").chmod(0o644)
    return (folder / "cert.pem").read_text("ascii")


@pytest.fixture(scope="module")
async def engine(
    host: APIClient, folder: Path, authority: str
) -> AsyncIterator[DindEngine]:
    name = f"spot-ci-test-{free_port()}-office"
    settings = make_settings(
        name,
        folder / "state",
        registry_port=free_port(),
        mirrors=("http://plain.example:5000",),
        insecure_registries=("plain.example:5000", "hidden.example:5000"),
        ca_certificates=(authority,),
        proxies={
            "HTTP_PROXY": "http://proxy.example:3128",
            "NO_PROXY": "localhost,plain.example",
        },
        volumes=(ExtraVolume(source=str(folder), target="/office", read_only=True),),
    )
    engine = await open_engine(settings, progress=quiet)
    await load_image(engine, IMAGE)
    office = Office(host, settings.network)
    binds = {"binds": {str(folder): {"bind": "/office", "mode": "ro"}}}
    secure = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/office/cert.pem",
        "REGISTRY_HTTP_TLS_KEY": "/office/key.pem",
        "REGISTRY_HTTP_ADDR": "0.0.0.0:443",
    }
    try:
        with (
            office.server("plain", "registry:2") as plain,
            office.server(
                "secure",
                "registry:2",
                environment=secure,
                host_config={**binds, "volumes_from": [plain]},
            ),
            office.server("proxy", "python:3.12-slim", command=["python", "-c", PROXY]),
        ):
            pushed = "plain.example:5000/library/office:1"
            await ExecShell(engine.host, engine.container).run(
                'docker tag "$1" "$2" && docker push -q "$2" && docker rmi "$2"',
                *(IMAGE, pushed),
            )
            yield engine
    finally:
        engine.close()
        remove_host_objects(host, name)


async def pull(engine: DindEngine, name: str) -> str:
    async with open_images(engine) as images:
        return (await images.ensure(name, policy=["always"])).name


async def run(engine: DindEngine, script: str) -> str:
    """Run a script in the container of a job, and return what it printed."""
    shell = ExecShell(engine.host, engine.container)
    async with hold_lease(engine, "office"):
        jobs = DockerEngine(engine, "office", shell)
        spec = ContainerSpec(
            name="spot-ci-office", image=IMAGE, command=("sh",), stdin=True
        )
        container = await jobs.create(spec)
        async with jobs.start(container, stdin=script.encode()) as process:
            output = b"".join([chunk async for chunk in process.output])
            assert (await process.wait()).code == 0, output
    return output.decode()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("plain.example:5000/library/office:1", id="without TLS"),
        pytest.param("hidden.example:5000/library/office:1", id="through the proxy"),
        pytest.param("secure.example/library/office:1", id="of our authority"),
        pytest.param("office:1", id="of the mirror of Docker Hub"),
    ],
)
async def test_images_come_from(engine: DindEngine, name: str) -> None:
    assert await pull(engine, name) == name


async def test_a_registry_without_tls_is_refused_where_no_setting_names_it(
    engine: DindEngine,
) -> None:
    with pytest.raises(ImagePullError):
        await pull(engine, "proxy.example:3128/library/office:1")


async def test_jobs_trust_the_authority(engine: DindEngine, authority: str) -> None:
    output = await run(
        engine,
        'cat "$NODE_EXTRA_CA_CERTS"; ls "$GIT_SSL_CAPATH"; echo "$SSL_CERT_DIR"',
    )

    assert output.startswith(authority)
    *names, folders = output.removeprefix(authority).split()
    assert names[0] == "0.crt"
    assert any(name.endswith(".0") for name in names)
    assert folders == "/etc/ssl/certs:/etc/spot-ci/ca"


async def test_jobs_see_the_volumes_and_cannot_write_where_they_must_not(
    engine: DindEngine,
) -> None:
    script = "cat /office/cert.pem; touch /office/new 2>&1 || :"

    output = await run(engine, script)

    assert "BEGIN CERTIFICATE" in output
    assert "Read-only file system" in output


async def test_another_authority_makes_the_engine_anew(engine: DindEngine) -> None:
    heard: list[str] = []
    changed = replace(engine.settings, ca_certificates=("not a certificate",))

    with pytest.raises(EngineError, match="ended with exit code"):
        await open_engine(changed, progress=lambda text, *_: heard.append(text))

    assert heard[0] == f"settings changed: making {changed.name} anew"
