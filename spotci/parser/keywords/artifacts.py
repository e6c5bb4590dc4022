"""``artifacts`` with its reports.

GitLab: ``Entry::Artifacts``, ``Entry::Reports`` and ``Reports::CoverageReport``.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    attribute,
    boolean,
    choice,
    duration,
    given,
    hash_of,
    is_blank,
    is_null,
    one_string,
    ruby_text,
    string,
    strings,
    strings_or_string,
    together,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar
from spotci.pipeline import Artifacts, ArtifactsAccess, SaveWhen

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["REPORTS", "decode_artifacts"]

_KEYS = frozenset(
    {
        *("name", "untracked", "paths", "reports", "when", "expire_in", "expose_as"),
        *("exclude", "public", "access"),
    }
)
#: Every kind of report that GitLab knows.
REPORTS = frozenset(
    {
        *("junit", "codequality", "sast", "secret_detection", "dependency_scanning"),
        *("container_scanning", "dast", "performance", "browser_performance"),
        *("load_performance", "license_scanning", "metrics", "lsif", "dotenv"),
        *("terraform", "accessibility", "coverage_fuzzing", "api_fuzzing"),
        *("cluster_image_scanning", "requirements", "requirements_v2"),
        *("coverage_report", "cyclonedx", "annotations", "repository_xray", "sarif"),
    }
)
_REPORT_HINTS = MappingProxyType(
    {kind: f"write it under reports: reports:{kind}" for kind in sorted(REPORTS)}
)
_COVERAGE_FORMATS = ("cobertura", "jacoco")
_EXPOSE_AS = re.compile(r"\w[-\w ]*", re.ASCII)
_EXPOSE_AS_LENGTH = 100


def decode_artifacts(node: Node, place: str, problems: Problems) -> Artifacts | None:
    """Return ``artifacts``; None means that the value is wrong."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return None
    unknown_keys(
        mapping,
        _KEYS,
        place,
        problems,
        hints=_REPORT_HINTS,
    )
    together(mapping, ("access", "public"), place, problems)
    reports, coverage_format = _reports(mapping, place, problems)
    paths = attribute(mapping, "paths", strings, place, problems)
    return Artifacts(
        paths=paths or (),
        exclude=attribute(mapping, "exclude", strings, place, problems) or (),
        untracked=attribute(mapping, "untracked", boolean, place, problems) or False,
        when=attribute(mapping, "when", _when, place, problems) or SaveWhen.ON_SUCCESS,
        name=attribute(mapping, "name", string, place, problems),
        expire_in=attribute(mapping, "expire_in", _expire_in, place, problems),
        expose_as=_expose_as(mapping, place, problems, paths=paths),
        public=attribute(mapping, "public", boolean, place, problems),
        access=attribute(mapping, "access", _access, place, problems),
        reports=reports,
        coverage_format=coverage_format,
    )


def _when(node: Node, subject: str, problems: Problems) -> SaveWhen | None:
    return choice(node, subject, SaveWhen, problems)


def _access(node: Node, subject: str, problems: Problems) -> ArtifactsAccess | None:
    complaint = "should be one of: none, developer, maintainer, all"
    return choice(node, subject, ArtifactsAccess, problems, complaint=complaint)


def _expire_in(node: Node, subject: str, problems: Problems) -> str | None:
    return duration(node, subject, problems, never=True)


def _expose_as(
    node: Mapping, place: str, problems: Problems, *, paths: tuple[str, ...] | None
) -> str | None:
    """Return ``expose_as``, which forbids patterns in ``paths`` and requires them."""
    value = given(node, "expose_as")
    if value is None:
        return None
    subject = f"{place} expose as"
    where = given(node, "paths")
    if where is None or is_blank(where):
        problems.error(
            f"{place} paths can't be blank",
            value.span,
            hint="expose_as needs the paths that it exposes",
        )
    elif paths is not None and any("*" in path for path in paths):
        problems.error(
            f"{place} paths can't contain '*' when used with 'expose_as'", where.span
        )
    text = string(value, subject, problems)
    if text is None:
        return None
    if len(text) > _EXPOSE_AS_LENGTH:
        problems.error(
            f"{subject} is too long (maximum is {_EXPOSE_AS_LENGTH} characters)",
            value.span,
        )
    if not _EXPOSE_AS.fullmatch(text):
        problems.error(
            f"{subject} can contain only letters, digits, '-', '_' and spaces",
            value.span,
        )
    return text


def _reports(
    node: Mapping, place: str, problems: Problems
) -> tuple[MappingType[str, tuple[str, ...]], str | None]:
    """Return the paths of every report, and the format of the coverage report."""
    value = given(node, "reports")
    if value is None:
        return MappingProxyType({}), None
    if not isinstance(value, Mapping):
        problems.error(f"{place} reports should be a hash", value.span)
        return MappingProxyType({}), None
    place = f"{place}:reports"
    unknown_keys(
        value,
        REPORTS,
        place,
        problems,
        hints={
            "cobertura": "write coverage_report with coverage_format: cobertura",
            "license_management": "its name is license_scanning today",
        },
    )
    reports: dict[str, tuple[str, ...]] = {}
    coverage_format = None
    for kind, entry in value.entries.items():
        if kind == "coverage_report":
            if not is_null(entry.value):
                path, coverage_format = _coverage(entry.value, place, problems)
                reports[kind] = () if path is None else (path,)
        elif kind in REPORTS:
            name = ruby_text(kind)
            subject = f"{place} {name.replace('_', ' ')}"
            reports[name] = strings_or_string(entry.value, subject, problems) or ()
    return MappingProxyType(reports), coverage_format


def _coverage(
    node: Node, place: str, problems: Problems
) -> tuple[str | None, str | None]:
    """Return path and format of ``reports:coverage_report``."""
    place = f"{place}:coverage_report"
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return None, None
    unknown_keys(mapping, {"coverage_format", "path"}, place, problems)
    entry = mapping.entries.get("coverage_format")
    chosen = entry.value if entry is not None else None
    coverage_format = chosen.value if isinstance(chosen, Scalar) else None
    if coverage_format not in _COVERAGE_FORMATS:
        if chosen is None or is_blank(chosen):
            problems.error(
                f"{place} coverage format can't be blank",
                mapping.span if chosen is None else chosen.span,
            )
        problems.error(
            f"{place} coverage format must be one of supported formats:"
            f" {', '.join(_COVERAGE_FORMATS)}.",
            mapping.span if chosen is None else chosen.span,
        )
        coverage_format = None
    path = one_string(mapping, "path", place, problems)
    return path, None if coverage_format is None else str(coverage_format)
