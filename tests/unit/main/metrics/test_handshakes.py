from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from tests.kit.handshakes import refused
from tests.kit.policies import PAYMENTS
from trustplane.flows.records.keep_handshakes import HandshakeCounts
from trustplane.handshake.failure import Side
from trustplane.handshake.stored import stored
from trustplane.main.metrics.collected import CollectedMetrics
from trustplane.main.metrics.handshakes import HandshakeMetrics
from trustplane.spiffe.names import NodeName


@dataclass
class Known:
    counted: dict[Side, int] = field(default_factory=lambda: {Side.CLIENT: 3, Side.SERVER: 4})
    folded: int = 5
    unread: int = 6
    dropped: int = 7
    missed: int = 9
    waiting: int = 8


def test_a_server_shows_why_handshakes_fail_and_how_many_do_not() -> None:
    counts, registry = HandshakeCounts(), CollectorRegistry()
    registry.register(HandshakeMetrics(counts))
    counts.add([stored(NodeName("node-a"), refused(times=9))], {(PAYMENTS, Side.SERVER): 100})
    labels = {"signature": "envoy-leaf-expired", "cause": "leaf-expired", "side": "server"}
    assert registry.get_sample_value("trustplane_handshake_failures_total", labels) == 9
    assert registry.get_sample_value("trustplane_handshakes_completed_total", {"side": "server"}) == 100


def test_an_agent_shows_what_it_heard_and_what_was_lost() -> None:
    registry = CollectorRegistry()
    registry.register(CollectedMetrics(Known(), Known()))
    assert registry.get_sample_value("trustplane_agent_handshake_failures_total", {"side": "client"}) == 3
    names = [f"trustplane_agent_handshake_failures_{name}_total" for name in ("folded", "unread", "dropped", "missed")]
    assert [registry.get_sample_value(name) for name in names] == [5, 6, 7, 9]
    assert registry.get_sample_value("trustplane_agent_handshake_parcels") == 8
