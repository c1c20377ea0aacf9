"""The file of `--console-oidc`: which OpenID provider says who someone is, and which role its groups have here."""

from __future__ import annotations

from pathlib import Path

from trustplane.fault import Refused
from trustplane.host.small_file import read_small
from trustplane.people.account import Role
from trustplane.people.oidc import GroupRole, OidcSettings
from trustplane.registry.fields import Fields, each, one_of, text
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import MAX_BYTES, Node, parse

MAX_SECRET = 1024
_KEYS = {
    *("issuer", "client_id", "client_secret_file", "redirect_uri", "authorities_file"),
    *("label", "name_claim", "groups_claim", "scopes", "roles"),
}
_ROLES = {one.value: one for one in Role}


def read_oidc_file(path: Path) -> tuple[OidcSettings, Path | None]:
    """With the file of CAs that vouch for the provider; none: this machine's. All that is wrong is said at once."""
    findings = Findings()
    tree = parse(path.name, read_small(path, MAX_BYTES), findings)
    found = _settings(tree, path.parent, findings) if tree is not None else None
    findings.refuse_if_any()
    if found is None:
        message = "what is not settings was not refused"
        raise AssertionError(message)
    return found


def _settings(tree: Node, beside: Path, findings: Findings) -> tuple[OidcSettings, Path | None] | None:
    with findings.at(tree.place):
        fields = Fields(tree, _KEYS, findings)
        issuer = fields.required("issuer", text, "https://id.example.org")
        client = fields.required("client_id", text, "trustplane")
        redirect = fields.required("redirect_uri", text, "https://console.example.org/sign-in/oidc/callback")
        roles = fields.required("roles", lambda node: each(node, lambda one: _role(one, findings), findings), "[]")
        secret = fields.optional("client_secret_file", lambda node: _secret(beside / text(node)), "")
        label = fields.optional("label", text, "single sign-on")
        name = fields.optional("name_claim", text, "preferred_username")
        groups = fields.optional("groups_claim", text, "groups")
        scopes = fields.optional("scopes", lambda node: each(node, text, findings), ("openid", "profile"))
        authorities = fields.optional("authorities_file", lambda node: beside / text(node), None)
        if len(findings) or issuer is None or client is None or redirect is None or roles is None:
            return None
        given = tuple(one for one in roles if one is not None)
        return OidcSettings(issuer, client, redirect, given, secret, label, name, groups, scopes), authorities
    return None


def _role(node: Node, findings: Findings) -> GroupRole | None:
    fields = Fields(node, {"group", "role"}, findings)
    group = fields.required("group", text, "mesh-operators")
    role = fields.required("role", lambda one: _ROLES[one_of(_ROLES)(one)], "operator")
    return GroupRole(group, role) if group is not None and role is not None else None


def _secret(path: Path) -> str:
    secret = read_small(path, MAX_SECRET).decode(errors="replace").strip()
    if not secret or not secret.isprintable():
        raise Refused(
            code="bad-client-secret",
            what=f"{path} holds no client secret",
            why="it is one line of printable characters",
            fix="write into it what the provider gave this client, readable by the server alone",
        )
    return secret
