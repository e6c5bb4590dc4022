from __future__ import annotations

import pytest

from tests.trees import job_of, job_with, messages_of

VAULT = "{engine: {name: kv, path: p}, path: a, field: b}"


@pytest.mark.parametrize(
    "yaml",
    [
        "{vault: a/b/c@ops}",
        f"{{vault: {VAULT}, file: false, token: $T}}",
        "{azure_key_vault: {name: n, version: v}}",
        "{gcp_secret_manager: {name: n, version: 1}, token: $T}",
        "{aws_secrets_manager: id}",
        "{aws_secrets_manager: {secret_id: id, region: r}}",
        "{gitlab_secrets_manager: {name: n}}",
        "{akeyless: {name: n}}",
    ],
)
def test_secret(yaml: str) -> None:
    assert set(job_of(f"secrets: {{A: {yaml}}}").job.secrets) == {"A"}


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("x", [" config should be a hash"]),
        (
            "{}",
            [
                (
                    " config must use exactly one of these keys: vault,"
                    " gcp_secret_manager, azure_key_vault, aws_secrets_manager,"
                    " gitlab_secrets_manager, akeyless"
                )
            ],
        ),
        ("{vault: a, foo: b}", [" config contains unknown keys: foo"]),
        ("{vault: a, file: x}", [":file config should be a boolean value"]),
        ("{vault: a, token: 1}", [" token should be a string"]),
        ("{vault: ''}", [":vault config can't be blank"]),
        ("{vault: 1}", [":vault should be a hash or a string"]),
        (
            "{vault: {path: a}}",
            [":vault engine can't be blank", ":vault field can't be blank"],
        ),
        (
            "{vault: {engine: x, path: a, field: b}}",
            [":vault engine should be a hash"],
        ),
        (
            "{vault: {engine: {name: a, foo: b}, path: a, field: b}}",
            [
                ":vault:engine config contains unknown keys: foo",
                ":vault:engine path can't be blank",
            ],
        ),
        ("{azure_key_vault: x}", [":azure_key_vault config should be a hash"]),
        (
            "{azure_key_vault: {name: a, foo: b}}",
            [":azure_key_vault config contains unknown keys: foo"],
        ),
        (
            "{azure_key_vault: {name: a, version: [b]}}",
            [":azure_key_vault version should be a string"],
        ),
        (
            "{gcp_secret_manager: {name: a}}",
            [" token is required with gcp secret manager"],
        ),
    ],
)
def test_wrong_secret(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"secrets: {{A: {yaml}}}")) == [
        f"jobs:build:secrets:A{message}" for message in messages
    ]


def test_secrets_are_a_map() -> None:
    assert messages_of(job_with("secrets: [a]")) == [
        "jobs:build:secrets config should be a hash"
    ]


def test_id_tokens() -> None:
    job = job_of("id_tokens: {A: {aud: x}, B: {aud: [y, z]}}").job

    assert job.id_tokens == {"A": {"aud": "x"}, "B": {"aud": ["y", "z"]}}


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("x", " config should be a hash"),
        ("{A: x}", ":A config should be a hash"),
        ("{A: {}}", ":A config missing required keys: aud"),
        ("{A: {aud: x, sub: y}}", ":A config contains unknown keys: sub"),
        ("{A: {aud: {b: c}}}", ":A aud should be an array of strings or a string"),
        ("{A: {aud: null}}", ":A aud should be an array of strings or a string"),
    ],
)
def test_wrong_id_tokens(yaml: str, message: str) -> None:
    assert messages_of(job_with(f"id_tokens: {yaml}")) == [
        f"jobs:build:id_tokens{message}"
    ]


def test_identity() -> None:
    assert job_of("identity: google_cloud").job.identity == "google_cloud"
    assert messages_of(job_with("identity: other")) == [
        "jobs:build:identity config should be one of: google_cloud"
    ]


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("{site_profile: a, scanner_profile: b}", []),
        ("x", [" config should be a hash"]),
        ("{foo: x}", [" config contains unknown keys: foo"]),
        ("{site_profile: 1}", [" site profile should be a string"]),
    ],
)
def test_dast_configuration(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"dast_configuration: {yaml}")) == [
        f"jobs:build:dast_configuration{message}" for message in messages
    ]
