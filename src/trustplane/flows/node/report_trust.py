"""Which bundle this agent holds, and which each subscriber of its Workload API was given, told to the server.

A workload never acknowledges. What is proven is that the message with the bundle was taken off its stream.
"""

from __future__ import annotations

from itertools import count

from trustplane.clock import Clock
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName

THING = "bundle"
MOST_WORKLOADS = 2000  # told of; far below what a server takes from one node


class ReportTrust:
    def __init__(self, node: NodeName, own: TrustDomain, outbox: Outbox, clock: Clock) -> None:
        self._node = node
        self._own = own
        self._outbox = outbox
        self._clock = clock
        self._numbers = count(1)
        self._open: dict[str, tuple[str, str]] = {}  # what was last told of each subscriber

    async def run(self, identities: Feed[HeldIdentities]) -> None:
        told = ""
        async for held in identities.values():
            digest = self.digest(held)
            if digest and digest != told:
                told = digest
                self._hold(f"agent {self._node}", digest, digest)

    def digest(self, held: HeldIdentities) -> str:
        # JWT keys come and go without a word to those who follow X.509.
        bundle = held.bundles.get(self._own)
        return bundle.x509_digest if bundle else ""

    def opened(self, name: str) -> str:
        """A subscriber's name among participants, empty when there are too many to tell of."""
        if len(self._open) >= MOST_WORKLOADS:
            return ""
        participant = f"workload {name}#{next(self._numbers)}"
        self._open[participant] = ("", "")
        return participant

    def given(self, participant: str, desired: str, held: str) -> None:
        """A subscriber that is given a new leaf under the same bundle is no news."""
        if self._open.get(participant, (desired, held)) != (desired, held):
            self._open[participant] = (desired, held)
            self._hold(participant, desired, held)

    def closed(self, participant: str) -> None:
        if self._open.pop(participant, None) is not None:
            self._outbox.forget(participant)

    def _hold(self, participant: str, desired: str, held: str) -> None:
        self._outbox.hold(Holding(self._node, participant, THING, desired, held, "", self._clock.now()))
