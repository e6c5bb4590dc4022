from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

import pytest

from spotci.cli.registry import catalogue
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Registry(BaseHTTPRequestHandler):
    """Answers as a registry with two pages of names does."""

    answers: ClassVar[dict[str, object]] = {
        "/v2/_catalog?n=500": {"repositories": ["shop/api"]},
        "/v2/_catalog?last=shop&n=500": {"repositories": ["shop/web", "shop/empty"]},
        "/v2/shop/api/tags/list": {"name": "shop/api", "tags": ["v2", "latest"]},
        "/v2/shop/web/tags/list": {"name": "shop/web", "tags": None},
    }

    def do_GET(self) -> None:
        answer = self.answers.get(self.path)
        self.send_response(404 if answer is None else 200)
        if self.path == "/v2/_catalog?n=500":
            self.send_header("Link", '</v2/_catalog?last=shop&n=500>; rel="next"')
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_images_of_all_pages_with_their_tags(url: str) -> None:
    assert catalogue(url) == {
        "shop/api": ("latest", "v2"),
        "shop/web": (),
        "shop/empty": (),
    }


def test_a_registry_that_does_not_answer() -> None:
    with pytest.raises(EngineError, match="hint: spotci registry start"):
        catalogue("http://127.0.0.1:1")
