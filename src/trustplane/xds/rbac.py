"""Who may ask what of a service, as Envoy's RBAC filters: deny unless allowed, and never what is forbidden.

The filters in the listener refuse everybody; the route carries the complete rules, because a route's rules replace
the listener's and reach open connections at once. They are written from `policy.access`, so that what is enforced is
what was checked, tested and compared; `xds.rbac_reading` reads them back. Where no policy decides, callers of other
trust domains are let in beside them as they are declared: by exact ID, or by a prefix that ends in a slash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from trustplane.fault import Broken
from trustplane.policy import document
from trustplane.policy.access import Access, Grant
from trustplane.policy.rules import PROBES, offered, probed
from trustplane.policy.tree import (
    AMBIGUOUS,
    ANYTHING,
    AllOf,
    AnyOf,
    Anything,
    CallerIn,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Port,
    Unambiguous,
    Who,
    any_of,
)
from trustplane.registry.model import Operation, Probe
from trustplane.registry.view import Caller, ForeignGrant, Sidecar
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.patterns import IdPattern
from trustplane.xds.resources import Json, typed

RBAC = "envoy.filters.http.rbac"
_MESSAGE = "envoy.extensions.filters.http.rbac.v3."
FORBIDDEN = "forbidden"  # the deny filter's name, by which a route gives it its rules
NOBODY: Json = {"action": "ALLOW", "policies": {}}


def filters() -> list[dict[str, object]]:
    """What is forbidden, then what is allowed: by themselves they forbid nothing, and allow nothing either."""
    return [
        {"name": FORBIDDEN, "typed_config": typed(_MESSAGE + "RBAC", rules={"action": "DENY", "policies": {}})},
        {"name": RBAC, "typed_config": typed(_MESSAGE + "RBAC", rules=NOBODY)},
    ]


def per_route(access: Access, foreign: Sequence[ForeignGrant] = ()) -> dict[str, object]:
    return {
        FORBIDDEN: typed(_MESSAGE + "RBACPerRoute", rbac={"rules": denying(access)}),
        RBAC: typed(_MESSAGE + "RBACPerRoute", rbac={"rules": allowing(access, foreign)}),
    }


def access_to(sidecar: Sidecar) -> Access:
    """By its policy; without one by its declared callers. With neither nobody is let in."""
    if sidecar.policy:
        return document.decode(sidecar.policy)
    return declared(sidecar.callers, sidecar.probes, sidecar.spiffe_id.trust_domain)


def declared(callers: Sequence[Caller], probes: Sequence[Probe], own: TrustDomain) -> Access:
    """Of a service without a policy: its declared callers."""
    grants = [
        Grant(str(one.spiffe_id), Who(ids=frozenset({one.spiffe_id})), _declared_requests(one.operations))
        for one in callers
    ]
    if probes:
        grants.append(Grant(PROBES, Who(domains=frozenset({own})), any_of(*map(probed, sorted(probes)))))
    return Access(deny=(), allow=tuple(grants))


def _declared_requests(operations: Sequence[Operation]) -> Expression:
    """None is any request: the callee declares no operations."""
    return any_of(*map(offered, sorted(operations))) if operations else ANYTHING


def allowing(access: Access, foreign: Sequence[ForeignGrant] = ()) -> dict[str, object]:
    """Always there, also with nothing in it: absent rules would let everybody in."""
    policies = {grant.name: _policy(grant) for grant in access.allow}
    policies |= {str(grant.pattern): _of_another_domain(grant) for grant in foreign}
    return {"action": "ALLOW", "policies": policies}


def denying(access: Access) -> dict[str, object]:
    return {"action": "DENY", "policies": {grant.name: _policy(grant) for grant in access.deny}}


def _policy(grant: Grant) -> dict[str, object]:
    return {"permissions": _permissions(grant.request), "principals": list(_principals(grant.who))}


def _of_another_domain(grant: ForeignGrant) -> dict[str, object]:
    request = _declared_requests(grant.operations)
    return {"permissions": _permissions(request), "principals": [meant_by(grant.pattern)]}


def _permissions(request: Expression) -> list[dict[str, object]]:
    alternatives = request.items if isinstance(request, AnyOf) else (request,)
    if not alternatives:
        raise _not_compiled(request)
    return [_permission(one) for one in alternatives]


def _principals(who: Who) -> Iterator[dict[str, object]]:
    """Never `any` or an empty `authenticated` but for a denial of everyone."""
    yield from (_identity({"exact": str(one)}) for one in sorted(who.ids))
    without: list[dict[str, object]] = [_identity({"exact": str(one)}) for one in sorted(who.without)]
    yield from (_but(_of_domain(one), without) for one in sorted(who.domains))
    if who.everyone:
        yield _but({"any": True}, without + [_of_domain(one) for one in sorted(who.without_domains)])


def _of_domain(domain: TrustDomain) -> dict[str, object]:
    return _identity({"prefix": f"{domain.id}/"})


def meant_by(pattern: IdPattern) -> dict[str, object]:
    return _identity({"prefix" if pattern.below else "exact": str(pattern)})


def _identity(matcher: Json) -> dict[str, object]:
    return {"authenticated": {"principal_name": matcher}}


def _but(principal: dict[str, object], without: list[dict[str, object]]) -> dict[str, object]:
    if not without:
        return principal
    return {"and_ids": {"ids": [principal, {"not_id": {"or_ids": {"ids": without}}}]}}


def _permission(expression: Expression) -> dict[str, object]:  # noqa: C901, PLR0911 - one line for each node
    match expression:
        case AllOf((_, *_) as items):
            return {"and_rules": {"rules": [_permission(item) for item in items]}}
        case AnyOf((_, *_) as items):
            return {"or_rules": {"rules": [_permission(item) for item in items]}}
        case Not(item):
            return {"not_rule": _permission(item)}
        case Anything():
            return {"any": True}
        case Method(name):
            return {"header": {"name": ":method", "string_match": {"exact": name}}}
        case Path(parts):
            return _path(_text_match(parts))
        case Unambiguous():
            return {"not_rule": _path({"safe_regex": {"regex": AMBIGUOUS}})}
        case HeaderPresent(name):
            return {"header": {"name": name, "present_match": True}}
        case HeaderIs(name, value):
            return {"header": {"name": name, "string_match": {"exact": value}}}
        case Port(first, end):
            return {"destination_port_range": {"start": first, "end": end}}
        case CallerIn() | AllOf() | AnyOf():
            raise _not_compiled(expression)


def _path(matcher: Json) -> dict[str, object]:
    return {"url_path": {"path": matcher}}


def _text_match(parts: tuple[str, ...]) -> dict[str, object]:
    match parts:
        case (exact,):
            return {"exact": exact}
        case (prefix, "") if prefix:
            return {"prefix": prefix}
        case ("", suffix) if suffix:
            return {"suffix": suffix}
        case ("", inner, "") if inner:
            return {"contains": inner}
        case _:
            return {"safe_regex": {"regex": ".*".join(re.escape(part) for part in parts)}}


def _not_compiled(expression: Expression) -> Broken:
    return Broken(
        code="rbac-not-compiled",
        what=f"{type(expression).__name__} reached the writing of RBAC rules",
        why="it has no counterpart there, and compiling resolves it",
        fix="report this with the policy",
    )
