"""Linkerd's resources read back by their documented meaning: the most specific route decides, and who may use it.

It shares nothing with the writing but the tree, and refuses what it does not know. Which of two routes is the more
specific is only taken for granted where one asks for everything that the other asks for; where neither does, both must
let the caller in for `least`, and one of them is enough for `most`. A proof against both holds whichever Linkerd takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trustplane.fault import Broken
from trustplane.policy.access import Access, Grant
from trustplane.policy.tree import Expression, HeaderIs, Method, Path, Who, all_of, negated
from trustplane.spiffe.ids import SpiffeId, TrustDomain

_ESCAPED = re.compile(r"\\([^A-Za-z0-9])|([^\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True, slots=True)
class Readings:
    least: Access
    most: Access


@dataclass(frozen=True, slots=True)
class _Route:
    """`asks` are its conditions one by one."""

    name: str
    asks: frozenset[Expression]
    who: tuple[Who, ...]

    @property
    def request(self) -> Expression:
        return all_of(*sorted(self.asks, key=repr))

    def beats(self, other: _Route) -> bool:
        """Asks for all that the other does, and for more; an exact path for more than a pattern that it fits."""
        if self.asks == other.asks:
            return False
        return all(any(_implies(mine, theirs) for mine in self.asks) for theirs in other.asks)


def access(manifests: Sequence[object], domain: TrustDomain) -> Readings:
    found = {kind: dict(_of_kind(manifests, kind)) for kind in _KINDS}
    (server,) = found["Server"].values()
    if server.get("accessPolicy") != "deny":
        raise _unknown(server)
    allowed: dict[tuple[str, str], list[Who]] = {}
    for policy in found["AuthorizationPolicy"].values():
        target, who = _policy(policy, found["MeshTLSAuthentication"], domain)
        allowed.setdefault(target, []).append(who)
    (name,) = found["Server"]
    everywhere = tuple(allowed.pop(("Server", name), []))
    routes = [
        _Route(one, _asked(spec), (*allowed.pop(("HTTPRoute", one), []), *everywhere))
        for one, spec in found["HTTPRoute"].items()
    ]
    if allowed:
        raise _unknown(allowed)
    if not routes:  # then the Server's own policies are asked, about any request
        routes = [_Route(name, frozenset(), everywhere)]
    grants = tuple(grant for route in routes for grant in _grants(route, routes))
    return Readings(
        Access(tuple(one for route in routes for one in _denials(route, routes)), grants), Access((), grants)
    )


_KINDS = ("Server", "HTTPRoute", "MeshTLSAuthentication", "AuthorizationPolicy")
_VERSIONS = {"Server": "v1beta3", "HTTPRoute": "v1beta3"}


def _of_kind(manifests: Sequence[object], kind: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    for manifest in manifests:
        match manifest:
            case {"apiVersion": version, "kind": found, "metadata": {"name": str(name)}, "spec": Mapping() as spec} if (
                found in _KINDS and version == f"policy.linkerd.io/{_VERSIONS.get(str(found), 'v1alpha1')}"
            ):
                if found == kind:
                    yield name, spec
            case _:
                raise _unknown(manifest)


def _decided_by(route: _Route, routes: Sequence[_Route]) -> Expression:
    """Its requests without those that another route takes for certain."""
    better = [one.request for one in routes if one.beats(route)]
    return all_of(route.request, *map(negated, better))


def _grants(route: _Route, routes: Sequence[_Route]) -> Iterator[Grant]:
    for at, who in enumerate(route.who):
        yield Grant(f"{route.name}.{at}", who, _decided_by(route, routes))


def _denials(route: _Route, routes: Sequence[_Route]) -> Iterator[Grant]:
    """Whoever it does not let in, in case it is the one that is asked."""
    ids = frozenset().union(*(one.ids for one in route.who))
    domains = frozenset().union(*(one.domains for one in route.who))
    others = Who(everyone=True, without=ids, without_domains=domains)
    yield Grant(f"{route.name}.others", others, _decided_by(route, routes))


def _implies(one: Expression, other: Expression) -> bool:
    match one, other:
        case Path((exact,)), Path():
            return other.matches(exact)
        case Path((prefix, "")), Path((shorter, "")):
            return prefix.startswith(shorter)
        case _:
            return one == other


def _policy(
    policy: Mapping[str, object], authentications: Mapping[str, Mapping[str, object]], domain: TrustDomain
) -> tuple[tuple[str, str], Who]:
    match policy:
        case {
            "targetRef": {"group": "policy.linkerd.io", "kind": str(kind), "name": str(name)},
            "requiredAuthenticationRefs": [
                {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": str(by)}
            ],
            **rest,
        } if not rest and by in authentications:
            return (kind, name), _who(authentications[by], domain)
        case _:
            raise _unknown(policy)


def _who(authentication: Mapping[str, object], domain: TrustDomain) -> Who:
    match authentication:
        case {"identities": ["*"], **rest} if not rest:
            return Who(domains=frozenset({domain}))
        case {"identityRefs": [_, *_] as refs, **rest} if not rest:
            return Who(ids=frozenset(_account(one, domain) for one in refs))
        case _:
            raise _unknown(authentication)


def _account(ref: object, domain: TrustDomain) -> SpiffeId:
    match ref:
        case {"kind": "ServiceAccount", "name": str(name), "namespace": str(namespace), **rest} if not rest:
            return SpiffeId(domain, ("ns", namespace, "sa", name))
        case _:
            raise _unknown(ref)


def _asked(spec: Mapping[str, object]) -> frozenset[Expression]:
    match spec:
        case {
            "parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": str()}],
            "rules": [{"matches": [Mapping() as asked], **others}],
            **rest,
        } if not rest and not others and asked and set(asked) <= {"path", "method", "headers"}:
            return frozenset(_conditions(asked))
        case _:
            raise _unknown(spec)


def _conditions(asked: Mapping[object, object]) -> Iterator[Expression]:
    match asked.get("path"):
        case None:
            pass
        case {"type": "Exact", "value": str(path), **rest} if not rest:
            yield Path((path,))
        case {"type": "RegularExpression", "value": str(pattern), **rest} if not rest and pattern.endswith(".*"):
            yield Path((_unescaped(pattern[:-2]), ""))
        case found:
            raise _unknown(found)
    match asked.get("method"):
        case None:
            pass
        case str(name):
            yield Method(name)
        case found:
            raise _unknown(found)
    match asked.get("headers"):
        case None:
            pass
        case [_, *_] as headers:
            yield from map(_header, headers)
        case found:
            raise _unknown(found)


def _header(found: object) -> Expression:
    match found:
        case {"type": "Exact", "name": str(name), "value": str(value), **rest} if not rest:
            return HeaderIs(name, value)
        case _:
            raise _unknown(found)


def _unescaped(pattern: str) -> str:
    text, at = "", 0
    while at < len(pattern):
        found = _ESCAPED.match(pattern, at)
        if found is None:
            raise _unknown(pattern)
        text += found[1] or found[2]
        at = found.end()
    return text


def _unknown(found: object) -> Broken:
    return Broken(
        code="export-not-readable",
        what=f"what was written for another mesh contains {repr(found)[:200]}",
        why="it is none of what is written, so nobody can say what it allows",
        fix="report this with the policy",
    )
