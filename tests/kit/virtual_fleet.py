"""A fleet and its server in virtual time: the flows of production, joined by a line that takes no time.

Nodes run `flows.node.keep_leaves`; the server is `flows.issuing.issue_in_turn` before `flows.issuing.issue`. Only the
line, the store and the clock are imagined. `Server.down` refuses every call, as a machine without the process would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from random import Random

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, MemoryAuthority, MemoryRecords, RightsTable, profile
from tests.kit.node_line import away, running
from trustplane.fault import Fault, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.issuing.issue import IssueX509, Request
from trustplane.flows.issuing.issue_in_turn import IssueInTurn
from trustplane.flows.issuing.signer import Signer
from trustplane.flows.node.ask_leaves import AskLeaves
from trustplane.flows.node.keep_leaves import KeepLeaves
from trustplane.flows.node.node_link import LeafIssued, LeafOrder
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.issuance.admit import Right
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind, Profile
from trustplane.registry.view import Entry, NodeView, TrustedBundle
from trustplane.rotation.pace import SigningPace
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.names import NodeName, ServiceName, default_id
from trustplane.spiffe.selectors import Selector

SELECTORS = frozenset({Selector("unix:uid", "1")})


class Server:
    """`signed` counts certificates by second of the clock since its start."""

    def __init__(self, clock: VirtualClock, rights: RightsTable, shape: Profile, rate: float) -> None:
        self._clock = clock
        self._start = clock.now()
        authority = MemoryAuthority.at(clock.now())
        root = authority.root.certificate
        assert root is not None
        signer = Signer(authority.issuing, authority.key)
        issuer = IssueX509(MemoryRecords(), lambda: signer, rights, shape, Random(7).randbytes)
        self.bundle = Bundle(ACME, (root,))
        self.turns = IssueInTurn(issuer, SigningPace(rate), clock)
        self.down = False
        self.calls = 0
        self.signed: Counter[int] = Counter()

    async def issue(self, node: NodeName, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        self.calls += 1
        if self.down:
            raise away()
        wanted = [Request(str(one.spiffe_id), one.csr, one.held_until) for one in orders]
        answers = await self.turns.issue(node, wanted, self._clock.now())
        if self.down:
            raise away()
        issued = sum(not isinstance(one, Fault) for one in answers)
        self.signed[(self._clock.now() - self._start) // timedelta(seconds=1)] += issued
        return [_as_sent(one) if isinstance(one, Fault) else LeafIssued(one.svid, one.renew_at) for one in answers]


class Node:
    """Satisfies the `Link` that leaves are asked over."""

    def __init__(self, name: NodeName, entries: Sequence[Entry], server: Server, clock: VirtualClock) -> None:
        self._name = name
        self._server = server
        ordered = tuple(sorted(entries, key=lambda one: one.spiffe_id))
        bundle = TrustedBundle(ACME, bundle_document.encode(server.bundle), server.bundle.digest)
        views: Feed[NodeView | None] = Feed(NodeView(1, ordered, (), (bundle,)))
        asking = AskLeaves(self.line, 1, LeafKey.generate, hash(name), clock)
        self.identities = Feed(HeldIdentities.nothing_yet())
        self.keeper = KeepLeaves(asking, views, self.identities, clock)

    @asynccontextmanager
    async def line(self, place: int) -> AsyncIterator[Node]:
        assert place == 0
        yield self

    async def issue(self, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        return await self._server.issue(self._name, orders)

    @property
    def lacking(self) -> int:
        """Entries that are not served now."""
        return sum(keyed is None for _, keyed in self.identities.value.held)


class Fleet:
    def __init__(self, nodes: int, per_node: int, lifetime: timedelta, rate: float) -> None:
        self.clock = VirtualClock()
        shape = profile(lifetime=lifetime)
        entries = {
            NodeName(f"n{node}"): [_entry(f"s{node}-{number}") for number in range(per_node)] for node in range(nodes)
        }
        rights = {
            (node, one.spiffe_id): Right(node, one.spiffe_id, shape) for node, held in entries.items() for one in held
        }
        self.server = Server(self.clock, RightsTable(rights), shape, rate)
        self.nodes = [Node(name, held, self.server, self.clock) for name, held in entries.items()]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as working:
            await working.enter_async_context(running(self.server.turns.run()))
            for node in self.nodes:
                await working.enter_async_context(running(node.keeper.run()))
            yield

    @property
    def lacking(self) -> int:
        return sum(node.lacking for node in self.nodes)


def _entry(name: str) -> Entry:
    service = ServiceName("shop", name)
    return Entry(service, default_id(ACME, service), SELECTORS, KeyKind.P256, "default@1")


def _as_sent(fault: Fault) -> Fault:
    """Without a wait, what the wire would send is the same; what is not a matter of time has none."""
    assert not isinstance(fault, Unavailable) or fault.retry_after is not None
    return fault
