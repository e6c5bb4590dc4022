from __future__ import annotations

import pytest

from spotci.parser.keywords.artifacts import REPORTS
from spotci.pipeline import Artifacts, ArtifactsAccess, SaveWhen
from tests.trees import errors_of, job_of, job_with, messages_of


@pytest.mark.parametrize(
    ("yaml", "artifacts"),
    [
        pytest.param("{}", Artifacts(), id="empty"),
        pytest.param(
            "{paths: [a], exclude: [b], untracked: true, when: always, name: n,"
            " expire_in: 7d, expose_as: Test results, public: false}",
            Artifacts(
                paths=("a",),
                exclude=("b",),
                untracked=True,
                when=SaveWhen.ALWAYS,
                name="n",
                expire_in="7d",
                expose_as="Test results",
                public=False,
            ),
            id="all",
        ),
        pytest.param(
            "{paths: null, when: null, name: null, expire_in: null, reports: null}",
            Artifacts(),
            id="nulls",
        ),
        pytest.param("{expire_in: never}", Artifacts(expire_in="never"), id="never"),
        pytest.param(
            "{access: developer}",
            Artifacts(access=ArtifactsAccess.DEVELOPER),
            id="access",
        ),
        pytest.param(
            "{reports: {junit: a.xml, dotenv: [b, c], coverage_report: null}}",
            Artifacts(reports={"junit": ("a.xml",), "dotenv": ("b", "c")}),
            id="reports",
        ),
        pytest.param(
            "{reports: {coverage_report: {coverage_format: jacoco, path: a.xml}}}",
            Artifacts(
                reports={"coverage_report": ("a.xml",)}, coverage_format="jacoco"
            ),
            id="coverage report",
        ),
    ],
)
def test_artifacts(yaml: str, artifacts: Artifacts) -> None:
    assert job_of(f"artifacts: {yaml}").job.artifacts == artifacts


@pytest.mark.parametrize("kind", sorted(REPORTS - {"coverage_report"}))
def test_every_kind_of_report(kind: str) -> None:
    artifacts = job_of(f"artifacts: {{reports: {{{kind}: [a]}}}}").job.artifacts

    assert artifacts is not None
    assert artifacts.reports == {kind: ("a",)}


@pytest.mark.parametrize(
    ("yaml", "messages"),
    [
        ("[paths]", [" config should be a hash"]),
        ("x", [" config should be a hash"]),
        ("{name: 10}", [" name should be a string"]),
        ("{untracked: x}", [" untracked should be a boolean value"]),
        ("{paths: x}", [" paths should be an array of strings"]),
        ("{paths: [1]}", [" paths should be an array of strings"]),
        ("{exclude: 1234}", [" exclude should be an array of strings"]),
        ("{public: 'false'}", [" public should be a boolean value"]),
        (
            "{when: true}",
            [
                " when should be a string",
                " when should be one of: on_success, on_failure, always",
            ],
        ),
        ("{when: never}", [" when should be one of: on_success, on_failure, always"]),
        (
            "{access: random}",
            [" access should be one of: none, developer, maintainer, all"],
        ),
        (
            "{public: true, access: all}",
            [" config these keys cannot be used together: public, access"],
        ),
        ("{expire_in: 1}", [" expire in should be a duration"]),
        ("{expire_in: 7 elephants}", [" expire in should be a duration"]),
        ("{expire_in: '0'}", [" expire in should be a duration"]),
        ("{expose_as: a}", [" paths can't be blank"]),
        ("{expose_as: a, paths: []}", [" paths can't be blank"]),
        (
            "{expose_as: a, paths: [x, 'y*']}",
            [" paths can't contain '*' when used with 'expose_as'"],
        ),
        (
            "{expose_as: '', paths: [x]}",
            [" expose as can contain only letters, digits, '-', '_' and spaces"],
        ),
        (
            "{expose_as: a/b, paths: [x]}",
            [" expose as can contain only letters, digits, '-', '_' and spaces"],
        ),
        (
            f"{{expose_as: {'a' * 101}, paths: [x]}}",
            [" expose as is too long (maximum is 100 characters)"],
        ),
        ("{expose_as: 1, paths: [x]}", [" expose as should be a string"]),
        ("{reports: junit.xml}", [" reports should be a hash"]),
        ("{reports: {foo: a}}", [":reports config contains unknown keys: foo"]),
        (
            "{reports: {junit: 1}}",
            [":reports junit should be an array of strings or a string"],
        ),
        (
            "{reports: {cyclonedx: null}}",
            [":reports cyclonedx should be an array of strings or a string"],
        ),
        (
            "{reports: {junit: [1]}}",
            [":reports junit should be an array of strings or a string"],
        ),
        (
            "{reports: {coverage_report: x}}",
            [":reports:coverage_report config should be a hash"],
        ),
        (
            "{reports: {coverage_report: {coverage_format: lcov, path: a}}}",
            [
                (
                    ":reports:coverage_report coverage format must be one of supported"
                    " formats: cobertura, jacoco."
                )
            ],
        ),
        (
            "{reports: {coverage_report: {coverage_format: jacoco}}}",
            [":reports:coverage_report path can't be blank"],
        ),
        (
            "{reports: {coverage_report: {path: a}}}",
            [
                ":reports:coverage_report coverage format can't be blank",
                (
                    ":reports:coverage_report coverage format must be one of supported"
                    " formats: cobertura, jacoco."
                ),
            ],
        ),
        (
            "{reports: {coverage_report: {coverage_format: jacoco, path: a, b: c}}}",
            [":reports:coverage_report config contains unknown keys: b"],
        ),
    ],
)
def test_wrong_artifacts(yaml: str, messages: list[str]) -> None:
    assert messages_of(job_with(f"artifacts: {yaml}")) == [
        f"jobs:build:artifacts{message}" for message in messages
    ]


def test_report_outside_of_reports() -> None:
    assert errors_of(job_with("artifacts:\n  junit: report.xml")) == [
        """\
.gitlab-ci.yml:4:5: error: jobs:build:artifacts config contains unknown keys: junit
    4 |     junit: report.xml
      |     ^^^^^
hint: write it under reports: reports:junit"""
    ]


def test_list_in_place_of_a_mapping() -> None:
    assert errors_of(job_with("artifacts:\n  - paths:\n    - test/")) == [
        """\
.gitlab-ci.yml:4:5: error: jobs:build:artifacts config should be a hash
    4 |     - paths:
      |     ^"""
    ]
