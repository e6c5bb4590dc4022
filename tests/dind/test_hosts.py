from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from spotci.dind.hosts import find_host
from spotci.dind.transport import Address
from spotci.errors import EngineUnavailableError


def write_context(config: Path, name: str, host: str, *, tls: bool = False) -> None:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = config / "contexts" / "meta" / digest
    meta.mkdir(parents=True)
    value = {"Name": name, "Endpoints": {"docker": {"Host": host}}}
    (meta / "meta.json").write_text(json.dumps(value))
    if tls:
        (config / "contexts" / "tls" / digest / "docker").mkdir(parents=True)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration of the docker command, of a user without a home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "docker"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        pytest.param({}, "unix:///var/run/docker.sock", id="nothing set"),
        pytest.param({"DOCKER_HOST": ""}, "unix:///var/run/docker.sock", id="empty"),
        pytest.param({"DOCKER_HOST": "unix:///x.sock"}, "unix:///x.sock", id="socket"),
        pytest.param(
            {"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "tcp://127.0.0.1:2375", id="tcp"
        ),
        pytest.param(
            {"DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "gone"},
            "unix:///x.sock",
            id="host beats context",
        ),
        pytest.param(
            {"DOCKER_CONTEXT": "default"}, "unix:///var/run/docker.sock", id="default"
        ),
        pytest.param({"DOCKER_CONTEXT": "desk"}, "unix:///desk.sock", id="context"),
    ],
)
def test_the_daemon_is_where_the_docker_command_looks(
    config: Path, environ: dict[str, str], url: str
) -> None:
    write_context(config, "desk", "unix:///desk.sock")

    assert find_host({"DOCKER_CONFIG": str(config), **environ}) == Address(url=url)


def test_the_current_context_is_taken(config: Path) -> None:
    write_context(config, "desk", "unix:///desk.sock")
    (config / "config.json").write_text(json.dumps({"currentContext": "desk"}))

    assert find_host({"DOCKER_CONFIG": str(config)}) == Address(url="unix:///desk.sock")


@pytest.mark.parametrize("text", ["[]", "{", '{"currentContext": 7}'])
def test_a_broken_configuration_is_ignored(config: Path, text: str) -> None:
    (config / "config.json").write_text(text)

    found = find_host({"DOCKER_CONFIG": str(config)})

    assert found == Address(url="unix:///var/run/docker.sock")


def test_an_override_beats_the_environment(config: Path) -> None:
    environ = {"DOCKER_CONFIG": str(config), "DOCKER_HOST": "unix:///x.sock"}

    assert find_host(environ, "unix:///y.sock") == Address(url="unix:///y.sock")


def test_certificates_of_the_environment_are_used(config: Path) -> None:
    environ = {"DOCKER_HOST": "tcp://localhost:2376", "DOCKER_TLS_VERIFY": "1"}

    assert find_host(environ | {"DOCKER_CERT_PATH": "/certs"}) == Address(
        url="tcp://localhost:2376", certificates=Path("/certs")
    )
    assert find_host(environ | {"DOCKER_CONFIG": str(config)}) == Address(
        url="tcp://localhost:2376", certificates=config
    )


def test_certificates_of_a_context_are_used(config: Path) -> None:
    write_context(config, "desk", "tcp://localhost:2376", tls=True)

    found = find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "desk"})

    digest = hashlib.sha256(b"desk").hexdigest()
    assert found.certificates == config / "contexts" / "tls" / digest / "docker"


@pytest.mark.parametrize(
    ("environ", "machine"),
    [
        pytest.param({"DOCKER_HOST": "ssh://me@there:2222/x.sock"}, "there", id="ssh"),
        pytest.param(
            {"DOCKER_HOST": "tcp://build.example.com:2376", "DOCKER_TLS_VERIFY": "1"},
            "build.example.com",
            id="TLS",
        ),
        pytest.param({"DOCKER_CONTEXT": "far"}, "far.example.com", id="context, ssh"),
        pytest.param({"DOCKER_CONTEXT": "safe"}, "10.0.0.7", id="context, TLS"),
    ],
)
def test_a_daemon_elsewhere(
    config: Path, environ: dict[str, str], machine: str
) -> None:
    write_context(config, "far", "ssh://far.example.com")
    write_context(config, "safe", "tcp://10.0.0.7:2376", tls=True)

    found = find_host({"DOCKER_CONFIG": str(config), **environ})

    assert found.machine == machine


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param(
            "tcp://build.example.com:2375",
            "the Docker daemon at tcp://build.example.com:2375 is on another machine,"
            " without TLS\nhint: whoever reaches that port commands the machine: use"
            " TLS, with DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH or a context that has"
            " certificates, or ssh://user@host",
            id="without TLS",
        ),
        pytest.param(
            "npipe:////./pipe/docker",
            'the Docker daemon at npipe:////./pipe/docker: "npipe" is not supported\n'
            "hint: supported are unix://, tcp:// and ssh://",
            id="pipe of Windows",
        ),
        pytest.param(
            "ssh://me:c4nary@there",
            "the Docker daemon is to be reached by ssh: its address must be"
            " ssh://[user@]host[:port][/socket]\nhint: ssh asks no password here: use"
            " an agent, or a key in ~/.ssh/config",
            id="password",
        ),
    ],
)
def test_a_way_that_is_not_taken(url: str, message: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        find_host({"DOCKER_HOST": url})

    assert str(caught.value) == message


def test_an_unknown_context_is_refused(config: Path) -> None:
    message = 'the Docker context "gone" cannot be read\nhint: see: docker context ls'

    with pytest.raises(EngineUnavailableError, match=f"^{re.escape(message)}$"):
        find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "gone"})


def test_a_rootless_daemon_is_found(config: Path, tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    environ = {"DOCKER_CONFIG": str(config), "XDG_RUNTIME_DIR": str(tmp_path)}

    found = find_host(environ).url

    # Where this machine has a daemon at the usual place, that comes first.
    assert found in (f"unix://{tmp_path}/docker.sock", "unix:///var/run/docker.sock")
