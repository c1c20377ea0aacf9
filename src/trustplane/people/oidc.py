"""People who sign in at an OpenID provider: what is agreed with it, and what its ID token says of someone.

A sign-in keeps nothing here until it is over. All that binds its steps together (`state`, `nonce`, the PKCE verifier)
is derived from one secret that the browser alone has, so that any replica can finish what another began.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from trustplane.fault import Refused
from trustplane.people.account import AccountName, Role
from trustplane.spiffe import base64url

CALLBACK = "/sign-in/oidc/callback"
MAX_GROUPS = 1000
MAX_SUBJECT = 255  # OpenID Connect Core §2
_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class GroupRole:
    group: str
    role: Role


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`roles`: the first group of these that someone is in decides. `redirect_uri` is ours, as the provider has it."""

    issuer: str
    client_id: str
    redirect_uri: str
    roles: tuple[GroupRole, ...]
    client_secret: str = field(default="", repr=False)  # none: a public client, which PKCE alone protects
    label: str = "single sign-on"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    scopes: tuple[str, ...] = ("openid", "profile")

    def __post_init__(self) -> None:
        _check_url(self.issuer, "issuer")
        _check_url(self.redirect_uri, "redirect_uri")
        if urlsplit(self.redirect_uri).path != CALLBACK:
            raise _bad(f"the redirect_uri is {self.redirect_uri!r:.200}", f"its path is {CALLBACK}")
        if not self.roles:
            raise _bad("no group has a role", "nobody could sign in by it")
        if "openid" not in self.scopes or not all(map(_VISIBLE.fullmatch, self.scopes)):
            raise _bad("the scopes do not name openid", "without it a provider sends no ID token")


def is_safe_url(url: str) -> bool:
    """HTTPS, or a loopback address by its number: there is nobody in between."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not _VISIBLE.fullmatch(url) or not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one browser. `secret` is its cookie's."""

    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """RFC 7636 §4.1: 43 characters."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        return base64url.encode(hashlib.sha256(self.verifier.encode()).digest())

    def is_state(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.state.encode())

    def _derived(self, what: str) -> str:
        key = self.secret.encode(errors="replace")
        return base64url.encode(hmac.digest(key, f"trustplane console oidc {what}".encode(), "sha256"))


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is. `subject` never comes to mean somebody else; the name may, so it is only shown."""

    name: AccountName
    role: Role
    subject: str


def person(claims: Mapping[str, object], settings: OidcSettings) -> Person:
    """Of claims that were verified. Refused as `oidc-no-role` when no group of theirs has one."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isascii():
        raise _unusable("the ID token names no subject", "`sub` is 1 to 255 ASCII characters (OpenID Connect Core §2)")
    name = claims.get(settings.name_claim)
    if not isinstance(name, str):
        raise _unusable(f"the ID token has no text as `{settings.name_claim}`", "that is what people are called here")
    role = _role(_groups(claims, settings.groups_claim), settings)
    return Person(AccountName.foreign(name), role, f"{settings.issuer} {subject}")


def _role(groups: frozenset[str], settings: OidcSettings) -> Role:
    for one in settings.roles:
        if one.group in groups:
            return one.role
    raise Refused(
        code="oidc-no-role",
        what="you are known to the provider, and have no role here",
        why=f"you are in none of the groups {', '.join(one.group for one in settings.roles)!s:.300}",
        fix="have yourself added to one of them, and sign in again",
    )


def _groups(claims: Mapping[str, object], name: str) -> frozenset[str]:
    """None at all is no fault of the token: providers leave out an empty list."""
    found = claims.get(name, [])
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or len(listed) > MAX_GROUPS or not all(isinstance(one, str) for one in listed):
        raise _unusable(f"`{name}` of the ID token is no list of groups", f"it is up to {MAX_GROUPS} texts")
    return frozenset(listed)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(url: str, what: str) -> None:
    if not is_safe_url(url) or urlsplit(url).query:
        raise _bad(f"the {what} is {url!r:.200}", "it is an https address without query and fragment")


def _bad(what: str, why: str) -> Refused:
    return Refused(code="bad-oidc-settings", what=what, why=why, fix="see docs/journeys/console.md for an example")


def _unusable(what: str, why: str) -> Refused:
    return Refused(
        code="id-token-claims",
        what=what,
        why=why,
        fix="have whoever runs the provider add it to what this client is told, or name another claim in the settings",
    )
