"""Fetches a URL of an include, trusting neither the URL nor the server.

The address is looked up first, checked, and then connected to: between the check and
the connection no other answer of the name server can slip in. Each redirect is checked
like the first URL. Loopback, private, link-local (the metadata services of clouds) and
reserved addresses are refused unless the user's settings name the host and port.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from spotci.dataclass import dataclass
from spotci.errors import SpotciError
from spotci.project.checkouts import MAX_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    import httpx

__all__ = ["FetchError", "Fetched", "Fetcher"]

_MAX_REDIRECTS = 5
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: An IPv4 address behind NAT64 is one of IPv6.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_FIRST_ERROR = 400


class FetchError(SpotciError):
    """A URL cannot be fetched; the text completes "could not be fetched because of".

    ``status`` is the HTTP status where there was one, ``offline`` says that no server
    answered, so that an older copy may stand in; ``unreachable`` that another address
    of it may answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        offline: bool = False,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.offline, self.unreachable = status, offline, unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer: its body, and its headers with names in lower case."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Address:
    """A URL that was checked; ``ips`` is empty where a proxy resolves the name."""

    url: str
    scheme: str
    host: str
    port: int
    ips: tuple[str, ...] = ()

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = _DEFAULT_PORTS[self.scheme] == self.port
        return name if usual else f"{name}:{self.port}"


@dataclass(slots=True, kw_only=True)
class Fetcher:
    """Fetches with the limits of the settings.

    ``allow_hosts`` are ``host`` or ``host:port`` entries that may have any address;
    ``timeout`` bounds the whole of a fetch, redirects included, in seconds.
    """

    environ: Mapping[str, str]
    allow_http: bool = False
    allow_hosts: frozenset[str] = frozenset()
    timeout: float = 30.0
    _tls: ssl.SSLContext | None = field(default=None, init=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """Fetch a URL; raises FetchError.

        ``headers`` go to the server of the URL alone, never along with a redirect to
        another one.
        """
        deadline = time.monotonic() + self.timeout
        first = address = self._checked(url)
        for _ in range(_MAX_REDIRECTS + 1):
            same = (first.scheme, first.authority) == (
                address.scheme,
                address.authority,
            )
            answer = self._ask(address, headers or {} if same else {}, deadline)
            if isinstance(answer, Fetched):
                return answer
            address = self._checked(urljoin(address.url, answer))
        raise FetchError("too many redirects")

    def _ask(
        self, address: _Address, headers: Mapping[str, str], deadline: float
    ) -> Fetched | str:
        """Return the answer, or where it redirects to; tries all of its addresses."""
        urls = _pinned(address)
        for url in urls[:-1]:
            try:
                return self._request(address, url, headers, deadline)
            except FetchError as error:
                if not error.unreachable:
                    raise
        return self._request(address, urls[-1], headers, deadline)

    def _request(
        self, address: _Address, url: str, headers: Mapping[str, str], deadline: float
    ) -> Fetched | str:
        import httpx  # noqa: PLC0415 - start-up time

        try:
            with (
                self._client(address) as client,
                client.stream(
                    "GET",
                    url,
                    headers={
                        **headers,
                        "Host": address.authority,
                        "Accept-Encoding": "identity",
                    },
                    extensions={"sni_hostname": address.host},
                    timeout=max(0.001, deadline - time.monotonic()),
                ) as response,
            ):
                if response.has_redirect_location:
                    return response.headers["location"]
                if response.status_code >= _FIRST_ERROR:
                    status = response.status_code
                    raise FetchError(f"HTTP code `{status}` error", status=status)
                body = b"".join(_limited(response.iter_bytes(), deadline))
                return Fetched(body=body, headers=dict(response.headers))
        except httpx.TimeoutException:
            raise FetchError("a timeout error", offline=True) from None
        except httpx.ConnectError:
            raise FetchError("a socket error", offline=True, unreachable=True) from None
        except httpx.TransportError:
            raise FetchError("a socket error", offline=True) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise FetchError("HTTP error") from None

    def _client(self, address: _Address) -> httpx.Client:
        import httpx  # noqa: PLC0415 - start-up time

        if self._tls is None and address.scheme == "https":
            self._tls = httpx.create_ssl_context()
            # The authorities of the machine, too: that of a company stands there.
            self._tls.load_default_certs()
        return httpx.Client(
            verify=self._tls if self._tls is not None else False,
            proxy=self._proxy(address.scheme, address.authority),
            trust_env=False,
            follow_redirects=False,
        )

    def _checked(self, url: str) -> _Address:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise FetchError("an address that is not valid") from None
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise FetchError("an address that is not valid")
        if parts.scheme == "http" and not self.allow_http:
            raise FetchError("a blocked address: only https is allowed")
        port = port or _DEFAULT_PORTS[parts.scheme]
        address = _Address(url, parts.scheme, host, port)
        free = not self.allow_hosts.isdisjoint({host, f"{host}:{port}"})
        if self._proxy(parts.scheme, address.authority) is not None:
            if not free:
                _check_name(host)
            return address
        ips = _look_up(host, port, any_address=free)
        return _Address(url, parts.scheme, host, port, ips)

    def _proxy(self, scheme: str, authority: str) -> str | None:
        value = self._variable(f"{scheme}_proxy") or self._variable("all_proxy")
        if value is None:
            return None
        if _bypasses(authority, self._variable("no_proxy") or ""):
            return None
        return value if "://" in value else f"http://{value}"

    def _variable(self, name: str) -> str | None:
        # HTTP_PROXY in capitals can be a header of a CGI request; git ignores it, too.
        if name != "http_proxy" and (found := self.environ.get(name.upper())):
            return found
        return self.environ.get(name) or None


def _bypasses(authority: str, no_proxy: str) -> bool:
    host = authority.rpartition(":")[0] if authority[-1].isdigit() else authority
    for entry in no_proxy.split(","):
        name = entry.strip().lstrip(".")
        if name == "*" or (name and f".{authority}".endswith(f".{name}")):
            return True
        if name and f".{host or authority}".endswith(f".{name}"):
            return True
    return False


def _pinned(address: _Address) -> list[str]:
    if not address.ips:
        return [address.url]
    parts = urlsplit(address.url)
    hosts = [f"[{ip}]" if ":" in ip else ip for ip in address.ips]
    return [
        parts._replace(netloc=f"{host}:{address.port}", fragment="").geturl()
        for host in hosts
    ]


def _limited(chunks: Iterator[bytes], deadline: float) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            raise FetchError(f"its size: more than {MAX_BYTES >> 20} MiB")
        # A server that drips never runs into the timeout of a single read.
        if time.monotonic() > deadline:
            raise FetchError("a timeout error", offline=True)
        yield chunk


def _look_up(host: str, port: int, *, any_address: bool) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FetchError("a socket error", offline=True) from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not any_address:
        # One forbidden address is enough: a name with two answers could lead either
        # way at the next try.
        for ip in addresses:
            _check_ip(ip)
    return tuple(dict.fromkeys(addresses))


def _check_name(host: str) -> None:
    if host == "localhost" or host.endswith(".localhost"):
        raise FetchError("a blocked address: requests to localhost are not allowed")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    _check_ip(host)


def _check_ip(text: str) -> None:
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = embedded or ip
    if ip.is_loopback:
        raise FetchError("a blocked address: requests to localhost are not allowed")
    if not ip.is_global or ip.is_multicast:
        raise FetchError(
            "a blocked address: requests to the local network are not allowed"
        )
