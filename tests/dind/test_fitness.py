from __future__ import annotations

import pytest

from spotci.dind.fitness import check_engine, check_host, is_fast
from spotci.dind.settings import EngineSettings
from spotci.errors import EngineError, EngineUnavailableError

SETTINGS = EngineSettings()


@pytest.mark.parametrize(
    "version", ["20.10.0", "26.1.5+dfsg1", "28.2.2", "29.0.0-rc.1", "master-dev", ""]
)
def test_daemons_that_will_do(version: str) -> None:
    check_host(version)
    check_engine(SETTINGS, version=version, driver="overlay2")


@pytest.mark.parametrize("version", ["1.13.1", "17.06.0-ce", "19.03.15", "20.9.1"])
def test_daemons_that_are_too_old(version: str) -> None:
    with pytest.raises(EngineUnavailableError) as host:
        check_host(version)
    with pytest.raises(EngineError) as engine:
        check_engine(SETTINGS, version=version, driver="overlay2")

    assert str(host.value) == (
        f"Docker {version} of this machine is too old\n"
        "hint: install Docker 20.10 or newer: https://docs.docker.com/engine/install"
    )
    assert str(engine.value) == (
        f"use engine spot-ci-dind: Docker {version} of the image docker:28-dind is too"
        ' old\nhint: choose a newer one by engine.image, such as "docker:28-dind"'
    )


@pytest.mark.parametrize(
    ("driver", "fast"),
    [("overlay2", True), ("overlayfs", True), ("vfs", False), ("devicemapper", False)],
)
def test_storage_drivers(driver: str, *, fast: bool) -> None:
    assert is_fast(driver) is fast
    if fast:
        check_engine(SETTINGS, version="28.2.2", driver=driver)
        return
    with pytest.raises(EngineError) as caught:
        check_engine(SETTINGS, version="28.2.2", driver=driver)
    assert f'the engine stores layers with "{driver}"' in str(caught.value)
    assert "the volume spot-ci-dind-data has to lie on ext4" in str(caught.value.hint)
