"""Who may ask what of a service, as Envoy's RBAC filter: deny unless declared.

The filter in the listener refuses everybody; the route carries the complete rules, because a route's rules replace
the listener's and reach open connections at once. Callers are matched by their exact SPIFFE ID, those of other trust
domains also by a prefix that ends in a slash; operations by exact method and by exact path or such a prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trustplane.registry.model import Operation, Probe
from trustplane.registry.view import Caller, ForeignGrant
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.patterns import IdPattern
from trustplane.xds.resources import Json, typed

RBAC = "envoy.filters.http.rbac"
_MESSAGE = "envoy.extensions.filters.http.rbac.v3."
NOBODY: Json = {"action": "ALLOW", "policies": {}}

# Below a prefix, paths that some application server reads otherwise than Envoy does are refused: `/public/..;/admin`
# is one path to Envoy and another to Tomcat, and a percent-encoded percent, dot, slash, semicolon, backslash or
# control character is decoded by some and not by others.
_AMBIGUOUS = r".*(;|\\|%[01]|%2[eEfF5]|%3[bB]|%5[cC]|%7[fF]).*"


def filter_that_denies() -> dict[str, object]:
    return {"name": RBAC, "typed_config": typed(_MESSAGE + "RBAC", rules=NOBODY)}


def per_route(
    callers: Sequence[Caller], probes: Sequence[Probe], own: TrustDomain, foreign: Sequence[ForeignGrant] = ()
) -> dict[str, object]:
    return {RBAC: typed(_MESSAGE + "RBACPerRoute", rbac={"rules": rules(callers, probes, own, foreign)})}


def rules(
    callers: Sequence[Caller], probes: Sequence[Probe], own: TrustDomain, foreign: Sequence[ForeignGrant] = ()
) -> dict[str, object]:
    """With no caller and no probe: `policies` is empty, and nobody is let in."""
    policies: dict[str, object] = {
        str(one.spiffe_id): {
            "permissions": _operations(one.operations),
            "principals": [_identity({"exact": str(one.spiffe_id)})],
        }
        for one in callers
    }
    for grant in foreign:
        policies[str(grant.pattern)] = {
            "permissions": _operations(grant.operations),
            "principals": [meant_by(grant.pattern)],
        }
    if probes:
        policies["probes"] = {
            "permissions": [_request(one.method, one.path) for one in sorted(probes)],
            "principals": [_identity({"prefix": f"{own.id}/"})],
        }
    return {"action": "ALLOW", "policies": policies}


def meant_by(pattern: IdPattern) -> dict[str, object]:
    return _identity({"prefix" if pattern.below else "exact": str(pattern)})


def _identity(matcher: Json) -> dict[str, object]:
    return {"authenticated": {"principal_name": matcher}}


def _operations(operations: Iterable[Operation]) -> list[dict[str, object]]:
    return [_request(one.method, one.path) for one in sorted(operations)] or [{"any": True}]


def _request(method: str, path: str) -> dict[str, object]:
    rule = {"header": {"name": ":method", "string_match": {"exact": method}}}
    return {"and_rules": {"rules": [rule, *_path(path)]}}


def _path(path: str) -> list[dict[str, object]]:
    if not path.endswith("/*"):
        return [{"url_path": {"path": {"exact": path}}}]
    return [
        {"url_path": {"path": {"prefix": path.removesuffix("*")}}},
        {"not_rule": {"url_path": {"path": {"safe_regex": {"regex": _AMBIGUOUS}}}}},
    ]
