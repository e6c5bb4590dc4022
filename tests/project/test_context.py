from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from spotci.context import MergeRequest, PipelineSource
from spotci.errors import UsageError
from spotci.project import ContextOptions, make_context, runner_variables
from spotci.variables import Level

if TYPE_CHECKING:
    from spotci.context import Context
    from tests.project.repositories import GitFolder

ZEROS = "0" * 40
TABLE = [
    "CI_PIPELINE_SOURCE",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_TAG",
    "CI_COMMIT_REF_NAME",
    "CI_COMMIT_BEFORE_SHA",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CI_PIPELINE_TRIGGERED",
]


def values(context: Context) -> dict[str, str]:
    return {variable.name: variable.value for variable in context.variables}


def context_of(repository: GitFolder, **options: object) -> Context:
    return make_context(repository.open(), ContextOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["push", "work", None, "work", "P", None, None], id="push"),
        pytest.param(
            {"branch": "other"},
            ["push", "other", None, "other", "P", None, None],
            id="push to another branch",
        ),
        pytest.param(
            {"event": "tag", "tag": "v1"},
            ["push", None, "v1", "v1", ZEROS, None, None],
            id="tag",
        ),
        pytest.param(
            {"tag": "v1"},
            ["push", None, "v1", "v1", ZEROS, None, None],
            id="--tag is enough",
        ),
        pytest.param(
            {"event": "merge_request"},
            ["merge_request_event", None, None, "work", ZEROS, "main", None],
            id="merge request",
        ),
        pytest.param(
            {"target_branch": "next"},
            ["merge_request_event", None, None, "work", ZEROS, "next", None],
            id="--target-branch is enough",
        ),
        pytest.param(
            {"event": "schedule"},
            ["schedule", "work", None, "work", ZEROS, None, None],
            id="schedule",
        ),
        pytest.param(
            {"event": "schedule", "tag": "v1"},
            ["schedule", None, "v1", "v1", ZEROS, None, None],
            id="schedule on a tag",
        ),
        pytest.param(
            {"event": "web"}, ["web", "work", None, "work", ZEROS, None, None], id="web"
        ),
        pytest.param(
            {"event": "api"}, ["api", "work", None, "work", ZEROS, None, None], id="api"
        ),
        pytest.param(
            {"event": "trigger"},
            ["trigger", "work", None, "work", ZEROS, None, "true"],
            id="trigger",
        ),
        pytest.param(
            {"event": "pipeline"},
            ["pipeline", "work", None, "work", ZEROS, None, None],
            id="pipeline",
        ),
    ],
)
def test_variables_of_each_event(
    repository: GitFolder, options: dict[str, object], expected: list[str | None]
) -> None:
    parent = repository.commit()
    repository.git("checkout", "-q", "-b", "work")
    repository.commit({"a": "1"})

    found = values(context_of(repository, **options))

    wanted = [parent if value == "P" else value for value in expected]
    assert [found.get(name) for name in TABLE] == wanted


def test_the_whole_of_a_push(repository: GitFolder) -> None:
    parent = repository.commit()
    sha = repository.commit({"a": "1"}, "Fix: the cart\n\nIt was $BROKEN.\n")
    options = ContextOptions(iid=7, created_at="2026-03-04T05:06:07Z")

    context = make_context(repository.open(SPOTCI_PROJECT_ID="42"), options)

    url = "https://gitlab.example.com"
    namespace_id = values(context)["CI_PROJECT_NAMESPACE_ID"]
    user_id = values(context)["GITLAB_USER_ID"]
    assert values(context) == {
        "CI": "true",
        "GITLAB_CI": "true",
        "GITLAB_FEATURES": "",
        "CI_API_V4_URL": f"{url}/api/v4",
        "CI_API_GRAPHQL_URL": f"{url}/api/graphql",
        "CI_CONFIG_PATH": ".gitlab-ci.yml",
        "CI_COMMIT_AUTHOR": "Ada Lovelace <ada@example.com>",
        "CI_COMMIT_BEFORE_SHA": parent,
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_DESCRIPTION": "\nIt was $BROKEN.",
        "CI_COMMIT_MESSAGE": "Fix: the cart\n\nIt was $BROKEN.\n",
        "CI_COMMIT_MESSAGE_IS_TRUNCATED": "false",
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_REF_PROTECTED": "true",
        "CI_COMMIT_REF_SLUG": "main",
        "CI_COMMIT_SHA": sha,
        "CI_COMMIT_SHORT_SHA": sha[:8],
        "CI_COMMIT_TIMESTAMP": "2026-03-04T05:06:07+02:00",
        "CI_COMMIT_TITLE": "Fix: the cart",
        "CI_DEFAULT_BRANCH": "main",
        "CI_DEFAULT_BRANCH_SLUG": "main",
        "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX": "docker.io",
        "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": "docker.io",
        "CI_DEPENDENCY_PROXY_SERVER": "docker.io",
        "CI_PAGES_DOMAIN": "pages.gitlab.example.com",
        "CI_PAGES_HOSTNAME": "acme.pages.gitlab.example.com",
        "CI_PAGES_URL": "https://acme.pages.gitlab.example.com/web/Shop",
        "CI_PIPELINE_CREATED_AT": "2026-03-04T05:06:07Z",
        "CI_PIPELINE_IID": "7",
        "CI_PIPELINE_SOURCE": "push",
        "CI_PROJECT_CLASSIFICATION_LABEL": "",
        "CI_PROJECT_DESCRIPTION": "",
        "CI_PROJECT_ID": "42",
        "CI_PROJECT_NAME": "Shop",
        "CI_PROJECT_NAMESPACE": "acme/web",
        "CI_PROJECT_NAMESPACE_ID": namespace_id,
        "CI_PROJECT_NAMESPACE_SLUG": "acme-web",
        "CI_PROJECT_PATH": "acme/web/Shop",
        "CI_PROJECT_PATH_SLUG": "acme-web-shop",
        "CI_PROJECT_REPOSITORY_LANGUAGES": "",
        "CI_PROJECT_ROOT_NAMESPACE": "acme",
        "CI_PROJECT_TITLE": "Shop",
        "CI_PROJECT_TOPICS": "",
        "CI_PROJECT_URL": f"{url}/acme/web/Shop",
        "CI_PROJECT_VISIBILITY": "private",
        "CI_REGISTRY": "localhost:5000",
        "CI_REGISTRY_IMAGE": "localhost:5000/acme/web/shop",
        "CI_SERVER_FQDN": "gitlab.example.com",
        "CI_SERVER_HOST": "gitlab.example.com",
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_PORT": "443",
        "CI_SERVER_PROTOCOL": "https",
        "CI_SERVER_REVISION": "spotci",
        "CI_SERVER_SHELL_SSH_HOST": "gitlab.example.com",
        "CI_SERVER_SHELL_SSH_PORT": "22",
        "CI_SERVER_URL": url,
        "CI_SERVER_VERSION": "18.6.0",
        "CI_SERVER_VERSION_MAJOR": "18",
        "CI_SERVER_VERSION_MINOR": "6",
        "CI_SERVER_VERSION_PATCH": "0",
        "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
        "GITLAB_USER_EMAIL": "ada@example.com",
        "GITLAB_USER_ID": user_id,
        "GITLAB_USER_LOGIN": "ada",
        "GITLAB_USER_NAME": "Ada Lovelace",
    }
    levels = {variable.name: variable.level for variable in context.variables}
    assert {name for name, level in levels.items() if level is Level.USER} == {
        "GITLAB_USER_EMAIL",
        "GITLAB_USER_ID",
        "GITLAB_USER_LOGIN",
        "GITLAB_USER_NAME",
    }
    assert set(levels.values()) == {Level.PREDEFINED, Level.USER}
    raw = {variable.name for variable in context.variables if not variable.expand}
    assert raw == {"CI_COMMIT_DESCRIPTION", "CI_COMMIT_MESSAGE"}


def test_the_whole_of_a_merge_request(repository: GitFolder) -> None:
    base = repository.commit()
    repository.git("checkout", "-q", "-b", "work")
    repository.commit({"a": "1"}, "Draft: the cart\n\nWhy.\n")

    context = context_of(
        repository, event="merge_request", labels=("one", "two"), merge_request_iid=5
    )

    url = "https://gitlab.example.com/acme/web/Shop"
    project_id = values(context)["CI_PROJECT_ID"]
    found = {
        name.removeprefix("CI_MERGE_REQUEST_"): value
        for name, value in values(context).items()
        if name.startswith("CI_MERGE_REQUEST_")
    }
    assert found == {
        "APPROVED": "false",
        "DESCRIPTION": "Why.",
        "DESCRIPTION_IS_TRUNCATED": "false",
        "DIFF_BASE_SHA": base,
        "DIFF_ID": "5",
        "DRAFT": "true",
        "EVENT_TYPE": "detached",
        "ID": "5",
        "IID": "5",
        "LABELS": "one,two",
        "PROJECT_ID": project_id,
        "PROJECT_PATH": "acme/web/Shop",
        "PROJECT_URL": url,
        "REF_PATH": "refs/merge-requests/5/head",
        "SOURCE_BRANCH_NAME": "work",
        "SOURCE_BRANCH_PROTECTED": "false",
        "SOURCE_BRANCH_SHA": "",
        "SOURCE_PROJECT_ID": project_id,
        "SOURCE_PROJECT_PATH": "acme/web/Shop",
        "SOURCE_PROJECT_URL": url,
        "SQUASH_ON_MERGE": "false",
        "TARGET_BRANCH_NAME": "main",
        "TARGET_BRANCH_PROTECTED": "true",
        "TARGET_BRANCH_SHA": "",
        "TITLE": "Draft: the cart",
    }
    assert values(context)["CI_OPEN_MERGE_REQUESTS"] == "acme/web/Shop!5"
    assert context.source is PipelineSource.MERGE_REQUEST_EVENT
    assert (context.branch, context.tag, context.ref) == (None, None, "work")
    assert context.merge_request == MergeRequest(
        source_branch="work", target_branch="main", iid=5, labels=("one", "two")
    )


@pytest.mark.parametrize(
    ("message", "title", "description"),
    [
        pytest.param("Title", "Title", "", id="one line"),
        pytest.param("Title\n", "Title", "", id="one line with its end"),
        pytest.param("Title\n\nBody\n", "Title", "\nBody", id="body"),
        pytest.param("Title\nBody", "Title", "Body", id="no empty line"),
        pytest.param(
            "x" * 100 + "\n\nBody\n", "x" * 100, "x" * 100 + "\n\nBody\n", id="long"
        ),
        pytest.param("x" * 99 + "\n\nBody", "x" * 99, "\nBody", id="not quite long"),
    ],
)
def test_title_and_description(
    repository: GitFolder, message: str, title: str, description: str
) -> None:
    repository.commit(message=message)

    found = values(context_of(repository))

    assert found["CI_COMMIT_MESSAGE"].rstrip("\n") == message.rstrip("\n")
    assert found["CI_COMMIT_TITLE"] == title
    assert found["CI_COMMIT_DESCRIPTION"].rstrip("\n") == description.rstrip("\n")


def test_a_huge_message_is_cut_between_characters(repository: GitFolder) -> None:
    repository.write({"message": "é" * 60_000})
    repository.git("commit", "-q", "--allow-empty", "-F", "message")

    found = values(context_of(repository))

    assert found["CI_COMMIT_MESSAGE"] == "é" * 50_000
    assert found["CI_COMMIT_MESSAGE_IS_TRUNCATED"] == "true"


def test_messages_of_tags(repository: GitFolder) -> None:
    repository.commit(message="of the commit")
    repository.git("tag", "light")
    repository.git("tag", "-a", "annotated", "-m", "of the tag")

    def message(tag: str) -> str:
        return values(context_of(repository, tag=tag))["CI_COMMIT_TAG_MESSAGE"]

    assert message("light") == ""
    assert message("annotated") == "of the tag"
    assert message("not-made-yet") == ""


def test_the_tag_at_head_is_found(repository: GitFolder) -> None:
    repository.commit()
    repository.git("tag", "v1.0.0")

    assert context_of(repository, event="tag").tag == "v1.0.0"


def test_a_tag_event_needs_a_tag(repository: GitFolder) -> None:
    repository.commit()

    with pytest.raises(UsageError) as caught:
        context_of(repository, event="tag")

    assert str(caught.value) == (
        "no tag points at HEAD\nname one: --tag v1.0.0; it need not exist"
    )


@pytest.mark.parametrize(
    ("commands", "branch", "tag"),
    [
        pytest.param(["tag v1", "checkout -q v1"], None, "v1", id="at a tag"),
        pytest.param(
            ["checkout -q --detach"], "main", None, id="at the default branch"
        ),
        pytest.param(
            ["branch work", "commit -q --allow-empty -m x", "checkout -q work~0"],
            "work",
            None,
            id="at another branch",
        ),
        pytest.param(
            ["checkout -q --detach", "commit -q --allow-empty -m x"],
            "HEAD",
            None,
            id="at no branch",
        ),
    ],
)
def test_detached(
    repository: GitFolder, commands: list[str], branch: str | None, tag: str | None
) -> None:
    repository.commit()
    for command in commands:
        repository.git(*command.split())

    context = context_of(repository)

    assert (context.branch, context.tag) == (branch, tag)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"branch": "main"}, True, id="default branch"),
        pytest.param({"branch": "release/1.2"}, True, id="release branch"),
        pytest.param({"branch": "work"}, False, id="other branch"),
        pytest.param({"tag": "v1.2.3"}, True, id="version"),
        pytest.param({"tag": "nightly"}, False, id="other tag"),
        pytest.param({"event": "merge_request", "branch": "work"}, False, id="request"),
    ],
)
def test_protected(
    repository: GitFolder, options: dict[str, object], expected: bool
) -> None:
    repository.commit()

    context = context_of(repository, **options)

    assert context.protected is expected
    assert values(context)["CI_COMMIT_REF_PROTECTED"] == str(expected).lower()


def test_before_sha_is_what_the_server_has(repository: GitFolder) -> None:
    pushed = repository.commit()
    repository.pushed()
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})

    assert values(context_of(repository))["CI_COMMIT_BEFORE_SHA"] == pushed


def test_before_sha_of_a_first_commit_is_zero(repository: GitFolder) -> None:
    repository.commit()

    assert values(context_of(repository))["CI_COMMIT_BEFORE_SHA"] == ZEROS


def test_before_the_first_commit_there_are_values(repository: GitFolder) -> None:
    found = values(context_of(repository))

    assert found["CI_COMMIT_SHA"] == ZEROS
    assert found["CI_COMMIT_BRANCH"] == "main"
    assert found["CI_COMMIT_TITLE"] == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"event": "psuh"},
            'unknown event "psuh"\nthe events are: push, tag, merge_request, schedule, '
            "web, api, trigger, pipeline",
            id="event",
        ),
        pytest.param(
            {"event": "push", "target_branch": "main"},
            "--target-branch needs --event merge_request",
            id="target of a push",
        ),
        pytest.param(
            {"event": "merge_request", "tag": "v1"},
            "a merge request is not for a tag: --tag cannot be used here",
            id="tag of a merge request",
        ),
        pytest.param(
            {"variables": {"A-B": "1"}}, '"A-B" is no name of a variable', id="name"
        ),
        pytest.param(
            {"env_files": ("none.env",)},
            'env file "none.env" does not exist',
            id="env file",
        ),
    ],
)
def test_options_that_cannot_be(
    repository: GitFolder, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        context_of(repository, **options)

    assert str(caught.value) == message


def test_variables_of_the_user_are_pipeline_variables(repository: GitFolder) -> None:
    context = context_of(
        repository,
        variables={"A": "1", "DEPLOY_TOKEN": "0123456789", "PIN_SECRET": "1234"},
    )

    given = {v.name: v for v in context.variables if v.level is Level.PIPELINE}
    assert {name: v.masked for name, v in given.items()} == {
        "A": False,
        "DEPLOY_TOKEN": True,
        "PIN_SECRET": False,
    }
    assert {v.origin for v in given.values()} == {"--variable"}
    (warning,) = context.warnings
    assert str(warning) == (
        "warning: PIN_SECRET looks secret and cannot be masked: its value has fewer "
        "than 8 characters (--variable)"
    )


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        pytest.param({}, {}, False, id="no"),
        pytest.param({}, {"full": True}, True, id="--full"),
        pytest.param({"SPOTCI_RUN_EVALUATE_CHANGES": "no"}, {}, True, id="settings"),
    ],
)
def test_changes_always_true(
    repository: GitFolder,
    settings: dict[str, str],
    options: dict[str, bool],
    expected: bool,
) -> None:
    context = make_context(
        repository.open(**settings), ContextOptions(full=options.get("full", False))
    )

    assert context.changes_always_true is expected


def test_runner_variables(repository: GitFolder) -> None:
    repository.commit()
    project = repository.open()
    context = make_context(project, ContextOptions())

    first = {v.name: v for v in runner_variables(project, context, run_id="r1")}
    second = {v.name: v for v in runner_variables(project, context, run_id="r1")}

    assert first["CI_PROJECT_DIR"].value == "/builds/acme/web/Shop"
    assert first["CI_PROJECT_DIR"].level is Level.RUNNER
    assert first["CI_REGISTRY_USER"].value == "gitlab-ci-token"
    assert first["CI_REGISTRY_USER"].level is Level.PREDEFINED
    assert first["CI_SERVER"].value == "yes"
    assert first["CI_RUNNER_TAGS"].value == "[]"
    assert first["CI_PIPELINE_ID"].value.isdecimal()
    assert first["CI_PIPELINE_ID"] == second["CI_PIPELINE_ID"]
    secret = {name for name, variable in first.items() if variable.masked}
    assert secret == {
        "CI_DEPENDENCY_PROXY_PASSWORD",
        "CI_JOB_TOKEN",
        "CI_REGISTRY_PASSWORD",
        "CI_REPOSITORY_URL",
    }
    for name in secret:
        assert first[name].value != second[name].value
        assert first[name].value not in repr(first)
    token = first["CI_JOB_TOKEN"].value
    assert first["CI_REPOSITORY_URL"].value == (
        f"https://gitlab-ci-token:{token}@gitlab.example.com/acme/web/Shop.git"
    )


def test_a_trigger_has_a_short_token(repository: GitFolder) -> None:
    project = repository.open()
    context = make_context(project, ContextOptions(event="trigger"))

    names = {v.name for v in runner_variables(project, context, run_id="r1")}

    assert "CI_TRIGGER_SHORT_TOKEN" in names


def test_a_trigger_has_its_payload_in_a_file(repository: GitFolder) -> None:
    sent = {"A": "1", "DEPLOY_TOKEN": "0123456789"}
    context = context_of(repository, event="trigger", branch="work", variables=sent)

    (payload,) = (v for v in context.variables if v.name == "TRIGGER_PAYLOAD")

    assert payload.file
    assert payload.level is Level.PIPELINE
    assert json.loads(payload.value) == {
        "id": values(context)["CI_PROJECT_ID"],
        "ref": "work",
        "variables": sent,
    }
    assert "0123456789" not in repr(payload)
    assert "TRIGGER_PAYLOAD" not in values(context_of(repository))


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        ("dind", "CI_DISPOSABLE_ENVIRONMENT"),
        ("host", "CI_DISPOSABLE_ENVIRONMENT"),
        ("shell", "CI_SHARED_ENVIRONMENT"),
    ],
)
def test_what_a_job_leaves_behind_is_said(
    repository: GitFolder, engine: str, name: str
) -> None:
    project = repository.open(SPOTCI_ENGINE_KIND=engine)
    context = make_context(project, ContextOptions())

    found = {v.name for v in runner_variables(project, context, run_id="r1")}

    assert {each for each in found if each.endswith("_ENVIRONMENT")} == {name}


def test_tags_of_a_runner_are_a_list(repository: GitFolder) -> None:
    project = repository.open()
    context = make_context(project, ContextOptions())

    found = {
        v.name: v.value
        for v in runner_variables(project, context, run_id="r1", tags=("a", "b"))
    }

    assert found["CI_RUNNER_TAGS"] == '["a", "b"]'
