"""The live figure is what one gets by letting the issuer die and looking which leaf runs out first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.server_door import NOON, certificate
from trustplane.issuance.outage_budget import outage_budget
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.budget_rules import worst_time_left
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.rotation.slots import RenewalSlots
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName

SERVICES = {
    SpiffeId.parse(f"spiffe://acme.example/ns/shop/sa/{name}"): ServiceName("shop", name) for name in ("a", "b", "c")
}
GONE = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/gone")
NODES = [NodeName("n1"), NodeName("n2")]
BANNED = NodeName("n3")


@st.composite
def leaves(draw: st.DrawFn) -> IssuedCertificate:
    spiffe_id = draw(st.sampled_from([*SERVICES, GONE]))
    lives = timedelta(seconds=draw(st.integers(1, 300)))
    found = certificate(draw(st.integers(1, 2**127)), spiffe_id, lives)
    return replace(found, node=draw(st.sampled_from([*NODES, BANNED])), purpose=draw(st.sampled_from(Purpose)))


def entitled(node: NodeName, spiffe_id: SpiffeId) -> ServiceName | None:
    return None if node == BANNED else SERVICES.get(spiffe_id)


def expired(held: list[IssuedCertificate], service: ServiceName | None, at: datetime) -> bool:
    """Whether, with no issuer, some leaf of that service (none: of any) has run out by then."""
    ours = [one for one in held if one.purpose is Purpose.WORKLOAD and one.node != BANNED and one.spiffe_id in SERVICES]
    return any(one.not_after <= at for one in ours if service is None or SERVICES[one.spiffe_id] == service)


@given(st.lists(leaves(), max_size=12), st.integers(0, 200))
def test_nothing_expires_before_the_budget_is_used_up_and_something_does_then(
    held: list[IssuedCertificate], now: int
) -> None:
    at = NOON + timedelta(seconds=now)
    newest = [one for one in held if one.not_after > at]
    found = outage_budget(newest, entitled)
    of_each = ((name, found.services.get(name)) for name in SERVICES.values())
    for service, first in ((None, found.first), *of_each):
        if first is None:
            assert not expired(newest, service, at + timedelta(days=1))
        else:
            assert not expired(newest, service, at + first.left(at) - timedelta(microseconds=1))
            assert expired(newest, service, at + first.left(at))


@given(
    st.lists(st.tuples(st.integers(1, 2**127), st.integers(0, 3600)), min_size=1, max_size=20),
    st.integers(10, 89),
    st.data(),
)
def test_while_every_leaf_is_renewed_when_due_the_figure_never_falls_below_the_worst_case_of_the_rule(
    issued: list[tuple[int, int]], opens: int, data: st.DataObject
) -> None:
    """Just before each renewal is where a leaf has the least left."""
    window = RenewalWindow(opens / 100, data.draw(st.integers(opens + 1, 90)) / 100)
    profile = Profile(
        "standard", 1, KeyKind.P256, timedelta(seconds=data.draw(st.integers(20, 7200))), timedelta(0), window
    )
    slots = RenewalSlots()
    for serial, after in issued:
        at = NOON + timedelta(seconds=after)
        due = slots.place(at, at + profile.lifetime, window, serial)
        (spiffe_id, *_) = SERVICES
        leaf = replace(certificate(serial, spiffe_id), issued_at=at, not_after=at + profile.lifetime, renew_at=due)
        first = outage_budget([leaf], entitled).first
        assert first
        assert first.left(due) >= worst_time_left(profile) - timedelta(microseconds=1)
