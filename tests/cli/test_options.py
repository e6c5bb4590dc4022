from __future__ import annotations

import pytest

from spotci.cli.options import Chosen
from spotci.errors import UsageError


def test_values_for_the_project_layer() -> None:
    chosen = Chosen(
        event="merge_request",
        target_branch="main",
        variable=("A=1", "B=x=y", "FROM_ENV", "EMPTY="),
        env_file=("ci.env",),
        input=("version=3",),
        changed=("a.py",),
        full=True,
    )

    options = chosen.context_options({"FROM_ENV": "value"})

    assert options.event == "merge_request"
    assert options.variables == {"A": "1", "B": "x=y", "FROM_ENV": "value", "EMPTY": ""}
    assert options.inputs == {"version": "3"}
    assert (options.env_files, options.changed) == (("ci.env",), ("a.py",))
    assert options.full


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        pytest.param(
            Chosen(variable=("GONE",)),
            "--variable GONE: there is no such variable in the environment\n"
            "set it, or write --variable GONE=VALUE",
            id="not in the environment",
        ),
        pytest.param(
            Chosen(variable=("=x",)),
            '--variable must be NAME=VALUE, not "=x"',
            id="no name",
        ),
        pytest.param(
            Chosen(input=("x",)), '--input must be NAME=VALUE, not "x"', id="no value"
        ),
        pytest.param(
            Chosen(changed=("a",), changed_since="main"),
            "--changed and --changed-since cannot be used together",
            id="two kinds of changes",
        ),
    ],
)
def test_wrong_values(chosen: Chosen, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen.context_options({})

    assert str(caught.value) == message


def test_the_arguments_again_hold_no_secret() -> None:
    chosen = Chosen(
        event="tag",
        tag="v1",
        variable=("A=1", "API_TOKEN=s3cr3t", "DB_PASSWORD=short"),
        changed_since="main",
        full=True,
    )

    assert chosen.arguments() == (
        "--event", "tag", "--tag", "v1", "--variable", "A=1",
        "--variable", "API_TOKEN", "--variable", "DB_PASSWORD",
        "--changed-since", "main", "--full",
    )  # fmt: skip
