from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.kit.partner import PARTNER, Partner, federated
from tests.kit.repository import repository
from tests.kit.server_door import NODE, NOON, WEB, MemoryDoor, certificate
from trustplane.fault import Refused
from trustplane.flows.issuing.revoke import Order
from trustplane.registry.records import Holding
from trustplane.trust.federation import Peer
from trustplane.trust.revocation import Reason
from trustplane.wire.http_explain import explain
from trustplane.wire.http_shapes import ExplanationShape

PAYMENTS = WEB.parse("spiffe://acme.example/ns/shop/sa/payments")


def explained(door: MemoryDoor, query: str) -> ExplanationShape:
    async def ask() -> ExplanationShape:
        await door.apply(repository(), "test")
        return await explain(door, query)

    return asyncio.run(ask())


def test_an_identity_names_its_entry_its_callers_and_its_data() -> None:
    found = explained(MemoryDoor(), str(PAYMENTS))
    assert (found.service, found.selectors, found.callers, found.data) == (
        "shop/payments",
        ("unix:uid:1002",),
        ("shop/web",),
        ("payment",),
    )


def test_a_serial_explains_the_certificate_it_names_and_not_the_newest() -> None:
    found = explained(MemoryDoor(certificates=[certificate(1), certificate(2)]), "0x1")
    assert found.certificate is not None
    assert found.certificate.serial == f"{1:032x}"
    assert len(found.recent) == 2


def test_a_leaf_shorter_than_its_profile_says_who_cut_it() -> None:
    short = explained(MemoryDoor(certificates=[certificate(1, lives=timedelta(minutes=7))]), str(WEB))
    assert short.lifetime is not None
    assert short.lifetime.cut_by_authority == (short.lifetime.profile_seconds > 421)
    assert short.lifetime.seconds == 420


def test_who_holds_it_is_its_own_sidecar_and_the_holders_of_its_secret() -> None:
    door = MemoryDoor(
        held=[
            Holding(NODE, "sidecar shop/web", "listener/inbound", "a", "a", "", NOON),
            Holding(NODE, "workload 7", f"secret/{WEB}", "a", "b", "", NOON),
            Holding(NODE, "workload 8", f"secret/{PAYMENTS}", "a", "a", "", NOON),
        ]
    )
    assert [(one.participant, one.state) for one in explained(door, str(WEB)).held_by] == [
        ("sidecar shop/web", "held"),
        ("workload 7", "behind"),
    ]


def test_an_identity_that_left_the_repository_is_still_explained_by_its_certificates() -> None:
    gone = WEB.parse("spiffe://acme.example/ns/shop/sa/gone")
    found = explained(MemoryDoor(certificates=[certificate(1, gone)]), str(gone))
    assert not found.declared
    assert "will not be renewed" in found.why[0]


@pytest.mark.parametrize("query", ["", "zz", "ff" * 30, "spiffe://acme.example/nobody", "spiffe://ACME", "7"])
def test_what_nobody_knows_is_refused_with_a_way_on(query: str) -> None:
    with pytest.raises(Refused) as refused:
        explained(MemoryDoor(), query)
    assert refused.value.finding.fix


def test_a_revoked_identity_says_so_first() -> None:
    door = MemoryDoor(certificates=[certificate(1), certificate(2)])
    order = Order(Reason.KEY_COMPROMISE, "laptop stolen", "local:eve")
    asyncio.run(door.revoke_certificate(1, order))
    asyncio.run(door.revoke_id(PAYMENTS, order))
    (revoked,) = explained(door, "0x1").revoked
    assert (revoked.kind, revoked.subject, revoked.reason) == ("certificate", f"{1:032x}", "key-compromise")
    assert explained(door, "0x2").revoked == ()
    first = explained(door, str(PAYMENTS)).why[0]
    assert first.startswith(f"REVOKED: id {PAYMENTS}, by local:eve at ")
    assert first.endswith("reason key-compromise (laptop stolen)")


API = WEB.parse("spiffe://partner.example/ns/billing/sa/api")


def foreign(door: MemoryDoor, query: str, files: dict[str, bytes]) -> tuple[str | None, str]:
    async def ask() -> ExplanationShape:
        await door.apply(files, "test")
        return await explain(door, query)

    found = asyncio.run(ask())
    return found.other_domain, "\n".join(found.why)


def test_an_identity_of_a_partner_says_by_what_it_is_verified_who_lets_it_in_and_who_calls_it() -> None:
    partner = Partner()
    door = MemoryDoor(peers=[Peer(PARTNER).begun(partner.bundle(7), NOON)])
    domain, why = foreign(door, str(API), federated(partner))
    assert domain == "partner.example"
    assert "what of it may be named here is /ns/billing/" in why
    assert "verified by the bundle of partner.example, sequence 7, taken from trust.partner.example" in why
    assert "shop/payments lets it in by spiffe://partner.example/ns/billing/, for charge" in why
    assert "shop/web calls it at 192.0.2.7:20201, by its own port 20302" in why


def test_who_of_a_partner_is_not_accepted_or_not_verified_is_told_so() -> None:
    domain, why = foreign(MemoryDoor(), "spiffe://partner.example/ns/hr/sa/spy", federated(Partner()))
    assert domain == "partner.example"
    assert "/ns/billing/: not this one" in why
    assert "no bundle of partner.example is held yet, so its handshakes fail" in why
    assert "no service here lets it in" in why


def test_an_identity_of_nobody_known_is_told_so() -> None:
    domain, why = foreign(MemoryDoor(), "spiffe://stranger.example/x", repository())
    assert domain == "stranger.example"
    assert "there is no relation with it: nobody of it is verified here" in why
