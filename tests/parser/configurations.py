"""Reads configurations that tests write as text."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

from spotci.parser.keywords.decoding import plain_mapping
from spotci.parser.load import load
from spotci.parser.problems import Problems
from spotci.source import SourceFile
from tests.contexts import FakeReader, context

if TYPE_CHECKING:
    from collections.abc import Mapping


def source(text: str, name: str = ".gitlab-ci.yml") -> SourceFile:
    return SourceFile(name=name, text=dedent(text))


def read(
    text: str,
    files: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[dict[str, Any], list[str]]:
    """Load a configuration; return it without places, and the rendered errors."""
    problems = Problems()
    texts = {path: dedent(content) for path, content in (files or {}).items()}
    reader = FakeReader(texts=texts)
    loaded = load(source(text), context(reader=reader, **options), problems)
    return dict(plain_mapping(loaded.root)), [str(error) for error in problems.errors]
