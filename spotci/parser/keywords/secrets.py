"""``secrets``, ``id_tokens``, ``identity`` and ``dast_configuration``.

Checked, and the first two recorded. A secret has exactly one provider; what a provider
takes is a table. GitLab: ``Entry::IdToken``, ``Entry::Secret`` of its paid editions.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from spotci.parser.keywords.decoding import (
    attribute,
    boolean,
    choice,
    given,
    hash_of,
    is_blank,
    key_texts,
    one_string,
    plain,
    required_keys,
    string,
    strings_or_string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = [
    "Identity",
    "decode_dast_configuration",
    "decode_id_tokens",
    "decode_identity",
    "decode_secrets",
]


class Identity(StrEnum):
    """Values of ``identity``."""

    GOOGLE_CLOUD = "google_cloud"


class _Provider(NamedTuple):
    """What a provider takes: required and further keys; a text alone, too."""

    required: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    text: bool = False
    needs_token: bool = False


_VAULT = "vault"
_PROVIDERS: MappingType[str, _Provider] = MappingProxyType(
    {
        _VAULT: _Provider(required=("engine", "path", "field"), text=True),
        "gcp_secret_manager": _Provider(
            required=("name",), further=("version",), needs_token=True
        ),
        "azure_key_vault": _Provider(required=("name",), further=("version",)),
        "aws_secrets_manager": _Provider(
            required=("secret_id",),
            further=(
                *("version_id", "version_stage", "region", "role_arn"),
                *("role_session_name", "field"),
            ),
            text=True,
        ),
        "gitlab_secrets_manager": _Provider(required=("name",), further=("source",)),
        "akeyless": _Provider(
            further=(
                *("name", "data_key", "cert_user_name", "public_key_data", "csr_data"),
                *("akeyless_api_url", "akeyless_access_type", "akeyless_token"),
                *(
                    "uid_token",
                    "gcp_audience",
                    "azure_object_id",
                    "k8s_auth_config_name",
                ),
                *("k8s_service_account_token", "gateway_ca_certificate"),
            )
        ),
    }
)


def decode_id_tokens(
    node: Node, place: str, problems: Problems
) -> MappingType[str, Any]:
    """Return the tokens as plain mappings by their names."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return MappingProxyType({})
    tokens = {}
    for name, entry in key_texts(mapping):
        token = hash_of(entry.value, f"{place}:{name}", problems)
        if token is None:
            continue
        required_keys(token, ("aud",), f"{place}:{name}", problems)
        unknown_keys(token, {"aud"}, f"{place}:{name}", problems)
        audience = token.get("aud")
        if audience is not None:
            strings_or_string(audience, f"{place}:{name} aud", problems)
        tokens[name] = plain(token)
    return MappingProxyType(tokens)


def decode_identity(node: Node, place: str, problems: Problems) -> Identity | None:
    """Return ``identity``."""
    return choice(node, f"{place} config", Identity, problems)


def decode_dast_configuration(node: Node, place: str, problems: Problems) -> None:
    """Check ``dast_configuration``."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return
    unknown_keys(mapping, {"site_profile", "scanner_profile"}, place, problems)
    attribute(mapping, "site_profile", string, place, problems)
    attribute(mapping, "scanner_profile", string, place, problems)


def decode_secrets(node: Node, place: str, problems: Problems) -> MappingType[str, Any]:
    """Return the secrets as plain mappings by the names of their variables."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return MappingProxyType({})
    secrets = {}
    for name, entry in key_texts(mapping):
        secret = hash_of(entry.value, f"{place}:{name}", problems)
        if secret is not None:
            _secret(secret, f"{place}:{name}", problems)
            secrets[name] = plain(secret)
    return MappingProxyType(secrets)


def _secret(node: Mapping, place: str, problems: Problems) -> None:
    unknown_keys(node, _PROVIDERS.keys() | {"file", "token"}, place, problems)
    providers = [name for name in _PROVIDERS if name in node.entries]
    if len(providers) != 1:
        problems.error(
            f"{place} config must use exactly one of these keys:"
            f" {', '.join(_PROVIDERS)}",
            node.span,
        )
    file = given(node, "file")
    if file is not None:
        boolean(file, f"{place}:file config", problems)
    attribute(node, "token", string, place, problems)
    for name in providers:
        _provided(node.entries[name].value, name, f"{place}:{name}", problems)
        if _PROVIDERS[name].needs_token and given(node, "token") is None:
            problems.error(
                f"{place} token is required with {name.replace('_', ' ')}", node.span
            )


def _provided(node: Node, name: str, place: str, problems: Problems) -> None:
    """Check where a provider keeps the secret."""
    provider = _PROVIDERS[name]
    if provider.text and isinstance(node, Scalar) and isinstance(node.value, str):
        if is_blank(node):
            problems.error(f"{place} config can't be blank", node.span)
        return
    if not isinstance(node, Mapping):
        kinds = "a hash or a string" if provider.text else "a hash"
        subject = place if provider.text else f"{place} config"
        problems.error(f"{subject} should be {kinds}", node.span)
        return
    unknown_keys(node, {*provider.required, *provider.further}, place, problems)
    for key in provider.required:
        if key == "engine":
            _engine(node, place, problems)
        else:
            one_string(node, key, place, problems)
    for key in provider.further:
        value = given(node, key)
        if isinstance(value, Mapping | Sequence) and key != "source":
            problems.error(
                f"{place} {key.replace('_', ' ')} should be a string", value.span
            )


def _engine(node: Mapping, place: str, problems: Problems) -> None:
    """Check ``vault:engine``, the secrets engine of the provider."""
    engine = given(node, "engine")
    if engine is None or is_blank(engine):
        problems.error(f"{place} engine can't be blank", node.span)
        return
    if not isinstance(engine, Mapping):
        problems.error(f"{place} engine should be a hash", engine.span)
        return
    place = f"{place}:engine"
    unknown_keys(engine, {"name", "path"}, place, problems)
    one_string(engine, "name", place, problems)
    one_string(engine, "path", place, problems)
