from __future__ import annotations

import pytest

from spotci.cli.proxies import daemon_proxies, job_proxies
from spotci.project.settings import EngineSection, Settings
from spotci.variables import Level

PROXY = "http://proxy.example:3128"


def test_without_a_proxy_nothing_is_set() -> None:
    assert daemon_proxies(Settings()) == {}
    assert job_proxies(Settings()) == ()


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        (None, "localhost,127.0.0.1,::1"),
        ("localhost, .example.com,", "localhost,.example.com,127.0.0.1,::1"),
    ],
    ids=["default", "of the user"],
)
def test_this_machine_is_asked_directly(no_proxy: str | None, direct: str) -> None:
    settings = Settings(engine=EngineSection(proxy=PROXY, no_proxy=no_proxy))

    assert daemon_proxies(settings) == {
        "HTTP_PROXY": PROXY,
        "HTTPS_PROXY": PROXY,
        "NO_PROXY": direct,
    }


def test_jobs_get_both_spellings_below_their_own_variables() -> None:
    found = job_proxies(Settings(engine=EngineSection(proxy=PROXY)))

    assert {variable.name for variable in found} == {
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "no_proxy"),
    }
    assert {variable.level for variable in found} == {Level.PREDEFINED}
    assert not any(variable.masked or variable.expand for variable in found)


def test_a_url_with_a_password_is_masked() -> None:
    proxy = "http://ada:pa$$word@proxy.example:3128"

    found = job_proxies(Settings(engine=EngineSection(proxy=proxy)))

    assert {variable.value for variable in found if variable.masked} == {proxy}
    assert not any(variable.masked for variable in found if "no_" in variable.name)
