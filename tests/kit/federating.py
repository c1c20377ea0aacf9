"""What of a server has to do with other trust domains, over a real store, with endpoints that answer as a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.partner import PARTNER
from trustplane.fault import Fault, Unavailable
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.federation.federate import Federate
from trustplane.registry.federation import Relation
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.trust.federation import Peer

ACME = TrustDomain("acme.example")
NODE = NodeName("node-a")
OFF = Unavailable(code="endpoint-unreachable", what="gone", why="down", fix="wait")

Served = bytes | Fault | Exception | asyncio.Event


@dataclass
class Endpoints:
    """What each trust domain's endpoint answers: a document, a failure, or nothing until the event."""

    served: dict[TrustDomain, Served] = field(default_factory=dict)
    asked: list[TrustDomain] = field(default_factory=list)
    trusted: dict[TrustDomain, Bundle | None] = field(default_factory=dict)

    async def fetch(self, relation: Relation, trusted: Bundle | None) -> bytes:
        name = relation.trust_domain
        self.asked.append(name)
        self.trusted[name] = trusted
        answer = self.served.get(name, OFF)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            raise OFF
        if isinstance(answer, Exception):
            raise answer
        return answer


class Own:
    def __init__(self) -> None:
        self.root = TestCa.root(ACME)

    def bundle(self) -> Bundle:
        return Bundle(ACME, (self.root.certificate,), sequence=1)


@dataclass
class Server:
    store: Store
    clock: VirtualClock
    desired: KeepDesiredState
    federate: Federate
    endpoints: Endpoints
    own: Own

    @classmethod
    async def on(cls, store: Store, clock: VirtualClock, name: str = "server-1", own: Own | None = None) -> Server:
        own = own or Own()
        desired = KeepDesiredState(ACME, store, store, store, clock)
        await desired.load()
        await desired.trust(own.bundle())
        endpoints = Endpoints()
        federate = Federate(store, desired, own, endpoints, NodeName(name), clock)
        await federate.settle()
        return cls(store, clock, desired, federate, endpoints, own)

    async def apply(self, files: Mapping[str, bytes]) -> None:
        await self.desired.apply(files, "local:ann")
        await self.federate.settle()

    def peer(self, name: TrustDomain = PARTNER) -> Peer:
        return self.federate.peers.value[name]

    def told(self) -> set[str]:
        """The trust domains whose bundles the node is told."""
        return {one.trust_domain.name for one in self.desired.views.needs.of(NODE).bundles}

    async def events(self) -> list[str]:
        entries = await self.store.audit_entries(0, 1000)
        found = [json.loads(one.body) for one in entries]
        return [f"{one['event']} {one['step']}" for one in found if one["event"].startswith("federation")]
