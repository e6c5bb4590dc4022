"""``spotci lint``: what is wrong with the configuration, for people and for tools."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from spotci import __version__
from spotci.cli import failure
from spotci.cli.json_form import print_document
from spotci.cli.loading import config_file, context_of, open_chosen, print_warnings
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.cli.shapes import error_shape, warning_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spotci.cli.options import Chosen
    from spotci.errors import ConfigError, ConfigWarning

__all__ = ["code_quality", "command", "sarif"]

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@click.command("lint", cls=PipelineCommand)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "codequality"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@pipeline_options
def command(chosen: Chosen, *, form: str) -> int:
    """Check the configuration: errors and warnings, each with its place.

    \b
    spotci lint                         exit code 2 where there are errors
    spotci lint --format sarif          for editors and code scanning
    spotci lint --format codequality    for GitLab's code quality report
    """  # noqa: D301 - click reads the \b
    from spotci.parser.compile import check  # noqa: PLC0415 - start-up time

    project = open_chosen(chosen)
    found, warnings = check(config_file(project), context_of(project, chosen))
    errors = failure.config_errors(found)
    if form == "json":
        print_document(
            {
                "valid": not errors,
                "errors": [error_shape(error) for error in errors],
                "warnings": [warning_shape(warning) for warning in warnings],
            }
        )
    elif form == "sarif":
        print(json.dumps(sarif(errors, warnings), indent=2, ensure_ascii=False))
    elif form == "codequality":
        print(json.dumps(code_quality(errors, warnings), indent=2, ensure_ascii=False))
    else:
        return _text(errors, warnings)
    return failure.USAGE if errors else 0


def sarif(
    errors: Sequence[ConfigError], warnings: Sequence[ConfigWarning]
) -> dict[str, Any]:
    """Return the findings as SARIF 2.1.0."""
    found: list[ConfigError | ConfigWarning] = [*errors, *warnings]
    results = [
        {
            "ruleId": _rule(item),
            "level": "error" if index < len(errors) else "warning",
            "message": {"text": _message(item)},
            "locations": _sarif_locations(item),
            "partialFingerprints": {"spotci/v1": fingerprint},
        }
        for index, (item, fingerprint) in enumerate(
            zip(found, _fingerprints(found), strict=True)
        )
    ]
    driver = {
        "name": "spotci",
        "version": __version__,
        "rules": [{"id": rule} for rule in dict.fromkeys(map(_rule, found))],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def code_quality(
    errors: Sequence[ConfigError], warnings: Sequence[ConfigWarning]
) -> list[dict[str, Any]]:
    """Return the findings as GitLab's code quality report."""
    found: list[ConfigError | ConfigWarning] = [*errors, *warnings]
    return [
        {
            "description": _message(item),
            "check_name": _rule(item),
            "fingerprint": fingerprint,
            "severity": "blocker" if index < len(errors) else "minor",
            "location": {
                "path": item.span.file.name if item.span else ".gitlab-ci.yml",
                "lines": {"begin": item.span.line if item.span else 1},
            },
        }
        for index, (item, fingerprint) in enumerate(
            zip(found, _fingerprints(found), strict=True)
        )
    ]


def _text(errors: Sequence[ConfigError], warnings: Sequence[ConfigWarning]) -> int:
    print_warnings(warnings)
    if errors:
        return failure.report(ExceptionGroup("", errors))
    count = len(warnings)
    noun = "warning" if count == 1 else "warnings"
    print("the configuration is valid" + (f", with {count} {noun}" if count else ""))
    return 0


def _rule(item: ConfigError | ConfigWarning) -> str:
    """Return the kind of a finding: ``keyword-error``, ``graph-error``, ``warning``."""
    name = type(item).__name__.removeprefix("Config")
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _message(item: ConfigError | ConfigWarning) -> str:
    return item.message if item.hint is None else f"{item.message} ({item.hint})"


def _sarif_locations(item: ConfigError | ConfigWarning) -> list[dict[str, Any]]:
    span = item.span
    if span is None:
        return []
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endColumn": span.end_column,
    }
    artifact = {"uri": quote(span.file.name, safe="/:@")}
    return [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]


def _fingerprints(items: Iterable[ConfigError | ConfigWarning]) -> list[str]:
    """Return what stays the same while a finding does, wherever its line moves.

    Findings that are all alike are counted: each has a fingerprint of its own.
    """
    seen: Counter[str] = Counter()
    found = []
    for item in items:
        span = item.span
        line = "" if span is None else span.file.line(span.line).strip()
        name = "" if span is None else span.file.name
        text = f"{name}\0{item.message}\0{line}"
        seen[text] += 1
        numbered = f"{text}\0{seen[text]}" if seen[text] > 1 else text
        found.append(hashlib.sha256(numbered.encode()).hexdigest()[:32])
    return found
