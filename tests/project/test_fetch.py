from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from spotci.project.checkouts import MAX_BYTES
from spotci.project.fetch import Fetcher, FetchError, _bypasses
from tests.project.servers import CERTIFICATE, Answer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.project.servers import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with serve({"/a.yml": Answer(b"a: 1\n")}) as running:
        yield running


def fetcher(server: Server, **changes: Any) -> Fetcher:
    options: dict[str, Any] = {
        "environ": {},
        "allow_http": True,
        "allow_hosts": frozenset({server.authority}),
        "timeout": 5.0,
    }
    return Fetcher(**{**options, **changes})


def failure(fetch: Fetcher, url: str) -> str:
    with pytest.raises(FetchError) as caught:
        fetch.get(url)
    return str(caught.value)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host.replace(".", "").isdecimal():
            return real(host, port, *rest, **more)
        return [(socket.AF_INET, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_file_is_fetched(server: Server) -> None:
    found = fetcher(server).get(server.url("/a.yml"))

    assert found.body == b"a: 1\n"
    ((_, headers),) = server.requests
    assert headers["Host"] == server.authority


def test_a_host_may_be_allowed_without_a_port(server: Server) -> None:
    allowed = fetcher(server, allow_hosts=frozenset({"127.0.0.1"}))

    assert allowed.get(server.url("/a.yml")).body == b"a: 1\n"


def test_plain_http_is_refused(server: Server) -> None:
    assert failure(fetcher(server, allow_http=False), server.url("/a.yml")) == (
        "a blocked address: only https is allowed"
    )
    assert server.requests == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1", "localhost"),
        ("127.9.9.9", "localhost"),
        ("::1", "localhost"),
        ("::ffff:127.0.0.1", "localhost"),
        ("64:ff9b::7f00:1", "localhost"),
        ("2002:7f00:1::", "localhost"),
        ("0.0.0.0", "the local network"),  # noqa: S104 - not bound to
        ("10.0.0.1", "the local network"),
        ("172.16.0.1", "the local network"),
        ("192.168.1.1", "the local network"),
        ("100.64.0.1", "the local network"),
        ("169.254.169.254", "the local network"),
        ("fd00:ec2::254", "the local network"),
        ("fe80::1", "the local network"),
        ("224.0.0.1", "the local network"),
        ("255.255.255.255", "the local network"),
    ],
)
def test_addresses_that_are_not_public_are_refused(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    resolve_to(monkeypatch, address)

    found = failure(Fetcher(environ={}), "https://innocent.example/a.yml")

    assert found == f"a blocked address: requests to {message} are not allowed"


def test_one_address_that_is_not_public_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, "93.184.216.34", "10.0.0.1")

    assert "local network" in failure(Fetcher(environ={}), "https://x.example/")


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/a",
        "https://[::1]/a",
        "https://2130706433/",
        "https://0x7f.1/",
    ],
)
def test_every_spelling_of_the_loopback_is_refused(url: str) -> None:
    assert "requests to localhost" in failure(Fetcher(environ={}), url)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "gopher://example.com/a",
        "https://",
        "https://example.com:port/",
        "no address",
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert failure(Fetcher(environ={}), url) == "an address that is not valid"


def test_a_redirect_on_the_same_server_is_followed(server: Server) -> None:
    server.answers["/old"] = Answer(status=302, headers={"Location": "/a.yml"})

    assert fetcher(server).get(server.url("/old")).body == b"a: 1\n"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("file:///etc/passwd", "an address that is not valid"),
        (
            "http://localhost:1/",
            "a blocked address: requests to localhost are not allowed",
        ),
        (
            "http://127.0.0.1:1/",
            "a blocked address: requests to localhost are not allowed",
        ),
        ("//127.0.0.2/x", "a blocked address: requests to localhost are not allowed"),
        (
            "http://169.254.169.254/latest/meta-data/",
            "a blocked address: requests to the local network are not allowed",
        ),
    ],
)
def test_a_redirect_is_checked_like_the_first_address(
    server: Server, location: str, message: str
) -> None:
    server.answers["/old"] = Answer(status=302, headers={"Location": location})

    assert failure(fetcher(server), server.url("/old")) == message


def test_redirects_end(server: Server) -> None:
    server.answers["/loop"] = Answer(status=302, headers={"Location": "/loop"})

    assert failure(fetcher(server), server.url("/loop")) == "too many redirects"
    assert len(server.requests) == 6


def test_headers_do_not_go_along_to_another_server(server: Server) -> None:
    with serve({"/b": Answer(b"b")}) as other:
        server.answers["/old"] = Answer(
            status=302, headers={"Location": other.url("/b")}
        )
        both = frozenset({server.authority, other.authority})

        fetcher(server, allow_hosts=both).get(
            server.url("/old"), {"PRIVATE-TOKEN": "canary"}
        )

        assert "canary" in str(server.requests)
        assert "canary" not in str(other.requests)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_status(server: Server, status: int) -> None:
    server.answers["/x"] = Answer(status=status)

    with pytest.raises(FetchError) as caught:
        fetcher(server).get(server.url("/x"))

    assert str(caught.value) == f"HTTP code `{status}` error"
    assert (caught.value.status, caught.value.offline) == (status, False)


def test_a_body_without_end_is_cut(server: Server) -> None:
    server.answers["/big"] = Answer(b"x" * (MAX_BYTES + 1))

    assert failure(fetcher(server), server.url("/big")) == "its size: more than 2 MiB"


def test_a_server_that_drips_is_left(server: Server) -> None:
    server.answers["/drip"] = Answer(b"x" * 1000, drip=0.05)
    started = time.monotonic()

    assert (
        failure(fetcher(server, timeout=0.3), server.url("/drip")) == "a timeout error"
    )
    assert time.monotonic() - started < 3


def test_no_server(server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        authority = f"127.0.0.1:{unused.getsockname()[1]}"
        fetch = fetcher(server, allow_hosts=frozenset({authority}))

        with pytest.raises(FetchError) as caught:
            fetch.get(f"http://{authority}/")

    assert str(caught.value) == "a socket error"
    assert caught.value.offline


def test_every_address_is_tried(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing listens on the second address of the loopback.
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    fetch = fetcher(server, allow_hosts=frozenset({"two.example"}))

    assert fetch.get(f"http://two.example:{server.port}/a.yml").body == b"a: 1\n"


def test_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    assert failure(Fetcher(environ={}), "https://none.example/") == "a socket error"


def test_a_proxy_is_asked_by_name(server: Server) -> None:
    server.answers["http://public.example/a.yml"] = Answer(b"by proxy")
    fetch = fetcher(server, environ={"http_proxy": f"http://{server.authority}"})

    assert fetch.get("http://public.example/a.yml").body == b"by proxy"


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "169.254.169.254", "x.localhost"]
)
def test_a_proxy_is_not_asked_for_what_is_not_public(server: Server, host: str) -> None:
    fetch = fetcher(server, environ={"http_proxy": f"http://{server.authority}"})

    assert "blocked" in failure(fetch, f"http://{host}:1/")
    assert server.requests == []


@pytest.mark.parametrize(
    ("authority", "no_proxy", "expected"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.org, example.com", True),
        ("api.example.com", ".example.com", True),
        ("api.example.com", "example.com", True),
        ("notexample.com", "example.com", False),
        ("example.com:8443", "example.com", True),
        ("example.com:8443", "example.com:8443", True),
        ("example.com:8443", "example.com:1", False),
        ("example.com", "*", True),
        ("example.com", "", False),
        ("127.0.0.1", "127.0.0.1", True),
    ],
)
def test_no_proxy(authority: str, no_proxy: str, expected: bool) -> None:
    assert _bypasses(authority, no_proxy) is expected


class TestTls:
    @pytest.fixture
    def secure(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        with serve({"/a.yml": Answer(b"a: 1\n")}, tls=True) as running:
            yield running

    def test_the_certificate_is_that_of_the_name(
        self, secure: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Connected to is the address that was checked; the certificate has no address.
        resolve_to(monkeypatch, "127.0.0.1")
        url = f"https://localhost:{secure.port}/a.yml"
        allowed = frozenset({f"localhost:{secure.port}"})

        assert Fetcher(environ={}, allow_hosts=allowed).get(url).body == b"a: 1\n"
        ((_, headers),) = secure.requests
        assert headers["Host"] == f"localhost:{secure.port}"

    def test_a_certificate_of_another_name_is_refused(
        self, secure: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve_to(monkeypatch, "127.0.0.1")
        fetch = Fetcher(environ={}, allow_hosts=frozenset({"other.example"}))

        assert failure(fetch, f"https://other.example:{secure.port}/a.yml") == (
            "a socket error"
        )
        assert secure.requests == []
