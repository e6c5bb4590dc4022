from __future__ import annotations

import pytest

from tests.trees import job_of, job_with, messages_of

TAG = "tag_name: v1, description: d"


@pytest.mark.parametrize(
    "yaml",
    [
        f"{{{TAG}}}",
        f"{{{TAG}, name: n, tag_message: m, ref: main, milestones: [a]}}",
        f"{{{TAG}, milestones: a, released_at: '2025-03-15T08:00:00Z'}}",
        f"{{{TAG}, assets: {{links: [{{name: n, url: 'https://x'}}]}}}}",
        (
            f"{{{TAG}, assets: {{links: [{{name: n, url: $URL, link_type: image,"
            " filepath: /a}]}}"
        ),
    ],
)
def test_release_is_recorded_as_written(yaml: str) -> None:
    release = job_of(f"release: {yaml}").job.release

    assert release is not None
    assert (release.tag_name, release.description) == ("v1", "d")
    assert release.fields["tag_name"] == "v1"


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("x", [" config should be a hash"]),
        ("{}", [" tag name can't be blank", " description can't be blank"]),
        ("{tag_name: 1, description: d}", [" tag name should be a string"]),
        ("{tag_name: v1, description: ''}", [" description can't be blank"]),
        (f"{{{TAG}, foo: 1}}", [" config contains unknown keys: foo"]),
        (f"{{{TAG}, tag_message: 1}}", [" tag message should be a string"]),
        (
            f"{{{TAG}, milestones: 1}}",
            [" milestones should be an array of strings or a string"],
        ),
        (f"{{{TAG}, released_at: soon}}", [" released at must be a valid datetime"]),
        (f"{{{TAG}, released_at: 1}}", [" released at must be a valid datetime"]),
        (f"{{{TAG}, ref: 'a b'}}", [" ref must be a valid ref"]),
        (f"{{{TAG}, ref: 1}}", [" ref must be a valid ref"]),
        (f"{{{TAG}, assets: x}}", [":assets config should be a hash"]),
        (f"{{{TAG}, assets: {{}}}}", [":assets links can't be blank"]),
        (f"{{{TAG}, assets: {{links: []}}}}", [":assets links can't be blank"]),
        (
            f"{{{TAG}, assets: {{links: [x]}}}}",
            [":assets links should be an array of hashes"],
        ),
        (
            f"{{{TAG}, assets: {{foo: 1, links: [{{name: a, url: 'http://b'}}]}}}}",
            [":assets config contains unknown keys: foo"],
        ),
        (
            f"{{{TAG}, assets: {{links: [{{name: a, url: b}}]}}}}",
            [
                (
                    ":assets:links:link url is blocked: only allowed schemes are http,"
                    " https"
                )
            ],
        ),
        (
            f"{{{TAG}, assets: {{links: [{{foo: 1, link_type: x}}]}}}}",
            [
                ":assets:links:link config contains unknown keys: foo",
                ":assets:links:link name can't be blank",
                ":assets:links:link url can't be blank",
                (
                    ":assets:links:link link type should be one of: other, runbook,"
                    " image, package"
                ),
            ],
        ),
    ],
)
def test_wrong_release(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"release: {yaml}")) == [
        f"jobs:build:release{message}" for message in messages
    ]
