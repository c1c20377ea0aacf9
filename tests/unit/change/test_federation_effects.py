from __future__ import annotations

from tests.kit.partner import ACCEPTING, PARTNER, Partner, federated
from tests.kit.repository import PAYMENTS, repository
from trustplane.change.described import Kind
from trustplane.change.plan import Move, Plan, plan
from trustplane.registry.repository import read

A_PARTNER = Partner()
BEFORE, AFTER = read(repository()), read(federated(A_PARTNER))


def said(found: Plan, kind: Kind) -> list[tuple[str, bool]]:
    return [(effect.text, effect.dangerous) for one in found.items if one.kind is kind for effect in one.effects]


def test_a_new_relation_is_an_item_and_dangerous() -> None:
    found = plan(BEFORE, AFTER)
    relation = next(one for one in found.items if one.kind is Kind.FEDERATION)
    assert (relation.name, relation.move) == (PARTNER.name, Move.ADDED)
    assert {one.field for one in relation.fields} >= {"endpoint", "profile", "endpoint_id", "accepts", "first bundle"}
    who = "spiffe://partner.example/trustplane/server/server-1"
    text = f"the authorities of {PARTNER} are trusted by the services that name it, as {who} publishes them"
    assert said(found, Kind.FEDERATION) == [(text, True)]
    let_in = "spiffe://partner.example/ns/billing/ may call shop/payments: charge"
    assert (let_in, True) in said(found, Kind.SERVICE)
    assert ("a new port 20302 opens on its node: the way to spiffe://partner.example/ns/billing/sa/api", False) in said(
        found, Kind.SERVICE
    )


def test_a_first_bundle_that_nobody_has_seen_is_said() -> None:
    terms = A_PARTNER.terms(profile="https_web", endpoint_id="")
    files = federated(A_PARTNER, domain=f"federation:\n{terms}")
    del files[A_PARTNER.bundle_path]
    assert any("no root is pinned" in text for text, _ in said(plan(BEFORE, read(files)), Kind.FEDERATION))


def test_the_end_of_a_relation_says_what_it_takes_back() -> None:
    found = plan(AFTER, BEFORE)
    (text, dangerous) = said(found, Kind.FEDERATION)[0]
    assert ("taken back from everyone who holds it" in text, dangerous) == (True, False)
    assert ("spiffe://partner.example/ns/billing/ may no longer call shop/payments", False) in said(found, Kind.SERVICE)


def test_more_operations_for_a_caller_are_said_and_are_no_loss() -> None:
    after = read(federated(A_PARTNER, shop__payments=ACCEPTING.replace("[charge]", "[charge, refund]")))
    text = "spiffe://partner.example/ns/billing/ may call shop/payments: charge, refund"
    assert said(plan(AFTER, after), Kind.SERVICE) == [(text, True)]


def test_a_wider_relation_and_another_endpoint_are_said() -> None:
    terms = A_PARTNER.terms(accepts="[/ns/billing/, /ns/sales/]", endpoint="https://other.partner.example/bundle")
    after = read(federated(A_PARTNER, domain=f"federation:\n{terms}"))
    found = said(plan(AFTER, after), Kind.FEDERATION)
    assert (f"services may name /ns/sales/ of {PARTNER}", True) in found
    assert any("https://other.partner.example/bundle and no longer" in text for text, _ in found)


def test_every_field_of_a_relation_shows() -> None:
    assert not plan(
        AFTER, read(federated(A_PARTNER, domain="refresh_hint: 1m\nfederation:\n" + A_PARTNER.terms()))
    ).is_empty
    pinned = A_PARTNER.terms(roots=f"[{A_PARTNER.fingerprint}]")
    assert not plan(AFTER, read(federated(A_PARTNER, domain="federation:\n" + pinned))).is_empty
    newer = {**federated(A_PARTNER), A_PARTNER.bundle_path: A_PARTNER.document(2)}
    assert not plan(AFTER, read(newer)).is_empty
    assert plan(AFTER, read(federated(A_PARTNER, shop__payments=ACCEPTING))).is_empty
    assert ACCEPTING.startswith(PAYMENTS)
