"""What goes over the node channel arrives as it was; what does not decode is a refusal, never anything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.node_line import ACME, AGENT, NODE, Domain
from tests.properties.registry.views import VIEWS
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.desired.push_views import Push
from trustplane.flows.node.node_link import HoldingsReport, HostingReport, LeafIssued, ViewHeld
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.registry.records import Holding
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import difference, digest
from trustplane.spiffe.names import ServiceName
from trustplane.wire import node_answers, node_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2

AT = datetime(2030, 1, 1, tzinfo=UTC)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
_DIGESTS = st.text("0123456789abcdef", max_size=64)
_INSTANTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
HOLDINGS = st.builds(Holding, st.just(NODE), _TEXTS, _TEXTS, _DIGESTS, _DIGESTS, _TEXTS, _INSTANTS)


def sent(push: Push) -> node_pb2.Update:
    return node_pb2.Update.FromString(node_codec.update(push).SerializeToString())


@given(VIEWS)
def test_a_whole_view_arrives_as_it_was(view: NodeView) -> None:
    update = node_codec.view_update(sent(Push(1, view, digest(view), None)))
    assert (update.number, update.view_digest, update.whole, update.change) == (1, digest(view), view, None)


@given(VIEWS, VIEWS)
def test_a_difference_arrives_as_it_was(old: NodeView, new: NodeView) -> None:
    change = difference(old, new)
    update = node_codec.view_update(sent(Push(2, new, digest(new), change)))
    assert (update.whole, update.change) == (None, change)


@given(st.lists(HOLDINGS, max_size=3), st.lists(_TEXTS, max_size=2), st.booleans())
def test_holdings_arrive_as_they_were(held: list[Holding], gone: list[str], complete: bool) -> None:  # noqa: FBT001 - drawn
    told = node_codec.report(HoldingsReport(tuple(held), tuple(gone), complete)).holdings
    assert [node_codec.holding(NODE, one) for one in told.holdings] == held
    assert (list(told.gone), told.complete) == (gone, complete)


def test_the_other_reports_say_what_they_were_given() -> None:
    assert node_codec.report(ViewHeld(7, "aa")).acknowledgement == node_pb2.Acknowledgement(number=7, view_digest="aa")
    services = frozenset({ServiceName("shop", "web"), ServiceName("shop", "api")})
    assert list(node_codec.report(HostingReport(services)).hosting.services) == ["shop/api", "shop/web"]


@given(st.data(), VIEWS)
def test_damaged_updates_are_values_or_refusals(data: st.DataObject, view: NodeView) -> None:
    damaged = bytearray(node_codec.update(Push(1, view, digest(view), None)).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = node_codec.view_update(node_pb2.Update.FromString(bytes(damaged)))
    except (DecodeError, Refused):
        return
    assert (found.whole is None) != (found.change is None)


def _sidecar() -> node_pb2.Sidecar:
    return node_pb2.Sidecar(service="shop/web", spiffe_id=f"spiffe://{ACME}/web", app_port=1, mesh_port=2)


def _entry(name: str = "web", key: str = "p256") -> node_pb2.Entry:
    return node_pb2.Entry(service=f"shop/{name}", spiffe_id=f"spiffe://{ACME}/{name}", key=key)


def _too_long() -> node_pb2.Update:
    sidecar = _sidecar()
    sidecar.longest_request.seconds = 2**62
    return node_pb2.Update(full=True, sidecars=[sidecar])


@pytest.mark.parametrize(
    "update",
    [
        node_pb2.Update(full=True, entries=[node_pb2.Entry()]),
        node_pb2.Update(full=True, entries=[_entry(key="ed25519")]),
        node_pb2.Update(full=True, entries=[_entry("web"), _entry("api")]),
        node_pb2.Update(full=True, entries=[_entry(), _entry()]),
        node_pb2.Update(full=True, sidecars=[node_pb2.Sidecar()]),
        node_pb2.Update(full=True, bundles=[node_pb2.TrustedBundle()]),
        node_pb2.Update(removed_entries=["x"]),
        node_pb2.Update(removed_sidecars=["x"]),
        node_pb2.Update(removed_bundles=["X"]),
        _too_long(),
    ],
)
def test_updates_that_hold_no_valid_view_are_refused(update: node_pb2.Update) -> None:
    with pytest.raises(Refused):
        node_codec.view_update(update)


@pytest.mark.parametrize(("seconds", "nanos"), [(10**12, 0), (-(10**12), 0), (0, 2**31 - 1), (0, -1)])
def test_instants_outside_the_calendar_are_refused(seconds: int, nanos: int) -> None:
    told = node_pb2.Holding()
    told.since.seconds, told.since.nanos = seconds, nanos
    with pytest.raises(Refused):
        node_codec.holding(NODE, told)


def test_texts_of_a_report_are_cut_to_what_is_kept() -> None:
    told = node_pb2.Holding(
        participant="p" * 9999, thing="t" * 9999, desired="d" * 99, held="h" * 99, refusal="r" * 9999
    )
    found = node_codec.holding(NODE, told)
    assert [len(text) for text in (found.participant, found.thing, found.refusal)] == [node_codec.MAX_TEXT] * 3
    assert (len(found.desired), len(found.held)) == (64, 64)


def test_an_order_of_an_agent_that_says_nothing_of_what_it_holds_counts_as_one_that_holds_nothing() -> None:
    assert node_codec.held_until(node_pb2.X509Order(spiffe_id="spiffe://acme.example/web", csr=b"")) is None


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_an_instant_that_is_none_is_refused(seconds: int) -> None:
    order = node_pb2.X509Order()
    order.held_until.seconds = seconds
    with pytest.raises(Refused) as caught:
        node_codec.held_until(order)
    assert caught.value.code == "malformed-message"


def refusal(seconds: int) -> node_pb2.X509Results:
    result = node_pb2.X509Result(refusal=node_pb2.Refusal(code="busy", what="w", why="y", fix="f"))
    result.refusal.retry_after.seconds = seconds
    return node_pb2.X509Results(results=[result])


@pytest.mark.parametrize(
    ("seconds", "waits"), [(5, timedelta(seconds=5)), (-5, timedelta(0)), (10**9, node_codec.LONGEST_WAIT)]
)
def test_a_server_cannot_put_an_agent_off_for_longer_than_is_sane(seconds: int, waits: timedelta) -> None:
    (outcome,) = node_codec.leaf_outcomes(refusal(seconds), 1)
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after == waits


@pytest.mark.parametrize("answer", [refusal(2**62), node_pb2.X509Results(results=[node_pb2.X509Result()])])
def test_an_outcome_that_is_none_is_a_refusal_of_that_order_alone(answer: node_pb2.X509Results) -> None:
    (outcome,) = node_codec.leaf_outcomes(answer, 1)
    assert isinstance(outcome, Refused)


@pytest.mark.parametrize("asked", [0, 2])
def test_an_answer_with_another_number_of_outcomes_is_refused(asked: int) -> None:
    with pytest.raises(Refused) as caught:
        node_codec.leaf_outcomes(refusal(1), asked)
    assert caught.value.code == "server-out-of-turn"


def test_an_issued_leaf_and_a_refusal_arrive_as_they_were() -> None:
    domain, key = Domain(), LeafKey.generate(KeyKind.P256)
    svid = domain.signed(key.csr(), AGENT, AT, AT + timedelta(hours=1))
    issued = node_pb2.X509Issued(chain=svid.der(), renew_at=node_codec.timestamp(AT))
    outcomes = node_codec.leaf_outcomes(
        node_pb2.X509Results(
            results=[
                node_pb2.X509Result(issued=issued),
                node_answers.x509_result(Refused(code="not-entitled", what="w", why="y", fix="f")),
                node_answers.x509_result(Unavailable(code="store-down", what="w", why="y", fix="f")),
            ]
        ),
        3,
    )
    assert outcomes[0] == LeafIssued(svid, AT)
    assert [(type(one), one.code) for one in outcomes[1:] if isinstance(one, Fault)] == [
        (Refused, "not-entitled"),
        (Unavailable, "store-down"),
    ]


@pytest.mark.parametrize("step", [None, node_pb2.CertificateEnrolmentReply()])
def test_a_server_out_of_turn_is_refused(step: object) -> None:
    for read in (node_codec.challenge, node_codec.enrolled):
        with pytest.raises(Refused):
            read(step)


def test_an_identity_whose_chain_is_none_is_refused() -> None:
    with pytest.raises(Refused):
        node_codec.identity_parts(node_pb2.NodeIdentity(chain=[b"\x30\x00"]))
