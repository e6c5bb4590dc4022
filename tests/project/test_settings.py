from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from spotci.errors import UsageError
from spotci.project import Settings, load_settings
from spotci.project.load_settings import user_file
from spotci.project.settings import SECTIONS, EngineSection, GitlabSection


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def user_config(environ: dict[str, str], text: str) -> Path:
    path = Path(environ["HOME"], ".config", "spotci", "config.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_all_are_defaults(
    root: Path, environ: dict[str, str]
) -> None:
    settings = load_settings(root, environ)

    assert settings == Settings()
    assert settings.origins == {}
    assert settings.registry.address == "localhost:5000"


def test_each_source_beats_the_one_before(root: Path, environ: dict[str, str]) -> None:
    (root / ".gitlab-ci-local-env").write_text("CONCURRENCY=1\nDEFAULT_IMAGE=a\n")
    user = user_config(
        environ,
        '[run]\nconcurrency = 2\ndefault_image = "b"\njob_timeout = "2h"\n'
        "git_depth = 1\n[registry]\nport = 1\n",
    )
    (root / ".spotci.toml").write_text(
        '[run]\nconcurrency = 3\njob_timeout = 90\n\n[registry]\n"port" = 2\n'
    )
    environ |= {"SPOTCI_RUN_CONCURRENCY": "4", "SPOTCI_REGISTRY_PORT": "3"}

    settings = load_settings(root, environ, overrides={"registry.port": 4})

    assert settings.run.concurrency == 4
    assert settings.run.default_image == "b"
    assert settings.run.job_timeout == timedelta(seconds=90)
    assert settings.run.git_depth == 1
    assert settings.registry.port == 4
    assert settings.origins == {
        "run.concurrency": "SPOTCI_RUN_CONCURRENCY",
        "run.default_image": f"{user}:3",
        "run.job_timeout": ".spotci.toml:3",
        "run.git_depth": f"{user}:5",
        "registry.port": "command line",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[run]\nconcurency = 2",
            '.spotci.toml:2: unknown setting "run.concurency"\n'
            'did you mean "run.concurrency"?',
            id="key",
        ),
        pytest.param(
            "\n[regstry]\nport = 1",
            '.spotci.toml:2: unknown section "regstry"\ndid you mean "registry"?',
            id="section",
        ),
        pytest.param(
            "run = 1",
            '.spotci.toml:1: "run" must be a section: [run]',
            id="section as value",
        ),
        pytest.param(
            "[registry]\nport = 70000",
            ".spotci.toml:2: registry.port must be a whole number from 1 to 65535",
            id="out of bounds",
        ),
        pytest.param(
            "[registry]\nport = true",
            ".spotci.toml:2: registry.port must be a whole number from 1 to 65535",
            id="boolean for a number",
        ),
        pytest.param(
            "[run]\nfail_fast = 1",
            ".spotci.toml:2: run.fail_fast must be true or false",
            id="number for a boolean",
        ),
        pytest.param(
            "[run]\ntimeout = 'soon'",
            '.spotci.toml:2: run.timeout must be a duration such as "1h 30m"',
            id="duration",
        ),
        pytest.param(
            "[run]\noutput = 'loud'",
            ".spotci.toml:2: run.output must be one of auto, live, plain, json, quiet",
            id="choice",
        ),
        pytest.param(
            "[engine]\ncpus = 0",
            ".spotci.toml:2: engine.cpus must be a number above 0",
            id="number",
        ),
        pytest.param(
            "[project]\npath = ''",
            ".spotci.toml:2: project.path must be a text",
            id="empty text",
        ),
        pytest.param(
            "[variables]\nmask = [1]",
            ".spotci.toml:2: variables.mask must be a list of texts",
            id="list",
        ),
        pytest.param(
            "[projects]\n'a/b' = 1",
            '.spotci.toml:2: projects."a/b" must be a path',
            id="project",
        ),
        pytest.param(
            "[run]\nkeep = tru",
            ".spotci.toml:2:8: Invalid value",
            id="not TOML",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    root: Path, environ: dict[str, str], text: str, message: str
) -> None:
    (root / ".spotci.toml").write_text(text)

    with pytest.raises(UsageError) as caught:
        load_settings(root, environ)

    assert str(caught.value) == message


def test_an_unknown_variable_of_the_environment_is_an_error(
    root: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(root, {**environ, "SPOTCI_REGISTRY_PROT": "1"})

    assert str(caught.value) == (
        "unknown setting SPOTCI_REGISTRY_PROT in the environment\n"
        'did you mean "SPOTCI_REGISTRY_PORT"?'
    )


def test_variables_for_tests_and_the_file_are_no_settings(
    root: Path, environ: dict[str, str]
) -> None:
    environ |= {"SPOTCI_TEST_ENGINE": "1", "SPOTCI_CONFIG": str(root / "mine.toml")}
    (root / "mine.toml").write_text("[run]\nkeep = true\n")

    assert load_settings(root, environ).run.keep


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(f"{section}.{key}", id=f"{section}.{key}")
        for section, kind in SECTIONS.items()
        for key, field in kind.__dataclass_fields__.items()
        if field.metadata["trusted"]
    ],
)
def test_a_repository_must_not_set_what_needs_trust(
    root: Path, environ: dict[str, str], key: str
) -> None:
    section, _, name = key.partition(".")
    (root / ".spotci.toml").write_text(f"[{section}]\n{name} = 'x'\n")

    with pytest.raises(UsageError) as caught:
        load_settings(root, environ)

    variable = f"SPOTCI_{section}_{name}".upper()
    assert str(caught.value) == (
        f".spotci.toml:2: a repository must not set {key}\n"
        f"set it in ~/.config/spotci/config.toml, or by {variable}"
    )


def test_the_user_may_set_what_needs_trust(root: Path, environ: dict[str, str]) -> None:
    user_config(environ, '[engine]\nimage = "docker:27-dind"\n')

    settings = load_settings(root, {**environ, "SPOTCI_ENGINE_MIRRORS": "a, b"})

    assert settings.engine.image == "docker:27-dind"
    assert settings.engine.mirrors == ("a", "b")


def test_projects_are_relative_to_the_file_that_names_them(
    root: Path, environ: dict[str, str]
) -> None:
    (root / ".spotci.toml").write_text('[projects]\n"a/b" = "../b"\n')

    settings = load_settings(root, environ)

    assert settings.projects == {"a/b": str(root.parent / "b")}
    assert settings.origins == {"projects.a/b": ".spotci.toml:2"}


def test_effective_values_hide_the_token(root: Path, environ: dict[str, str]) -> None:
    settings = load_settings(root, {**environ, "SPOTCI_GITLAB_TOKEN": "glpat-canary"})

    rows = settings.effective()

    assert rows["gitlab.token"] == ("[MASKED]", "SPOTCI_GITLAB_TOKEN")
    assert rows["run.output"] == ("auto", "default")
    proxied = Settings(engine=EngineSection(proxy="http://ada:canary@proxy:3128"))
    (proxy, _) = proxied.effective()["engine.proxy"]
    assert proxy == "http://ada:[MASKED]@proxy:3128"
    assert "canary" not in repr(settings)
    assert settings.gitlab == GitlabSection(token="glpat-canary")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"SPOTCI_CONFIG": "/a", "HOME": "/h"}, "/a", id="named"),
        pytest.param(
            {"XDG_CONFIG_HOME": "/c", "HOME": "/h"}, "/c/spotci/config.toml", id="XDG"
        ),
        pytest.param({"HOME": "/h"}, "/h/.config/spotci/config.toml", id="home"),
        pytest.param({}, None, id="nowhere"),
    ],
)
def test_user_file(environ: dict[str, str], expected: str | None) -> None:
    assert user_file(environ) == (None if expected is None else Path(expected))
