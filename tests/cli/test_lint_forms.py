"""``spotci lint`` for tools: what SARIF and GitLab's code quality report ask for.

The schemas hold what the published ones require, and what GitHub and GitLab read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.json_schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

    Make = Callable[..., CommandLine]

POSITION = {"type": "integer", "minimum": 1}
#: SARIF 2.1.0, sections 3.13, 3.14, 3.27, 3.28 and 3.30.
SARIF = Schema(
    {
        "type": "object",
        "required": ["version", "runs"],
        "properties": {
            "$schema": {"type": "string", "pattern": r"sarif-2\.1\.0\.json$"},
            "version": {"const": "2.1.0"},
            "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
        },
        "$defs": {
            "run": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {"$ref": "#/$defs/tool"},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
            "tool": {
                "type": "object",
                "required": ["driver"],
                "properties": {
                    "driver": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "version": {"type": "string"},
                            "rules": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["id"],
                                    "properties": {"id": {"type": "string"}},
                                },
                            },
                        },
                    }
                },
            },
            "result": {
                "type": "object",
                "required": ["ruleId", "level", "message", "locations"],
                "properties": {
                    "ruleId": {"type": "string"},
                    "level": {"enum": ["none", "note", "warning", "error"]},
                    "message": {
                        "type": "object",
                        "required": ["text"],
                        "properties": {"text": {"type": "string", "pattern": "."}},
                    },
                    "locations": {
                        "type": "array",
                        "items": {"$ref": "#/$defs/location"},
                    },
                    "partialFingerprints": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                    },
                },
            },
            "location": {
                "type": "object",
                "required": ["physicalLocation"],
                "properties": {
                    "physicalLocation": {
                        "type": "object",
                        "required": ["artifactLocation"],
                        "properties": {
                            "artifactLocation": {
                                "type": "object",
                                "required": ["uri"],
                                "properties": {
                                    "uri": {"type": "string", "pattern": r"^[^\s\\]+$"}
                                },
                            },
                            "region": {
                                "type": "object",
                                "required": ["startLine"],
                                "properties": {
                                    "startLine": POSITION,
                                    "startColumn": POSITION,
                                    "endColumn": POSITION,
                                },
                            },
                        },
                    }
                },
            },
        },
    },
    closed=True,
)
#: "Code Quality report format" in GitLab's documentation.
CODE_QUALITY = Schema(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": [
                "description",
                "check_name",
                "fingerprint",
                "severity",
                "location",
            ],
            "properties": {
                "description": {"type": "string", "pattern": "."},
                "check_name": {"type": "string", "pattern": "^[a-z-]+$"},
                "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        # Relative, and without a leading "./".
                        "path": {"type": "string", "pattern": r"^[^./\\]|^\.[^/]"},
                        "lines": {
                            "type": "object",
                            "required": ["begin"],
                            "properties": {"begin": POSITION},
                        },
                    },
                },
            },
        },
    },
    closed=True,
)
WRONG = {
    ".gitlab-ci.yml": "include: ci/two words.yml\na: {scrpt: x}\nb: {script: 1}\n",
    "ci/two words.yml": "ä: {image: [], script: x}\nc:\n  scrpt: x\n  image: []\n",
}
WARNED = {".gitlab-ci.yml": "a: {script: x, dast_configuration: {site_profile: x}}\n"}


def forms(spotci: CommandLine) -> tuple[Any, Any]:
    return (
        spotci("lint", "--format", "sarif").json,
        spotci("lint", "--format", "codequality").json,
    )


@pytest.mark.parametrize(
    ("files", "level", "severity"),
    [
        pytest.param(WRONG, "error", "blocker", id="errors"),
        pytest.param(WARNED, "warning", "minor", id="warnings"),
    ],
)
def test_findings_have_the_published_shape(
    project: Make, files: dict[str, str], level: str, severity: str
) -> None:
    sarif, quality = forms(project(files))

    assert SARIF.faults(sarif) == []
    assert CODE_QUALITY.faults(quality) == []
    [run] = sarif["runs"]
    assert {result["level"] for result in run["results"]} == {level}
    assert {item["severity"] for item in quality} == {severity}
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == rules


def test_nothing_found_is_a_report_too(project: Make) -> None:
    sarif, quality = forms(project({".gitlab-ci.yml": "a: {script: x}\n"}))

    assert SARIF.faults(sarif) == []
    assert (sarif["runs"][0]["results"], quality) == ([], [])


def test_findings_that_are_alike_have_fingerprints_of_their_own(project: Make) -> None:
    text = "a:\n  script: x\n  retry: 9\nb:\n  script: x\n  retry: 9\n"
    spotci = project({".gitlab-ci.yml": text.replace("a:", "x:")})

    _, quality = forms(spotci)
    before = [item["fingerprint"] for item in quality]
    (spotci.folder / ".gitlab-ci.yml").write_text(f"# moved\n{text}")
    _, moved = forms(spotci)

    assert len(set(before)) == len(before) == 2
    assert before[1] in {item["fingerprint"] for item in moved}
