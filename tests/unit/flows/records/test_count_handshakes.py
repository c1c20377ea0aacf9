"""Handshakes that were completed, by what Envoys say of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.kit.clock import VirtualClock
from tests.kit.policies import PAYMENTS
from trustplane.fault import Unavailable
from trustplane.flows.records.count_handshakes import CountHandshakes
from trustplane.handshake.failure import Side
from trustplane.spiffe.names import ServiceName

INBOUND = "listener.127.0.0.1_20203.ssl.handshake"
OUTBOUND = "cluster.outbound/shop/ledger.ssl.handshake"


class Envoys:
    def __init__(self, *earlier: ServiceName) -> None:
        self.figures: dict[ServiceName, Mapping[str, int]] = {}
        self.counted: dict[Side, int] = {Side.CLIENT: 0, Side.SERVER: 0}
        self.counting = CountHandshakes(
            lambda: frozenset(self.figures), self.ask, self, VirtualClock(), frozenset(earlier)
        )

    async def ask(self, service: ServiceName) -> Mapping[str, int]:
        if not self.figures[service]:
            raise Unavailable(code="envoy-admin-unreachable", what="away", why="it ended", fix="look")
        return self.figures[service]

    def completed(self, service: ServiceName, side: Side, count: int) -> None:
        assert service == PAYMENTS
        self.counted[side] += count

    def look(self, **figures: int) -> dict[Side, int]:
        names = {"inbound": INBOUND, "outbound": OUTBOUND, "drained": f"{OUTBOUND.removesuffix('.ssl.handshake')}@1"}
        self.figures = {PAYMENTS: {names[name]: value for name, value in figures.items()}}
        asyncio.run(self.counting.look())
        return dict(self.counted)


def test_what_an_agent_before_this_one_counted_is_not_counted_again() -> None:
    envoys = Envoys(PAYMENTS)
    assert envoys.look(inbound=100, outbound=50) == {Side.SERVER: 0, Side.CLIENT: 0}
    assert envoys.look(inbound=103, outbound=51) == {Side.SERVER: 3, Side.CLIENT: 1}


def test_a_sidecar_is_counted_from_its_start_and_again_after_a_restart() -> None:
    envoys = Envoys()
    assert envoys.look(inbound=7) == {Side.SERVER: 7, Side.CLIENT: 0}
    assert envoys.look() == {Side.SERVER: 7, Side.CLIENT: 0}
    assert envoys.look(inbound=2) == {Side.SERVER: 9, Side.CLIENT: 0}
