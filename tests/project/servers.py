"""HTTP servers on the loopback for the tests of includes."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CERTIFICATE", "Answer", "Server", "serve"]

#: Key and certificate, for the tests alone, of a server that is called localhost.
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
    """A running server: ``requests`` are the paths and headers that were asked for."""

    port: int
    answers: dict[str, Answer]
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def url(self, path: str) -> str:
        return f"http://{self.authority}{path}"


@contextmanager
def serve(answers: Mapping[str, Answer], *, tls: bool = False) -> Iterator[Server]:
    """Serve answers by path; any other path is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append((self.path, dict(self.headers)))
            answer = server.answers.get(self.path, Answer(b"missing", 404))
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
    server = Server(httpd.server_address[1], dict(answers))
    thread = threading.Thread(
        target=httpd.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()
