"""Whatever a server pushes, its follower ends with exactly that; whatever an agent reports, the server does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit.node_channel import MemoryNodes
from tests.properties.registry.views import VIEWS
from trustplane.flows.desired.push_views import Push
from trustplane.flows.node.follow_server import HOLDINGS_A_REPORT, Outbox
from trustplane.flows.node.node_link import HoldingsReport
from trustplane.host.clock import SystemClock
from trustplane.registry.records import Holding
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import applied, difference, digest
from trustplane.spiffe.names import NodeName
from trustplane.wire import node_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2
from trustplane.wire.node_reports import Reports

NODE = NodeName("node-a")
AT = datetime(2030, 1, 1, tzinfo=UTC)
_PARTICIPANTS = st.sampled_from(["sidecar a", "envoy b"])
_ACTS = st.one_of(
    st.tuples(st.just("hold"), _PARTICIPANTS, st.sampled_from(["x", "y"]), st.just("1")),
    st.tuples(st.just("forget"), _PARTICIPANTS),
    st.tuples(st.just("flush")),
    st.tuples(st.just("reconnect")),
)


@given(st.lists(VIEWS, min_size=1, max_size=5))
def test_a_chain_of_differences_over_the_wire_ends_at_the_newest_view(views: list[NodeView]) -> None:
    held = views[0]
    for number, wanted in enumerate(views[1:], start=2):
        push = Push(number, wanted, digest(wanted), difference(held, wanted))
        sent = node_pb2.Update.FromString(node_codec.update(push).SerializeToString())
        update = node_codec.view_update(sent)
        assert update.change is not None
        held = applied(held, update.change)
        assert digest(held) == update.view_digest
    assert held == views[-1]


def holding(participant: str, thing: str, held: str) -> Holding:
    return Holding(NODE, participant, thing, "d", held, "", AT)


class Kept(MemoryNodes):
    """As the store keeps holdings: one for each participant and thing."""

    def found(self) -> set[tuple[str, str, str]]:
        newest = {(one.participant, one.thing): one.held for one in self.held}
        return {(participant, thing, held) for (participant, thing), held in newest.items()}


A_X, A_Y, GO, FLUSH = (
    ("hold", "sidecar a", "x", "1"),
    ("hold", "sidecar a", "y", "1"),
    ("forget", "sidecar a"),
    ("flush",),
)


@given(st.lists(_ACTS, max_size=25))
@example([A_X, A_Y, FLUSH, GO, A_X, FLUSH])
@example([A_X, A_Y, FLUSH, GO, ("reconnect",), A_X, FLUSH])
def test_in_the_end_the_server_keeps_what_the_agent_holds_and_nothing_else(acts: list[tuple[str, ...]]) -> None:
    async def play() -> None:
        outbox, store = Outbox(), Kept()
        store.held.append(holding("sidecar of before", "x", "1"))
        expected: dict[tuple[str, str], str] = {}
        server = Reports(NODE, store, SystemClock())
        for act in (*acts, ("reconnect",), ("flush",)):
            match act:
                case ("hold", participant, thing, held):
                    outbox.hold(holding(participant, thing, held))
                    expected[participant, thing] = held
                case ("forget", participant):
                    outbox.forget(participant)
                    expected = {key: held for key, held in expected.items() if key[0] != participant}
                case ("reconnect",):
                    server = Reports(NODE, store, SystemClock())
                    outbox.begin()
                case _:
                    for report in outbox.take():
                        await server.take(node_codec.report(report))
        assert store.found() == {(*key, held) for key, held in expected.items()}

    asyncio.run(play())


def test_more_than_one_report_takes_is_complete_with_the_last_of_them() -> None:
    outbox = Outbox()
    outbox.begin()
    for number in range(2 * HOLDINGS_A_REPORT + 1):
        outbox.hold(holding(f"sidecar {number}", "x", "1"))
    told = [one for one in outbox.take() if isinstance(one, HoldingsReport)]
    assert [one.complete for one in told] == [False, False, True]
    assert sum(len(one.holdings) for one in told) == 2 * HOLDINGS_A_REPORT + 1
