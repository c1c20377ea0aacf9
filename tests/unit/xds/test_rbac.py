"""RBAC rules as Envoy is sent them: always there, never wider than meant, and readable back."""

from __future__ import annotations

import pytest

from tests.kit.policies import PARTNER, WEB, policy
from trustplane.fault import Broken
from trustplane.policy.access import Access, Grant
from trustplane.policy.compile import compiled
from trustplane.policy.tree import (
    AMBIGUOUS,
    ANYTHING,
    EVERYONE,
    NOTHING,
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
    all_of,
    any_of,
)
from trustplane.registry.model import Operation, Probe
from trustplane.registry.view import Caller
from trustplane.xds import rbac, rbac_proof, rbac_reading

EVERY_NODE = all_of(
    Method("GET"),
    Unambiguous(),
    any_of(*(Path(parts) for parts in [("/a.b",), ("/a/", ""), ("", "/z"), ("", "m", ""), ("/a+", "b(", "c")])),
    Not(any_of(HeaderPresent("x-a"), HeaderIs("x-b", "v|*"))),
    Port(80, 90),
)
WHO = (
    Who(ids=frozenset({WEB, PARTNER})),
    Who(domains=frozenset({WEB.trust_domain}), without=frozenset({WEB})),
    Who(everyone=True, without=frozenset({WEB}), without_domains=frozenset({PARTNER.trust_domain})),
    EVERYONE,
)


def test_what_is_written_is_read_back_the_same() -> None:
    access = Access(
        (Grant("d", EVERYONE, ANYTHING),), tuple(Grant(f"g{at}", who, EVERY_NODE) for at, who in enumerate(WHO))
    )
    assert rbac_reading.access(rbac.allowing(access), rbac.denying(access)) == access


def test_empty_rules_are_there_and_let_nobody_in() -> None:
    empty = Access((), ())
    assert rbac.allowing(empty) == {"action": "ALLOW", "policies": {}}
    assert rbac.denying(empty) == {"action": "DENY", "policies": {}}


def test_a_domain_is_a_prefix_that_ends_in_a_slash_and_nobody_is_any() -> None:
    written = str(rbac.allowing(Access((), (Grant("g", Who(domains=frozenset({WEB.trust_domain})), ANYTHING),))))
    assert "'prefix': 'spiffe://shop.example/'" in written
    assert "'principals': [{'any'" not in written


def written_request(method: str, *path: object) -> object:
    return {"and_rules": {"rules": [{"header": {"name": ":method", "string_match": {"exact": method}}}, *path]}}


def written_path(**matcher: object) -> dict[str, object]:
    return {"url_path": {"path": matcher}}


def written_identity(**matcher: str) -> list[dict[str, object]]:
    return [{"authenticated": {"principal_name": matcher}}]


def test_declared_callers_and_probes_are_written_as_before_there_were_policies() -> None:
    callers = [Caller(WEB, (Operation("charge", "POST", "/charge"), Operation("read", "GET", "/o/*")))]
    unambiguous = {"not_rule": written_path(safe_regex={"regex": AMBIGUOUS})}
    assert rbac.allowing(rbac.declared(callers, [Probe("GET", "/healthz")], WEB.trust_domain)) == {
        "action": "ALLOW",
        "policies": {
            str(WEB): {
                "permissions": [
                    written_request("POST", written_path(exact="/charge")),
                    written_request("GET", written_path(prefix="/o/"), unambiguous),
                ],
                "principals": written_identity(exact=str(WEB)),
            },
            "probes": {
                "permissions": [written_request("GET", written_path(exact="/healthz"))],
                "principals": written_identity(prefix="spiffe://shop.example/"),
            },
        },
    }


@pytest.mark.parametrize("expression", [CallerIn(EVERYONE), NOTHING, Not(NOTHING)])
def test_what_has_no_counterpart_is_not_written(expression: Expression) -> None:
    with pytest.raises(Broken, match="rbac-not-compiled"):
        rbac.allowing(Access((), (Grant("g", EVERYONE, expression),)))


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"action": "LOG", "policies": {}},
        {"action": "ALLOW"},
        {"action": "ALLOW", "policies": {"a": {"permissions": [], "principals": [{"any": True}]}}},
        {"action": "ALLOW", "policies": {"a": {"permissions": [{"any": True}], "principals": [{"authenticated": {}}]}}},
        {"action": "ALLOW", "policies": {"a": {"permissions": [{"metadata": {}}], "principals": [{"any": True}]}}},
        {
            "action": "ALLOW",
            "policies": {
                "a": {
                    "permissions": [{"url_path": {"path": {"exact": "/a", "ignore_case": True}}}],
                    "principals": [{"any": True}],
                }
            },
        },
        {
            "action": "ALLOW",
            "policies": {
                "a": {
                    "permissions": [{"url_path": {"path": {"safe_regex": {"regex": "/a[bc]"}}}}],
                    "principals": [{"any": True}],
                }
            },
        },
        {
            "action": "ALLOW",
            "policies": {
                "a": {
                    "permissions": [{"any": True}],
                    "principals": [{"authenticated": {"principal_name": {"prefix": "spiffe://shop.example"}}}],
                }
            },
        },
    ],
)
def test_rules_that_nobody_here_writes_are_not_read(rules: object) -> None:
    with pytest.raises(Broken, match="rbac-not-readable"):
        rbac_reading.access(rules, {"action": "DENY", "policies": {}})


def test_a_compiler_that_widens_is_found_before_anything_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = policy('@id("a") permit (principal == Service::"shop/web", action == Action::"charge", resource);').rules
    assert rbac_proof.proved(rules) == compiled(rules)
    monkeypatch.setattr(rbac, "_text_match", lambda parts: {"prefix": parts[0]})
    with pytest.raises(Broken, match="policy-not-equivalent"):
        rbac_proof.proved(rules)
