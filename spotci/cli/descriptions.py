"""``# @Description text`` above a job: what gitlab-ci-local shows in its list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotci.pipeline import Job

__all__ = ["description"]

_DECORATOR = re.compile(r"\s*#\s*@Description\s+(?P<text>.*\S)")
_COMMENT = re.compile(r"\s*#")


def description(job: Job) -> str | None:
    """Return the text of the comment that stands directly above a job, if any."""
    if job.span is None:
        return None
    number = job.span.line - 1
    while _COMMENT.match(line := job.span.file.line(number)):
        if found := _DECORATOR.match(line):
            return found["text"]
        number -= 1
    return None
