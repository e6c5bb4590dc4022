from __future__ import annotations

from spotci.parser.keywords.support import KEYWORDS
from tools.compatibility import PAGE, cases_of, golden_folders, page, summary


def test_page_is_what_its_tool_writes() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_every_keyword_has_a_case() -> None:
    missing = [keyword.path for keyword in KEYWORDS.values() if not cases_of(keyword)]

    assert missing == []


def test_every_case_says_what_it_shows() -> None:
    silent = [folder.name for folder in golden_folders() if not summary(folder)]

    assert silent == []
