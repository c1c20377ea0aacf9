from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.clock import START
from tests.kit.partner import PARTNER, Partner, federated
from tests.kit.repository import repository
from trustplane.flows.roots.federation_uptake import Reach, State, peers_digest, reach
from trustplane.registry.needs import Needs
from trustplane.registry.records import Holding
from trustplane.registry.repository import read
from trustplane.registry.view import NodeView, TrustedBundle
from trustplane.registry.view_change import digest
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.names import NodeName

NODE = NodeName("node-a")
OWN = Partner.named("acme.example").bundle()
THEIRS = Partner().bundle()
BUNDLES = BundleSet.of(OWN, THEIRS)
AGENT, PAY, WEB = "agent", "sidecar shop/payments", "sidecar shop/web"


def view(files: dict[str, bytes]) -> NodeView:
    state = read(files)
    held = (OWN, *((THEIRS,) if PARTNER in state.federation else ()))
    bundles = tuple(TrustedBundle(one.trust_domain, bundle_document.encode(one), one.digest) for one in held)
    return Needs(state, 1, {}, bundles).of(NODE)


FEDERATED = view(federated(Partner()))
PLAIN = view(repository())
PEERS = peers_digest(next(one for one in FEDERATED.sidecars if one.foreign_callers), BUNDLES)


def held(participant: str, thing: str, held: str, desired: str = "", refusal: str = "") -> Holding:
    return Holding(NODE, participant, thing, desired or held, held, refusal, START)


def states(wanted: NodeView, *holdings: Holding) -> dict[str, State]:
    found = reach(PARTNER, holdings, {NODE: (wanted, digest(wanted))}, BUNDLES)
    assert all(isinstance(one, Reach) for one in found)
    return {one.participant: one.state for one in found}


ALL = (
    held(AGENT, "view", digest(FEDERATED)),
    held(PAY, "secret/peers", PEERS),
    held(PAY, "listener/inbound", "x"),
    held(WEB, "secret/spiffe://partner.example", THEIRS.digest),
)


def test_everyone_who_should_holds_it_by_the_digests_the_server_expects() -> None:
    assert states(FEDERATED, *ALL) == {AGENT: State.HOLDS, PAY: State.HOLDS, WEB: State.HOLDS}


@pytest.mark.parametrize(
    ("number", "changed", "state"),
    [
        (0, {"held": "other"}, State.NOT_YET),
        (1, {"held": "other", "desired": "other"}, State.NOT_YET),  # what the proxy believes is not asked
        (1, {"refusal": "no"}, State.REFUSES),
        (2, {"held": "older"}, State.NOT_YET),
        (3, {"held": "other"}, State.NOT_YET),
    ],
)
def test_who_lags_behind_is_named(number: int, changed: dict[str, str], state: State) -> None:
    holdings = list(ALL)
    holdings[number] = replace(holdings[number], **changed)  # type: ignore[arg-type] # fields of text
    assert states(FEDERATED, *holdings)[holdings[number].participant] is state


def test_after_the_end_everyone_may_still_hold_it_until_they_said_otherwise() -> None:
    assert states(PLAIN, *ALL) == {AGENT: State.STILL, WEB: State.STILL}
    assert states(PLAIN, held(PAY, "secret/peers", PEERS, desired="gone")) == {PAY: State.STILL}
    assert states(PLAIN, held(PAY, "listener/inbound", "older", desired="newer")) == {PAY: State.STILL}
    let_go = (held(AGENT, "view", digest(PLAIN)), held(PAY, "secret/peers", ""), held(PAY, "listener/inbound", "n"))
    assert states(PLAIN, *let_go, held(WEB, "secret/spiffe://partner.example", "")) == {}


def test_another_envoy_that_asked_for_the_bundle_by_name_counts() -> None:
    other = held("envoy unix:7", "secret/spiffe://partner.example", THEIRS.digest)
    assert states(FEDERATED, other) == {"envoy unix:7": State.HOLDS}
    assert states(PLAIN, other) == {"envoy unix:7": State.STILL}


def test_a_node_that_is_gone_holds_nothing() -> None:
    assert reach(PARTNER, ALL, {}, BUNDLES) == ()
