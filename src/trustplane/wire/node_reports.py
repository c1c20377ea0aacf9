"""What one agent tells on one stream: which view it holds, what its participants hold, what it hosts.

All of it is the node's own word about itself, kept under its name, and bounded: one agent cannot fill the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.registry.records import Holding
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.wire import node_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2

MAX_HOLDINGS = 10_000  # of one node
MAX_HOSTED = 10_000
SERVER = "server "


class Uptake(Protocol):
    """Where reports of agents go."""

    async def put_holdings(self, holdings: Sequence[Holding]) -> None: ...

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def put_hosting(self, node: NodeName, services: frozenset[ServiceName], at: datetime) -> None: ...


class Reports:
    def __init__(self, node: NodeName, uptake: Uptake, clock: Clock) -> None:
        self._node = node
        self._own = f"agent {node}"
        self._uptake = uptake
        self._clock = clock
        self._named: set[tuple[str, str]] = set()

    async def take(self, report: node_pb2.Report) -> None:
        at = self._clock.now()
        match report.WhichOneof("kind"):
            case "acknowledgement":
                digest = report.acknowledgement.view_digest[:64]
                await self._uptake.put_holdings([Holding(self._node, self._own, "view", digest, digest, "", at)])
            case "holdings":
                await self._take_holdings(report.holdings)
            case "hosting":
                if len(report.hosting.services) > MAX_HOSTED:
                    raise too_much("hosted services in one report", MAX_HOSTED)
                services = frozenset(ServiceName.parse(name) for name in report.hosting.services)
                await self._uptake.put_hosting(self._node, services, at)
            case _:
                return  # a newer agent may report what this server does not know yet

    async def _take_holdings(self, told: node_pb2.Holdings) -> None:
        held = [node_codec.holding(self._node, one) for one in told.holdings]
        # What a server holds is for servers to say; a node may have the name of one.
        held = [one for one in held if not one.participant.startswith(SERVER)]
        gone = {one[: node_codec.MAX_TEXT] for one in told.gone if not one.startswith(SERVER)} - {self._own}
        self._named = {key for key in self._named if key[0] not in gone}
        self._named.update((one.participant, one.thing) for one in held)
        if len(self._named) > MAX_HOLDINGS or len(gone) > MAX_HOLDINGS:
            raise too_much("holdings of one node", MAX_HOLDINGS)
        if told.complete:
            stale, live = await self._stale()
            gone |= stale
            held = [*live, *held]
        if gone:
            await self._uptake.drop_participants(self._node, sorted(gone))
        if held:
            await self._uptake.put_holdings(held)

    async def _stale(self) -> tuple[set[str], list[Holding]]:
        """Participants of which something is kept that this stream did not name, and what it did name of theirs."""
        known = [
            one
            for one in await self._uptake.holdings()
            if one.node == self._node and one.participant != self._own and not one.participant.startswith(SERVER)
        ]
        stale = {one.participant for one in known if (one.participant, one.thing) not in self._named}
        live = [one for one in known if one.participant in stale and (one.participant, one.thing) in self._named]
        return stale, live


def too_much(what: str, most: int) -> Refused:
    return Refused(
        code="message-too-large",
        what=f"too much at once: {what}",
        why=f"at most {most} are taken, so that no agent can exhaust a server",
        fix="send several smaller messages, or spread the workloads over more nodes",
    )
