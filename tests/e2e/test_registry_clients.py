"""HTTP clients in a job reach the registry at the address that ``docker push`` uses."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import committed
from tests.e2e.project import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

#: skopeo makes an image of a plain archive, copies it as a pipeline promotes one, and
#: curl asks the registry's API; neither knows of Docker.
PIPELINE = dedent("""\
    promote:
      image: debian:trixie-slim
      before_script:
        - apt-get update -qq
        - apt-get install -qq -y --no-install-recommends curl skopeo >/dev/null
      script:
        - tar -cf /tmp/made.tar message
        - export IMAGE="docker://$CI_REGISTRY_IMAGE/made"
        - skopeo --insecure-policy copy -q --dest-tls-verify=false
          tarball:/tmp/made.tar "$IMAGE:v1"
        - skopeo --insecure-policy copy -q --src-tls-verify=false
          --dest-tls-verify=false "$IMAGE:v1" "$IMAGE:latest"
        - curl -fsS "http://$CI_REGISTRY/v2/${CI_REGISTRY_IMAGE#*/}/made/tags/list"
    """)


def test_skopeo_and_curl_reach_the_registry(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    (root / ".gitlab-ci.yml").write_text(PIPELINE)
    (root / "message").write_text("from the source\n")
    shop = committed(Project(root, environ), "spot/shop")

    run = shop.run()

    assert run.statuses == {"promote": "success"}
    assert '"tags":[' in run.log("promote")
    assert "spot/shop/made  latest, v1" in shop.spotci("registry", "list")
