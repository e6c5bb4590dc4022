from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.project.remote import (
    Remote,
    apply_instead_of,
    parse_remote,
    project_path_of,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "git@gitlab.com:group/project.git",
            Remote(host="gitlab.com", path="group/project", ssh_port=22),
            id="scp-like",
        ),
        pytest.param(
            "gitlab.com:/group/project",
            Remote(host="gitlab.com", path="group/project", ssh_port=22),
            id="scp-like without user, absolute",
        ),
        pytest.param(
            "git@[2001:db8::1]:group/project.git",
            Remote(host="2001:db8::1", path="group/project", ssh_port=22),
            id="scp-like with an IPv6 address",
        ),
        pytest.param(
            "ssh://git@gitlab.example.com:2222/a/b/c.git",
            Remote(host="gitlab.example.com", path="a/b/c", ssh_port=2222),
            id="ssh with port and subgroups",
        ),
        pytest.param(
            "ssh://git@gitlab.example.com/a/b.git",
            Remote(host="gitlab.example.com", path="a/b", ssh_port=22),
            id="ssh",
        ),
        pytest.param(
            "https://oauth2:glpat-secret@GitLab.Example.com:8443/a/b/c.git/",
            Remote(host="gitlab.example.com", path="a/b/c", port=8443),
            id="https with port and credentials",
        ),
        pytest.param(
            "http://gitlab.local/a/b",
            Remote(host="gitlab.local", path="a/b", protocol="http", port=80),
            id="http",
        ),
        pytest.param(
            "https://gitlab.com/project.git",
            Remote(host="gitlab.com", path="local/project"),
            id="no namespace",
        ),
        pytest.param(
            "git://gitlab.com/a/b.git",
            Remote(host="gitlab.com", path="a/b"),
            id="git protocol",
        ),
        pytest.param(
            "https://gitlab.com/a/../../etc/passwd",
            Remote(host="gitlab.com", path="a/etc/passwd"),
            id="climbing",
        ),
        pytest.param(
            "https://gitlab.com/a%20b/c$d.git",
            Remote(host="gitlab.com", path="a-b/c-d"),
            id="odd characters",
        ),
        pytest.param("/srv/git/project.git", None, id="folder"),
        pytest.param("../project", None, id="relative folder"),
        pytest.param("~/project", None, id="folder at home"),
        pytest.param("file:///srv/git/project.git", None, id="file URL"),
        pytest.param(r"C:\git\project", None, id="Windows folder"),
        pytest.param("https://gitlab.com/", None, id="no path"),
        pytest.param("https://gitlab.com:port/a/b", None, id="port is no number"),
        pytest.param("https://[::1/a/b", None, id="bracket not closed"),
        pytest.param("", None, id="empty"),
        pytest.param("word", None, id="a word"),
    ],
)
def test_parse_remote(url: str, expected: Remote | None) -> None:
    assert parse_remote(url) == expected


def test_credentials_are_nowhere_in_a_remote() -> None:
    remote = parse_remote("https://user:hunter22@gitlab.com/a/b.git")

    assert "hunter22" not in repr(remote)
    assert "user" not in repr(remote)


@pytest.mark.parametrize(
    ("remote", "fqdn", "url"),
    [
        pytest.param(
            Remote(host="h", path="a/b"), "h", "https://h", id="usual port of https"
        ),
        pytest.param(
            Remote(host="h", path="a/b", port=8443),
            "h:8443",
            "https://h:8443",
            id="port",
        ),
        pytest.param(
            Remote(host="h", path="a/b", protocol="http", port=80),
            "h",
            "http://h",
            id="usual port of http",
        ),
        pytest.param(
            Remote(host="h", path="a/b", protocol="http", port=443),
            "h:443",
            "http://h:443",
            id="the port of the other",
        ),
    ],
)
def test_server_url(remote: Remote, fqdn: str, url: str) -> None:
    assert (remote.fqdn, remote.server_url) == (fqdn, url)


def test_instead_of_takes_the_longest_prefix() -> None:
    config = {
        "url.https://gitlab.com/.insteadof": ("gl:", "g"),
        "url.git@gitlab.example.com:team/.insteadof": ("gl:team/",),
    }

    assert apply_instead_of("gl:a/b", config) == "https://gitlab.com/a/b"
    assert apply_instead_of("gl:team/b", config) == "git@gitlab.example.com:team/b"
    assert apply_instead_of("ssh://h/a/b", config) == "ssh://h/a/b"


@given(st.text())
def test_any_path_becomes_one_that_is_safe_in_folder_names(path: str) -> None:
    allowed = set(string.ascii_letters + string.digits + "_.-/")

    result = project_path_of(path)

    assert set(result) <= allowed
    segments = result.split("/")
    assert len(segments) >= 2
    assert all(segment.strip(".") for segment in segments)
    assert not any(segment.startswith("-") for segment in segments)


@given(st.text())
def test_any_url_is_parsed_or_refused(url: str) -> None:
    remote = parse_remote(url)

    assert remote is None or (remote.host and "/" in remote.path)
