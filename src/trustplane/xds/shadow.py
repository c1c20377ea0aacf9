"""A candidate in a proxy: two RBAC filters before the enforcing ones that judge every request and refuse none.

One judges what the candidate forbids, one what it allows, so that also a request that is refused afterwards is judged
by all of it. They have shadow rules only. Absent rules enforce nothing: that is wanted here and nowhere else.

The rules are resources of their own, apart from the route: a proxy that refuses a candidate goes on to take up what is
enforced and what is revoked. They bind open connections at once. Without a candidate the filters know no rules.

Each half writes its verdict under the candidate's ID into the request's metadata (`verdict.metadata` reads them), so a
verdict is either whole and of one candidate, or none: a request that comes while the halves change is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from trustplane.fault import Broken
from trustplane.policy import document
from trustplane.policy.access import Access
from trustplane.registry.callers import ForeignGrant
from trustplane.registry.candidate import Candidate, Tried
from trustplane.spiffe.ids import TrustDomain
from trustplane.xds import rbac, rbac_reading
from trustplane.xds.resources import TYPE_PREFIX, Json, Kind, Resource, typed
from trustplane.xds.tls import SDS_FROM_ADS

FORBIDS, PERMITS = "candidate-forbids", "candidate-permits"  # filters, and the resources that they are written from
FILTERS = (FORBIDS, PERMITS)
RBAC_FILTER = "envoy.extensions.filters.http.rbac.v3.RBAC"

_HALF = MappingProxyType({FORBIDS: "forbids", PERMITS: "permits"})
_ACTION = MappingProxyType({FORBIDS: "DENY", PERMITS: "ALLOW"})
_PREFIX = re.compile(r"candidate\.[1-9][0-9]*-[0-9a-f]{8}\.(forbids|permits)\.")


def filters() -> list[dict[str, object]]:
    """Until their rules have come, and for as long as a proxy refuses them, they judge nothing."""
    return [
        {
            "name": name,
            "config_discovery": {
                "config_source": SDS_FROM_ADS,
                "default_config": typed(RBAC_FILTER),
                "apply_default_config_without_warming": True,
                "type_urls": [TYPE_PREFIX + RBAC_FILTER],
            },
        }
        for name in FILTERS
    ]


def resources(candidate: Candidate, tried: Tried | None, own: TrustDomain) -> list[Resource]:
    """`own` is the callee's trust domain. There is always one of each, so that a candidate that ended is replaced."""
    if tried is None:
        return [_resource(name, {}) for name in FILTERS]
    access, foreign = access_to(tried, own)
    rules = {FORBIDS: rbac.denying(access), PERMITS: rbac.allowing(access, foreign)}
    known_as = candidate.known_as(tried)
    return [
        _resource(
            name,
            {"shadow_rules": rules[name], "shadow_rules_stat_prefix": f"candidate.{candidate.id}.{_HALF[name]}."},
            known_as,
        )
        for name in FILTERS
    ]


def _resource(name: str, fields: Json, stands_for: str = "") -> Resource:
    content = typed(Kind.EXTENSION.value, name=name, typed_config=typed(RBAC_FILTER, **fields))
    return Resource(Kind.EXTENSION, name, content, stands_for)


def access_to(tried: Tried, own: TrustDomain) -> tuple[Access, Sequence[ForeignGrant]]:
    if tried.policy:
        return document.decode(tried.policy), ()
    return rbac.declared(tried.callers, tried.probes, own), tried.foreign_callers


def judging(sent: Sequence[Resource]) -> Access:
    """What these resources judge by, read back from what a proxy is sent. Refused if they could enforce anything."""
    by_name = {one.name: one.content for one in sent}
    rules = {name: _shadow_rules(by_name.get(name)) for name in FILTERS}
    return rbac_reading.access(rules[PERMITS], rules[FORBIDS])


def _shadow_rules(content: object) -> object:
    match content:
        case {"typed_config": {"@type": kind, "shadow_rules": rules, "shadow_rules_stat_prefix": str(), **rest}} if (
            kind == TYPE_PREFIX + RBAC_FILTER and not rest
        ):
            return rules
        case _:
            raise Broken(
                code="candidate-not-readable",
                what=f"what is meant to judge only is {repr(content)[:200]}",
                why="a filter that holds anything but shadow rules could refuse requests",
                fix="report this with the policy; no proxy is given it",
            )


def is_harmless(name: str, config: object) -> bool:
    """Whether this filter's configuration can refuse nothing: no rules at all, or shadow rules of its own half."""
    match config:
        case {"@type": kind, **rest} if kind == TYPE_PREFIX + RBAC_FILTER:
            pass
        case _:
            return False
    match rest:
        case {
            "shadow_rules": {"action": action, "policies": Mapping()},
            "shadow_rules_stat_prefix": str(prefix),
            **more,
        }:
            half = _PREFIX.fullmatch(prefix)
            return not more and action == _ACTION.get(name) and half is not None and half[1] == _HALF[name]
        case _:
            return not rest
