from __future__ import annotations

import pytest

from spotci.dind.job_defaults import with_defaults
from spotci.dind.settings import EngineSettings, ExtraVolume
from spotci.executor.backend import ContainerSpec, Mount

SPEC = ContainerSpec(
    name="job",
    image="busybox",
    environment={"A": "1"},
    mounts=(Mount(source="w", target="/builds/shop"),),
)


def test_without_settings_a_container_is_left_as_it_is() -> None:
    assert with_defaults(SPEC, EngineSettings()) is SPEC


def test_volumes_reach_every_container() -> None:
    settings = EngineSettings(
        volumes=(
            ExtraVolume(source="/srv/data", target="/data", read_only=True),
            ExtraVolume(source="models", target="/models"),
        )
    )

    made = with_defaults(SPEC, settings)

    assert made.mounts == (
        *SPEC.mounts,
        Mount(source="/mnt/spot-ci/0", target="/data", read_only=True),
        Mount(source="/mnt/spot-ci/1", target="/models"),
    )
    assert made.environment == SPEC.environment


def test_the_mounts_of_a_job_win() -> None:
    settings = EngineSettings(
        volumes=(ExtraVolume(source="/srv", target="/builds/shop"),)
    )

    assert with_defaults(SPEC, settings).mounts == SPEC.mounts


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "/etc/ssl/certs:/etc/spot-ci/ca"),
        ({"SSL_CERT_DIR": "/mine"}, "/mine"),
    ],
    ids=["added", "the job's own wins"],
)
def test_authorities_are_added_to_what_images_trust(
    given: dict[str, str], expected: str
) -> None:
    settings = EngineSettings(ca_certificates=("a certificate",))
    spec = ContainerSpec(name="job", image="busybox", environment=given)

    made = with_defaults(spec, settings)

    folder = "/etc/spot-ci/ca"
    assert made.mounts == (Mount(source=folder, target=folder, read_only=True),)
    assert made.environment == {
        "SSL_CERT_DIR": expected,
        "NODE_EXTRA_CA_CERTS": "/etc/spot-ci/ca/ca.pem",
        "GIT_SSL_CAPATH": "/etc/spot-ci/ca",
    }
