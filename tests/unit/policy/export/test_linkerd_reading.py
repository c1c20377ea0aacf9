"""Linkerd's resources by their documented meaning: the most specific route decides."""

from __future__ import annotations

import pytest

from tests.kit.policies import CHECKOUT, WEB, request
from trustplane.fault import Broken
from trustplane.policy.export.linkerd_reading import access
from trustplane.spiffe.ids import TrustDomain

SHOP = TrustDomain("shop.example")
GROUP = "policy.linkerd.io"


def resource(kind: str, name: str, version: str = "v1alpha1", **spec: object) -> dict[str, object]:
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}


SERVER = resource("Server", "s", "v1beta3", podSelector={}, port=1, accessPolicy="deny")


def route(name: str, account: str, **match: object) -> list[dict[str, object]]:
    parent = {"group": GROUP, "kind": "Server", "name": "s"}
    return [
        resource("HTTPRoute", name, "v1beta3", parentRefs=[parent], rules=[{"matches": [match]}]),
        resource(
            "MeshTLSAuthentication",
            name,
            identityRefs=[{"kind": "ServiceAccount", "name": account, "namespace": "shop"}],
        ),
        resource(
            "AuthorizationPolicy",
            name,
            targetRef={"group": GROUP, "kind": "HTTPRoute", "name": name},
            requiredAuthenticationRefs=[{"group": GROUP, "kind": "MeshTLSAuthentication", "name": name}],
        ),
    ]


def path(value: str, kind: str = "Exact") -> dict[str, str]:
    return {"type": kind, "value": value}


def test_nobody_is_let_in_by_a_server_alone() -> None:
    assert not access([SERVER], SHOP).most.decide(request(WEB, "GET", "/")).allowed


def test_the_more_specific_route_decides() -> None:
    readings = access(
        [
            SERVER,
            *route("all", "web", path=path("/a/.*", "RegularExpression")),
            *route("one", "checkout", path=path("/a/b")),
        ],
        SHOP,
    )
    for reading in (readings.least, readings.most):
        assert reading.decide(request(WEB, "GET", "/a/c")).allowed
        assert not reading.decide(request(WEB, "GET", "/a/b")).allowed
        assert reading.decide(request(CHECKOUT, "GET", "/a/b")).allowed


def test_where_neither_of_two_routes_asks_for_more_both_are_reckoned_with() -> None:
    headers = [{"type": "Exact", "name": "x-a", "value": "1"}]
    readings = access(
        [
            SERVER,
            *route("a", "web", path=path("/a"), headers=headers),
            *route("b", "checkout", path=path("/a"), method="GET"),
        ],
        SHOP,
    )
    asked = request(WEB, "GET", "/a", ("x-a", "1"))
    assert readings.most.decide(asked).allowed
    assert not readings.least.decide(asked).allowed


@pytest.mark.parametrize(
    "match",
    [
        {"path": path("/a", "PathPrefix")},
        {"queryParams": []},
        {"headers": []},
        {},
        {"path": path("/a|b.*", "RegularExpression")},
    ],
)
def test_what_is_not_written_is_not_read(match: dict[str, object]) -> None:
    with pytest.raises(Broken, match="export-not-readable"):
        access([SERVER, *route("r", "web", **match)], SHOP)


def test_a_server_that_does_not_deny_is_not_read() -> None:
    with pytest.raises(Broken, match="export-not-readable"):
        access([resource("Server", "s", "v1beta3", podSelector={}, port=1)], SHOP)
