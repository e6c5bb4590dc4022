from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotci.parser.globs import MAX_ALTERNATIVES, compile_glob, expand_braces, matches

# The answers are those of Ruby 3.1, File.fnmatch? with FNM_PATHNAME, FNM_DOTMATCH and
# FNM_EXTGLOB.
TABLE = [
    ("README.md", "README.md", True),
    ("README.md", "docs/README.md", False),
    ("readme.md", "README.md", False),
    ("*", "README.md", True),
    ("*", ".hidden", True),
    ("*", "a/b", False),
    ("*.md", "README.md", True),
    ("*.md", ".md", True),
    ("*.md", "docs/README.md", False),
    ("docs/*", "docs/a.md", True),
    ("docs/*", "docs/a/b.md", False),
    ("docs/**", "docs/a.md", True),
    ("docs/**", "docs/a/b.md", False),
    ("docs/**/*", "docs/a.md", True),
    ("docs/**/*", "docs/a/b.md", True),
    ("docs/**/*", "docs/.a/.b", True),
    ("docs/**/*.md", "docs/a/b/c.md", True),
    ("docs/**/c.md", "docs/c.md", True),
    ("**/*.rb", "a.rb", True),
    ("**/*.rb", "a/b/c.rb", True),
    ("**/**/*.rb", "c.rb", True),
    ("**.rb", "a/b.rb", False),
    ("a**/b", "ax/b", True),
    ("a**/b", "ax/y/b", False),
    ("**/a/**/b", "x/a/y/z/b", True),
    ("**/", "a/", True),
    ("app/", "app/a", False),
    ("/README.md", "README.md", False),
    ("./README.md", "README.md", False),
    ("file?.txt", "file1.txt", True),
    ("file?.txt", "file.txt", False),
    ("a?b", "a/b", False),
    ("[a-c]x", "bx", True),
    ("[a-c]x", "dx", False),
    ("[^a]x", "bx", True),
    ("[!a]x", "ax", False),
    ("[!a]x", "/x", False),
    ("[+-9]", "/", False),
    ("[+-9]", "5", True),
    ("[z-a]", "z", True),
    ("[z-a]", "m", False),
    ("[a-]", "-", True),
    (r"[\]]", "]", True),
    ("[]a]", "a", False),
    ("[a", "[a", False),
    ("[!]", "x", True),
    ("*.{rb,py}", "a.py", True),
    ("*.{rb,py}", "a.js", False),
    ("{a,b/{c,d}}/*.rb", "b/d/x.rb", True),
    ("{**/,}*.rb", "x/y.rb", True),
    ("a{,b}", "a", True),
    ("a{b", "a{b", False),
    ("a}b", "a}b", True),
    (r"a\{b", "a{b", True),
    (r"a\*", "a*", True),
    (r"a\*", "ab", False),
    (r"a\/**\/b", "a/x/b", True),
    ("a\\", "a", True),
    ("é*", "école", True),
    ("?", "é", True),
    (r"{a\,b,c}", "a,b", True),
    (r"{a\}b,c}", "a}b", True),
    ("[a\\", "a", False),
    ("[a-", "a", False),
    ("[a-\\", "a", False),
    ("", "", True),
    ("", "a", False),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), TABLE)
def test_matches_as_ruby(pattern: str, path: str, *, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_names_that_are_no_utf_8_can_be_matched() -> None:
    assert matches("*.txt", "caf\udce9.txt")


def test_hostile_pattern_takes_no_time() -> None:
    assert not matches("*a" * 500 + "b", "a" * 5_000)


def test_a_pattern_with_too_many_alternatives_is_refused() -> None:
    assert len(expand_braces("{a,b}" * 9)) == 512

    with pytest.raises(ValueError, match=f"more than {MAX_ALTERNATIVES} alternatives"):
        compile_glob("{a,b}" * 12)


def fnmatch(pattern: str, path: str) -> bool:
    """Match by trying everything: slow, and plain enough to be believed."""
    return any(_match(text, path, start=True) for text in _expand(pattern))


def _expand(pattern: str) -> list[str]:
    opening = pattern.find("{")
    if opening < 0:
        return [pattern]
    depth = 0
    cuts = [opening]
    for index in range(opening, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[index], 0)
        if pattern[index] == "," and depth == 1:
            cuts.append(index)
        if depth == 0:
            cuts.append(index)
            ends = itertools.pairwise(cuts)
            return [
                text
                for begin, end in ends
                for text in _expand(
                    pattern[:opening] + pattern[begin + 1 : end] + pattern[index + 1 :]
                )
            ]
    return []


def _match(pattern: str, path: str, *, start: bool) -> bool:
    if start and pattern.startswith("**/"):
        if _match(pattern[3:], path, start=True):
            return True
        _, slash, rest = path.partition("/")
        return bool(slash) and _match(pattern, rest, start=True)
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        return _match(rest, path, start=False) or (
            path[:1] not in ("", "/") and _match(pattern, path[1:], start=False)
        )
    if not path:
        return False
    if first == "?":
        return path[0] != "/" and _match(rest, path[1:], start=False)
    return first == path[0] and _match(rest, path[1:], start=first == "/")


@pytest.mark.property
@given(
    st.text(st.sampled_from("ab./*?{},"), max_size=8),
    st.text(st.sampled_from("ab./"), max_size=8),
)
@example("**/a", "b/a")
@example("*/**/a", "b//a")
def test_matches_as_the_reference(pattern: str, path: str) -> None:
    assert matches(pattern, path) is fnmatch(pattern, path)
