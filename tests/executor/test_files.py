from __future__ import annotations

import stat

import pytest

from spotci.executor.backend import FileEntry
from spotci.executor.doublestar import compile_pattern, literal_prefix
from spotci.executor.files import FileSet, Remark, needed_folders, relative_pattern

DIR = "/builds/group/project"
TREE = {
    "README.md": 10,
    "dist/app.js": 1,
    "dist/app.log": 2,
    "dist/sub/x.js": 3,
    "dist-other/y": 4,
    ".cache/a": 5,
    "src/main.py": 6,
    "new.txt": 7,
}


def files(**modes: int) -> FileSet:
    return FileSet(
        entries={
            path: FileEntry(
                path=path, mode=modes.get(path, stat.S_IFREG | 0o644), size=size
            )
            for path, size in TREE.items()
        },
        tracked=frozenset({"README.md", "src/main.py"}),
        project_dir=DIR,
    )


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "a", True),
        ("*", "a/b", False),
        ("*", ".hidden", True),
        ("a/*", "a/b", True),
        ("**", "a/b/c", True),
        ("**/c", "a/b/c", True),
        ("**/c", "c", True),
        ("a/**", "a", True),
        ("a/**", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/x/y/c", True),
        ("a/**/c", "ac", False),
        ("a**b", "axxb", True),
        ("a**b", "ax/b", False),
        ("?", "ä", True),
        ("?", "/", False),
        ("[abc]", "b", True),
        ("[!abc]", "b", False),
        ("[^abc]", "d", True),
        ("[a-c]x", "bx", True),
        ("[[]", "[", True),
        ("{a,b}.txt", "b.txt", True),
        ("{a,b{c,d}}", "bd", True),
        ("{a,b}/{c,d}", "b/c", True),
        ("a{,b}", "a", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("a b.c+d", "a b.c+d", True),
        ("a.b", "axb", False),
        ("**/*.xml", "x/TEST-1.xml", True),
        ("na\udcffme*", "na\udcffme1", True),
    ],
)
def test_doublestar(pattern: str, path: str, *, expected: bool) -> None:
    assert compile_pattern(pattern.replace("\udcff", "\ufffd"))(path) is expected


@pytest.mark.parametrize("pattern", ["[a", "{a,b", "[z-a]", "{a,b}" * 12])
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"bracket|brace|no glob|alternatives"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("dist", "dist"),
        ("dist/*.js", "dist"),
        ("dist/sub/**/x", "dist/sub"),
        ("dist*", ""),
        ("**/x", ""),
        ("a/{b,c}/d", "a"),
    ],
)
def test_literal_prefix(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("dist/", "dist"),
        ("./dist", "dist"),
        ("dist/../x", "x"),
        (f"{DIR}/dist", "dist"),
        (DIR, "."),
        (".", "."),
        ("..", None),
        ("../other", None),
        ("a/../../x", None),
        ("/etc/passwd", None),
        (f"{DIR}-other/x", None),
        ("", None),
        ("a\0b", None),
    ],
)
def test_relative_patterns(pattern: str, expected: str | None) -> None:
    assert relative_pattern(pattern, DIR) == expected


@pytest.mark.parametrize(
    ("patterns", "expected", "remark"),
    [
        pytest.param(
            ["dist/"],
            ["dist/app.js", "dist/app.log", "dist/sub/x.js"],
            "dist/: found 5 matching artifact files and directories",
            id="folder",
        ),
        pytest.param(
            ["dist/*.js"],
            ["dist/app.js"],
            "dist/*.js: found 1 matching artifact files and directories",
            id="glob",
        ),
        pytest.param(
            ["dist/s*"],
            ["dist/sub/x.js"],
            "dist/s*: found 2 matching artifact files and directories",
            id="glob of a folder",
        ),
        pytest.param(
            ["**/*.js"],
            ["dist/app.js", "dist/sub/x.js"],
            "**/*.js: found 2 matching artifact files and directories",
            id="any depth",
        ),
        pytest.param(
            ["dist/sub/../app.js"],
            ["dist/app.js"],
            "dist/sub/../app.js: found 1 matching artifact files and directories",
            id="normalised",
        ),
        pytest.param(
            ["no"],
            [],
            "no: no matching files. Ensure that the artifact path is relative to the "
            f"working directory ({DIR})",
            id="nothing",
        ),
        pytest.param(
            ["/etc/passwd"],
            [],
            "processPath: artifact path is not a subpath of project directory: "
            "/etc/passwd",
            id="outside",
        ),
        pytest.param(
            ["../*/x"],
            [],
            "processPath: artifact path is not a subpath of project directory: ../*/x",
            id="glob outside",
        ),
        pytest.param(["[a"], [], "[a: a bracket is not closed: '[a'", id="no pattern"),
    ],
)
def test_select(patterns: list[str], expected: list[str], remark: str) -> None:
    selected = files().select(patterns)

    assert list(selected.paths) == expected
    assert selected.remarks == (Remark(remark, warning=not expected),)
    assert selected.bytes == sum(TREE[path] for path in expected)


def test_everything() -> None:
    assert list(files().select(["."]).paths) == sorted(TREE)


def test_excluded() -> None:
    selected = files().select(["dist"], exclude=["dist/*.log", "dist/sub", "**/no"])

    assert selected.paths == ("dist/app.js", "dist/sub/x.js")
    assert selected.remarks == (
        # app.js, sub/x.js, and dist itself.
        Remark("dist: found 3 matching artifact files and directories"),
        Remark("dist/*.log: excluded 1 files"),
        Remark("dist/sub: excluded 1 files"),
    )


def test_a_file_is_counted_wherever_it_is_excluded() -> None:
    patterns = ["dist/*.js", "dist/app.js", "dist/*.log"]

    selected = files().select(patterns, exclude=[f"{DIR}/dist/app.*", "/etc/*"])

    assert selected.paths == ()
    assert [remark.text for remark in selected.remarks[-2:]] == [
        "isExcluded: artifact path is not a subpath of project directory: /etc/*",
        f"{DIR}/dist/app.*: excluded 3 files",
    ]
    assert all("no matching files" in each.text for each in selected.remarks[:3])


def test_a_folder_with_its_content_is_excluded_by_a_pattern_for_both() -> None:
    assert files().select(["dist"], exclude=["dist/sub/**/*"]).paths == (
        "dist/app.js",
        "dist/app.log",
    )


def test_untracked() -> None:
    selected = files().select([], untracked=True)

    assert set(selected.paths) == set(TREE) - {"README.md", "src/main.py"}
    assert selected.remarks == (Remark("untracked: found 6 files"),)


def test_links_travel_and_devices_do_not() -> None:
    modes = {"dist/app.js": stat.S_IFLNK | 0o777, "dist/app.log": stat.S_IFIFO | 0o600}

    assert files(**modes).select(["dist/*"]).paths == ("dist/app.js", "dist/sub/x.js")


def test_the_git_file_of_a_submodule_is_not_untracked() -> None:
    entries = {
        path: FileEntry(path=path, mode=stat.S_IFREG | 0o644, size=1)
        for path in ("lib/.git", "lib/.gitignore")
    }
    found = FileSet(entries=entries, tracked=frozenset(), project_dir=DIR)

    assert found.select([], untracked=True).paths == ("lib/.gitignore",)


@pytest.mark.parametrize(
    ("patterns", "untracked", "expected"),
    [
        (["dist/", "a/b/*.x"], False, ("a/b", "dist")),
        (["dist/", "*.x"], False, None),
        (["dist/"], True, None),
        (["."], False, None),
        (["/etc"], False, ()),
        ([], False, ()),
    ],
)
def test_needed_folders(
    patterns: list[str], *, untracked: bool, expected: tuple[str, ...] | None
) -> None:
    assert needed_folders(patterns, DIR, untracked=untracked) == expected
