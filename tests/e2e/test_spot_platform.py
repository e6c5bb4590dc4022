"""The SPOT platform's pipeline, run as its developers run it, on the real engine."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from typing import TYPE_CHECKING

import docker
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SERVICES = ("api-gateway", "auth-service", "email-analyzer")
IMAGES = sorted(
    f"spot/spot-platform/{name}" for name in ("base", "devtools", *SERVICES)
)
MANUAL = {"security-scan", "deploy-staging"}


def matrix(job: str) -> set[str]:
    return {f"{job}: [{service}]" for service in SERVICES}


def tree(root: Path) -> dict[str, tuple[int, str]]:
    """Return every file outside ``.git`` and ``.spotci``, with mode and content."""
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", ".spotci")]
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118 - os.walk gives texts
            with open(path, "rb") as file:  # noqa: PTH123 - the same
                digest = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, root)] = (os.stat(path).st_mode, digest)  # noqa: PTH116
    return found


def catalogue(environ: dict[str, str]) -> list[str]:
    port = environ["SPOTCI_REGISTRY_PORT"]
    url = f"http://localhost:{port}/v2/_catalog"
    with urllib.request.urlopen(url, timeout=10) as answer:
        names: list[str] = json.load(answer)["repositories"]
    # Other tests have pushed to the same registry, for projects of their own.
    return sorted(name for name in names if name.startswith("spot/spot-platform/"))


def host_objects(environ: dict[str, str]) -> dict[str, list[str]]:
    """Return what of ours is on the host engine."""
    name = environ["SPOTCI_ENGINE_NAME"]
    client = docker.from_env().api
    try:
        # Lists alone: an object of somebody else may go while it is looked at.
        containers = client.containers(all=True)
        found: dict[str, list[str]] = {
            "containers": [each["Names"][0].lstrip("/") for each in containers],
            "volumes": [each["Name"] for each in client.volumes()["Volumes"] or ()],
            "networks": [each["Name"] for each in client.networks()],
        }
    finally:
        client.close()
    return {
        kind: sorted(n for n in names if name in n) for kind, names in found.items()
    }


def test_the_whole_pipeline(spot: Project) -> None:
    before = tree(spot.root)

    run = spot.run()

    assert {job for job, status in run.statuses.items() if status == "manual"} == MANUAL
    others = {job: s for job, s in run.statuses.items() if job not in MANUAL}
    assert set(others.values()) == {"success"}
    assert matrix("build-services") | matrix("test-services") <= set(others)
    assert "deploy-production" not in run.statuses
    assert run.finished["status"] == "success"

    assert catalogue(spot.environ) == IMAGES
    gateway = run.results["test-services: [api-gateway]"]
    assert gateway["coverage"] == 100.0
    assert gateway["tests"] == {"total": 5}
    assert run.results["test-integration"]["tests"] == {"total": 6}
    assert "self-test: 200 ok" in run.log("test-image")

    artifacts = list((spot.root / ".spotci" / "runs").glob("*/artifacts"))
    assert len(artifacts) == 1
    files = {path.name for path in artifacts[0].rglob("*") if path.is_file()}
    assert {"api-gateway.json", "api-gateway.junit.xml", "index.html"} <= files

    assert tree(spot.root) == before
    assert spot.git("status", "--porcelain") == ""
    name = spot.environ["SPOTCI_ENGINE_NAME"]
    registry = spot.environ["SPOTCI_REGISTRY_NAME"]
    assert host_objects(spot.environ)["containers"] == sorted([name, registry])


def test_one_matrix_job_runs_with_what_it_needs_and_nothing_else(spot: Project) -> None:
    run = spot.run("--job", "test-services: [api-gateway]")

    assert run.statuses == dict.fromkeys(
        [
            "base",
            "devtools",
            "validate-dependencies",
            "build-services: [api-gateway]",
            "test-services: [api-gateway]",
        ],
        "success",
    )


def test_a_release_tag_offers_production_and_a_branch_does_not(spot: Project) -> None:
    def names(*arguments: str) -> set[str]:
        listed = json.loads(spot.spotci("list", "--format", "json", *arguments))
        return {job["name"] for job in listed["jobs"] if job["when"] == "manual"}

    assert names() == {"security-scan", "deploy-staging"}
    assert names("--tag", "v1.2.3") == {"security-scan", "deploy-production"}
    assert names("--branch", "topic") == {"security-scan"}
    assert names("--branch", "release/2.0") == {"security-scan", "deploy-staging"}


def test_a_manual_deployment_is_played_by_name(spot: Project) -> None:
    run = spot.run("--manual", "deploy-staging")

    assert run.statuses["deploy-staging"] == "success"
    assert run.statuses["security-scan"] == "manual"
    assert "deployed development to staging" in run.log("deploy-staging")
    records = list(spot.root.glob(".spotci/runs/*/artifacts/*/deployments/*.json"))
    assert json.loads(records[0].read_text())["environment"] == "staging"


def test_a_mistyped_stage_is_shown_with_its_place_and_starts_nothing(
    spot: Project,
) -> None:
    path = spot.root / ".gitlab" / "ci" / "stages" / "08-documentation.yml"
    path.write_text(path.read_text().replace("documentation\n", "documentatoin\n", 1))
    before = host_objects(spot.environ)

    spot.spotci("run", code=2)

    assert spot.last is not None
    place = ".gitlab/ci/stages/08-documentation.yml:3:10: error: "
    assert place in spot.last.stderr
    assert "  stage: documentatoin\n" in spot.last.stderr
    assert 'hint: did you mean "documentation"?' in spot.last.stderr
    assert host_objects(spot.environ) == before


def test_without_docker_the_remedy_is_said(spot: Project, tmp_path: Path) -> None:
    spot.environ = spot.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}

    spot.spotci("run", code=3)

    assert spot.last is not None
    assert "DOCKER_HOST" in spot.last.stderr
    assert "--engine shell" in spot.last.stderr


def test_clean_leaves_nothing(spot: Project) -> None:
    spot.spotci("up")
    assert host_objects(spot.environ)["containers"]

    spot.spotci("clean")

    assert host_objects(spot.environ) == {
        "containers": [],
        "volumes": [],
        "networks": [],
    }
