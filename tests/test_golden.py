"""Golden cases: ``fixtures/README.md`` tells how a folder becomes a test.

``SPOTCI_GOLDEN=write`` writes the golden files instead of comparing with them.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from spotci.cli import failure
from spotci.cli.listing import document
from spotci.cli.loading import Loaded
from spotci.cli.show import to_yaml
from spotci.parser.compile import check, compile_pipeline
from spotci.source import SourceFile
from tests.conformance.corpus import Case, context_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.context import Context
    from spotci.project import Project

FIXTURES = Path(__file__).parents[1] / "fixtures"
#: Folders that have a test of their own.
OTHERS = ("conformance", "job-logs", "spot-platform")
ROOT, CONTEXT = ".gitlab-ci.yml", "context.json"
LISTED, REFUSED = "list.json", "errors.txt"
WRITES = os.environ.get("SPOTCI_GOLDEN") == "write"
#: Of a line of ``list.json``.
WIDTH = 100


def golden_cases() -> list[Path]:
    return [
        folder
        for folder in sorted(FIXTURES.iterdir())
        if folder.is_dir() and folder.name not in OTHERS
    ]


@pytest.mark.parametrize("folder", golden_cases(), ids=lambda folder: folder.name)
def test_matches_its_golden_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, context = read_case(folder)
    errors, _ = check(file, context)
    if errors:
        failure.report(ExceptionGroup("", failure.config_errors(errors)))
        name, text = REFUSED, capsys.readouterr().err
    else:
        name, text = LISTED, render(without_none(listed(file, context))) + "\n"
    if WRITES:
        write(folder, name, text)

    assert {path.name for path in golden_files(folder)} == {name}
    assert text == (folder / name).read_text("utf-8")


@pytest.mark.parametrize("folder", golden_cases(), ids=lambda folder: folder.name)
def test_what_show_prints_is_the_same_pipeline(folder: Path) -> None:
    file, context = read_case(folder)
    if check(file, context)[0]:
        return
    resolved = compile_pipeline(file, context).config.resolved

    shown = SourceFile(name=ROOT, text=to_yaml(resolved))

    # Its inputs have been put in.
    after = listed(shown, replace(context, inputs={}))
    assert placeless(after) == placeless(listed(file, context))


def placeless(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out where things are written: of the resolved text, elsewhere."""
    jobs = [{**job, "source": None, "extends": None} for job in document["jobs"]]
    # Of keys that were written twice the resolved text has one.
    warnings = [
        message
        for message in (warning["message"] for warning in document["warnings"])
        if "is written twice" not in message
    ]
    return {**document, "jobs": jobs, "warnings": warnings}


def test_every_case_has_one_golden_file() -> None:
    wrong = [path.name for path in golden_cases() if len(golden_files(path)) != 1]

    assert wrong == []


def read_case(folder: Path) -> tuple[SourceFile, Context]:
    """Return the root file of a case, and its context in memory."""
    path = folder / CONTEXT
    given = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    elsewhere = given.pop("elsewhere", {})
    texts = {
        str(file.relative_to(folder)): file.read_text("utf-8")
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in (CONTEXT, LISTED, REFUSED)
    }
    root = texts.pop(ROOT)
    files: Mapping[str, str] = texts | {
        address: texts[name] for address, name in elsewhere.items()
    }
    case = Case(
        id=folder.name,
        category="golden",
        source=folder.name,
        expect={},
        yaml=root,
        files=files,
        context={
            "branch": "main",
            "changed_files": [],
            **given,
            "fixed": {"CI_DEFAULT_BRANCH": "main", **given.get("fixed", {})},
        },
    )
    return SourceFile(name=ROOT, text=root), context_of(case)


def listed(file: SourceFile, context: Context) -> dict[str, Any]:
    """Return what ``spotci list --format json`` prints."""
    return document(
        Loaded(
            # The document is made of the two others.
            project=cast("Project", None),
            context=context,
            compilation=compile_pipeline(file, context),
        )
    )


def golden_files(folder: Path) -> list[Path]:
    return [folder / name for name in (LISTED, REFUSED) if (folder / name).is_file()]


def write(folder: Path, name: str, text: str) -> None:
    for path in golden_files(folder):
        if path.name != name:
            path.unlink()
    (folder / name).write_text(text, "utf-8")


def without_none(value: Any) -> Any:
    """Leave out what is unset: a job has some thirty keys and uses five."""
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value


def render(value: Any, indent: int = 0) -> str:
    """Write JSON with every value that fits on its line: people review it."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    step = indent + 2
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {render(item, step)}"
            for key, item in value.items()
        ]
        begin, end = "{", "}"
    else:
        parts = [render(item, step) for item in value]
        begin, end = "[", "]"
    lines = ",\n".join(" " * step + part for part in parts)
    return f"{begin}\n{lines}\n{' ' * indent}{end}"
