from __future__ import annotations

from http.client import RemoteDisconnected

import pytest
import requests
from docker import errors
from urllib3.exceptions import ProtocolError

from spotci.dind.library import translated
from spotci.errors import ContainerError, EngineError, EngineUnavailableError


def api_error(status: int, explanation: str) -> errors.APIError:
    response = requests.Response()
    response.status_code = status
    return errors.APIError("failed", response=response, explanation=explanation)


def disconnected() -> requests.exceptions.ConnectionError:
    inner = ProtocolError("Connection aborted.", RemoteDisconnected("gone away"))
    outer = requests.exceptions.ConnectionError(inner)
    inner.__context__ = RemoteDisconnected("gone away")
    outer.__context__ = inner
    return outer


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        pytest.param(
            api_error(409, "name taken"),
            ContainerError,
            "create container a: name taken",
            id="refused",
        ),
        pytest.param(
            disconnected(),
            EngineUnavailableError,
            "create container a: no answer: gone away\n"
            "hint: is the engine still running? see: spotci status",
            id="disconnected",
        ),
        pytest.param(
            requests.exceptions.ReadTimeout("slow"),
            EngineUnavailableError,
            "create container a: no answer: slow\n"
            "hint: is the engine still running? see: spotci status",
            id="timeout",
        ),
        pytest.param(
            errors.NullResource("no id"),
            ContainerError,
            "create container a: no id",
            id="library",
        ),
    ],
)
def test_errors_of_the_library_become_ours(
    fault: Exception, kind: type[EngineError], text: str
) -> None:
    with (
        pytest.raises(EngineError) as caught,
        translated("create container", "a", error=ContainerError),
    ):
        raise fault

    assert type(caught.value) is kind
    assert str(caught.value) == text
    assert caught.value.__cause__ is fault


def test_the_status_of_an_answer_is_kept() -> None:
    with pytest.raises(EngineError) as caught, translated("a", "b"):
        raise api_error(404, "no such thing")

    assert caught.value.status == 404


def test_other_errors_pass() -> None:
    with pytest.raises(LookupError), translated("a", "b"):
        raise LookupError
