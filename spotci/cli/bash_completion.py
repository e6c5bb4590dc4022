"""Completion in bash, where names of jobs hold spaces, colons and brackets.

bash splits words at colons, too, takes words as they are typed, with their quotes, and
inserts a word as it is given. So the line is read here, and what is offered is what has
to be inserted: quoted, and without what stands before the last colon.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from click.shell_completion import (
    BashComplete,
    add_completion_class,
    split_arg_string,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["QuotingBashComplete", "Typed", "insertion", "register", "typed"]

_SOURCE = """\
%(complete_func)s() {
    local IFS=$'\\n' line
    COMPREPLY=()
    for line in $(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" \\
        COMP_WORDBREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1"); do
        case $line in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) COMPREPLY+=("${line#plain,}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
#: What a bare word of bash must not hold.
_SPECIAL = re.compile(r"""([\s"'`$\\|&;()<>*?\[\]{}!#~])""")


class Typed(NamedTuple):
    """The last word of a line: ``raw`` as it is typed, ``quote`` where one is open."""

    raw: str
    quote: str


class QuotingBashComplete(BashComplete):
    """Completes by the line rather than by what bash takes for its words."""

    source_template = _SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the last one, and that."""
        line = os.environ["COMP_LINE"]
        last = typed(line)
        words = split_arg_string(line[: len(line) - len(last.raw)])
        return words[1:], "".join(split_arg_string(last.raw))

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return the kind of an item, and what is to be inserted."""
        if item.type != "plain":
            return super().format_completion(item)
        last = typed(os.environ["COMP_LINE"])
        breaks = os.environ.get("COMP_WORDBREAKS", "")
        return f"plain,{insertion(str(item.value), last, breaks)}"


def typed(line: str) -> Typed:
    """Return the last word of a line, empty where it ends with a space. Pure."""
    start, quote, escaped = 0, "", False
    for index, character in enumerate(line):
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            start = index + 1
    return Typed(line[start:], quote)


def insertion(word: str, last: Typed, breaks: str) -> str:
    """Return what takes the place of what bash takes for the last word. Pure."""
    if last.quote:
        # Inside of quotes bash breaks no words, and closes them itself.
        return word
    inserted = _SPECIAL.sub(r"\\\1", word)
    ends = [last.raw.rfind(mark) for mark in ":=" if mark in breaks]
    before = last.raw[: max(ends, default=-1) + 1]
    return inserted.removeprefix(before)


def register() -> None:
    """Let click complete in bash this way."""
    add_completion_class(QuotingBashComplete)
