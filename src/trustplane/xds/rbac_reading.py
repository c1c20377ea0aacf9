"""Envoy's RBAC rules, as they are sent, read back into the tree they were written from.

It shares nothing with the writing but the tree, so that comparing what was read with the policy's source proves what
will be enforced. What it does not know it refuses: an unknown matcher could mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trustplane.fault import Broken
from trustplane.policy.access import Access, Grant
from trustplane.policy.tree import (
    AMBIGUOUS,
    ANYTHING,
    AllOf,
    AnyOf,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Port,
    Unambiguous,
    Who,
)
from trustplane.spiffe.ids import SpiffeId, TrustDomain

_ESCAPED = re.compile(r"\\(.)|([^\\.*+?()\[\]{}|^$])")


def access(allow: object, deny: object) -> Access:
    return Access(deny=_grants(deny, "DENY"), allow=_grants(allow, "ALLOW"))


def _grants(rules: object, action: str) -> tuple[Grant, ...]:
    match rules:
        case {"action": found, "policies": Mapping() as policies, **rest} if found == action and not rest:
            return tuple(sorted((_grant(name, one) for name, one in policies.items()), key=lambda one: one.name))
        case _:
            raise _unknown(rules)


def _grant(name: str, policy: object) -> Grant:
    match policy:
        case {"permissions": [_, *_] as permissions, "principals": [_, *_] as principals, **rest} if not rest:
            return Grant(name, _who(principals), _any([_permission(one) for one in permissions]))
        case _:
            raise _unknown(policy)


def _any(items: Sequence[Expression]) -> Expression:
    return items[0] if len(items) == 1 else AnyOf(tuple(items))


def _permission(rule: object) -> Expression:  # noqa: PLR0911 - one line for each kind of permission
    match rule:
        case {"and_rules": {"rules": [_, *_] as rules}}:
            return AllOf(tuple(_permission(one) for one in rules))
        case {"or_rules": {"rules": [_, *_] as rules}}:
            return AnyOf(tuple(_permission(one) for one in rules))
        case {"not_rule": {"url_path": {"path": {"safe_regex": {"regex": regex}}}}} if regex == AMBIGUOUS:
            return Unambiguous()
        case {"not_rule": inner}:
            return Not(_permission(inner))
        case {"any": True}:
            return ANYTHING
        case {"url_path": {"path": Mapping() as text}}:
            return Path(_parts(text))
        case {"destination_port_range": {"start": int(first), "end": int(end)}}:
            return Port(first, end)
        case {"header": {"name": str(name), **matcher}}:
            return _header(name, matcher)
        case _:
            raise _unknown(rule)


def _header(name: str, matcher: object) -> Expression:
    match matcher:
        case {"string_match": {"exact": str(value), **rest}} if not rest:
            return Method(value) if name == ":method" else HeaderIs(name, value)
        case {"present_match": True, **rest} if not rest and not name.startswith(":"):
            return HeaderPresent(name)
        case _:
            raise _unknown(matcher)


def _parts(matcher: Mapping[object, object]) -> tuple[str, ...]:
    match [*matcher.items()]:
        case [("exact", str(text))]:
            return (text,)
        case [("prefix", str(text))]:
            return (text, "")
        case [("suffix", str(text))]:
            return ("", text)
        case [("contains", str(text))]:
            return ("", text, "")
        case [("safe_regex", {"regex": str(regex)})]:
            return tuple(_unescaped(part) for part in _between_wildcards(regex))
        case _:
            raise _unknown(matcher)


def _between_wildcards(regex: str) -> list[str]:
    """Split at `.*` where the dot is not escaped."""
    parts, at = [""], 0
    while at < len(regex):
        width = 2 if regex[at] == "\\" or regex.startswith(".*", at) else 1
        if regex.startswith(".*", at):
            parts.append("")
        else:
            parts[-1] += regex[at : at + width]
        at += width
    return parts


def _unescaped(part: str) -> str:
    text, at = "", 0
    while at < len(part):
        found = _ESCAPED.match(part, at)
        if found is None:
            raise _unknown(part)
        text += found[1] or found[2]
        at = found.end()
    return text


def _who(principals: Sequence[object]) -> Who:
    ids: set[SpiffeId] = set()
    domains: set[TrustDomain] = set()
    everyone, without, without_domains = False, frozenset[SpiffeId](), frozenset[TrustDomain]()
    for one in principals:
        reached, excluded = _split(one)
        match reached:
            case SpiffeId():
                ids.add(reached)
                continue
            case TrustDomain():
                domains.add(reached)
            case None:
                everyone = True
                without_domains = frozenset(item for item in excluded if isinstance(item, TrustDomain))
        without = frozenset(item for item in excluded if isinstance(item, SpiffeId))
    return Who(frozenset(ids), frozenset(domains), everyone, without, without_domains)


def _split(principal: object) -> tuple[SpiffeId | TrustDomain | None, list[SpiffeId | TrustDomain | None]]:
    """Whom it reaches (none: anyone), and who of those is excluded."""
    match principal:
        case {"and_ids": {"ids": [reached, {"not_id": {"or_ids": {"ids": [*excluded]}}}]}}:
            return _identity(reached), [_identity(one) for one in excluded]
        case _:
            return _identity(principal), []


def _identity(principal: object) -> SpiffeId | TrustDomain | None:
    match principal:
        case {"authenticated": {"principal_name": {"exact": str(name), **rest}}} if not rest:
            return SpiffeId.parse(name)
        case {"authenticated": {"principal_name": {"prefix": str(name), **rest}}} if not rest and name.endswith("/"):
            return SpiffeId.parse(name[:-1]).trust_domain
        case {"any": True}:
            return None
        case _:
            raise _unknown(principal)


def _unknown(found: object) -> Broken:
    return Broken(
        code="rbac-not-readable",
        what=f"the RBAC rules contain {repr(found)[:200]}",
        why="it is none of what is written, so nobody can say what it allows",
        fix="report this with the policy; what was published before stays in use",
    )
