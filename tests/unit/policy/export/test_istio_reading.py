"""Istio's resources by their documented meaning."""

from __future__ import annotations

import pytest

from tests.kit.policies import CHECKOUT, WEB, request
from trustplane.fault import Broken
from trustplane.policy.export.istio_reading import access


def manifest(action: str, *rules: object, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": action.lower()},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "action": action, "rules": list(rules), **spec},
    }


WEB_GETS = {
    "from": [{"source": {"principals": ["shop.example/ns/shop/sa/web"]}}],
    "to": [{"operation": {"methods": ["GET"], "paths": ["/a/*"]}}],
}


def test_without_a_policy_that_allows_everybody_is_let_in() -> None:
    assert access([]).decide(request(WEB, "GET", "/")).allowed
    assert access([manifest("DENY", WEB_GETS)]).decide(request(CHECKOUT, "GET", "/a/b")).allowed


def test_no_rules_allow_nothing() -> None:
    assert not access([manifest("ALLOW")]).decide(request(WEB, "GET", "/")).allowed


def test_fields_mean_all_of_them_and_lists_any() -> None:
    found = access([manifest("ALLOW", WEB_GETS)])
    assert found.decide(request(WEB, "GET", "/a/b")).allowed
    assert not found.decide(request(WEB, "POST", "/a/b")).allowed
    assert not found.decide(request(CHECKOUT, "GET", "/a/b")).allowed


@pytest.mark.parametrize(
    "rule",
    [
        {"from": [{"source": {"namespaces": ["shop"]}}]},
        {"from": [{"source": {"principals": ["*"]}}]},
        {"from": [{"source": {}}]},
        {"from": []},
        {"to": [{"operation": {"hosts": ["x"]}}]},
        {"to": [{"operation": {"paths": ["/a/{*}"]}}]},
        {"to": [{"operation": {"paths": ["/a*b"]}}]},
        {"to": []},
        {"when": [{"key": "source.ip", "values": ["10.0.0.1"]}]},
        {"when": [{"key": "request.headers[x]", "values": ["a*"]}]},
        {"unknown": []},
    ],
)
def test_what_is_not_written_is_not_read(rule: object) -> None:
    with pytest.raises(Broken, match="export-not-readable"):
        access([manifest("ALLOW", rule)])
