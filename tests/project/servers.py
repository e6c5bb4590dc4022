"""HTTP servers and a proxy on the loopback for the tests of includes."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["CERTIFICATE", "Answer", "Server", "serve", "tunnel_to"]

#: Key and certificate, for the tests alone, of a server that is called localhost,
#: gitlab.com or gitlab.example.com, whichever is asked for.
CERTIFICATE = Path(__file__).with_name("localhost.pem")


@dataclass(frozen=True)
class Answer:
    """What a path gives; with ``drip`` byte by byte, so many seconds apart."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0


@dataclass
class Server:
    """A running server: ``requests`` are the paths and headers that were asked for.

    It answers what ``answers`` has for a path, or else ``route``, or else 404.
    """

    port: int
    answers: dict[str, Answer]
    route: Callable[[str, Mapping[str, str]], Answer | None] | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        found = self.answers.get(path)
        if found is None and self.route is not None:
            found = self.route(path, headers)
        return found or Answer(b"missing", 404)

    def url(self, path: str) -> str:
        return f"http://{self.authority}{path}"


@contextmanager
def serve(
    answers: Mapping[str, Answer],
    *,
    tls: bool = False,
    route: Callable[[str, Mapping[str, str]], Answer | None] | None = None,
) -> Iterator[Server]:
    """Serve answers by path, or those of ``route``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append((self.path, dict(self.headers)))
            answer = server.answer(self.path, dict(self.headers))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self._send(answer)
            except OSError:  # the client had enough
                return

        def _send(self, answer: Answer) -> None:
            if not answer.drip:
                self.wfile.write(answer.body)
                return
            for byte in answer.body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if server.stopped.wait(answer.drip):
                    return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        # Lazily: a client that refuses the certificate must not end the server.
        httpd.socket = context.wrap_socket(
            httpd.socket, server_side=True, do_handshake_on_connect=False
        )
    server = Server(httpd.server_address[1], dict(answers), route)
    with _running(httpd):
        try:
            yield server
        finally:
            server.stopped.set()


@contextmanager
def tunnel_to(server: Server) -> Iterator[str]:
    """Run a proxy that takes every CONNECT to one server; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            with socket.create_connection(("127.0.0.1", server.port)) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_copy, args=(there, self.connection))
                back.start()
                _copy(self.connection, there)
                back.join()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with _running(httpd):
        yield f"http://127.0.0.1:{httpd.server_address[1]}"


@contextmanager
def _running(httpd: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(
        target=httpd.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until one side ends, and tell the other."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # the other side has gone
        return
