"""A fleet that was given leaves all at once is flat again within one lifetime, by the production flow."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from datetime import datetime, timedelta
from random import Random

import pytest

from tests.kit.issuing_ports import ACME, NOON, MemoryAuthority, MemoryRecords, RightsTable, leaf_key, profile
from trustplane.flows.issuing.issue import Issued, IssueX509, Request
from trustplane.flows.issuing.signer import Signer
from trustplane.issuance.admit import Right
from trustplane.rotation.slots import SLOT
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName

LIFETIME = timedelta(minutes=5)
WINDOW = (0.5, 0.75)
CSR = leaf_key().csr()
AUTHORITY = MemoryAuthority.at(NOON)

Workload = tuple[NodeName, SpiffeId]


class Fleet:
    """Workloads that come when they were told, and an issuer that signs at once."""

    def __init__(self, workloads: int, seed: int) -> None:
        self.workloads = [
            (NodeName(f"n{number % 20}"), SpiffeId(ACME, ("ns", "shop", "sa", f"s{number}")))
            for number in range(workloads)
        ]
        shape = profile(lifetime=LIFETIME)
        rights = RightsTable({(node, each): Right(node, each, shape) for node, each in self.workloads})
        signer = Signer(AUTHORITY.issuing, AUTHORITY.key)
        self.issuer = IssueX509(MemoryRecords(), lambda: signer, rights, shape, Random(seed).randbytes)
        self.due: list[tuple[datetime, Workload]] = []
        self.signed: Counter[int] = Counter()

    async def restart(self, at: datetime) -> None:
        """Every node at once, with nothing kept."""
        self.due = []
        for workload in self.workloads:
            await self.renew(workload, at)

    async def renew(self, workload: Workload, at: datetime) -> None:
        node, spiffe_id = workload
        (answer,) = await self.issuer.issue(node, [Request(str(spiffe_id), CSR)], at)
        assert isinstance(answer, Issued), answer
        assert at < answer.renew_at <= at + LIFETIME * WINDOW[1]
        self.signed[(at - NOON) // SLOT] += 1
        heapq.heappush(self.due, (answer.renew_at, workload))

    async def live(self, until: datetime) -> None:
        while self.due[0][0] <= until:
            at, workload = heapq.heappop(self.due)
            await self.renew(workload, at)

    def peak_to_mean(self, since: datetime, until: datetime) -> float:
        slots = range((since - NOON) // SLOT, (until - NOON) // SLOT)
        return max(self.signed[slot] for slot in slots) / (sum(self.signed[slot] for slot in slots) / len(slots))


@pytest.mark.parametrize("seed", range(2))
def test_a_fleet_that_restarts_again_and_again_is_flat_from_half_a_lifetime_on(seed: int) -> None:
    async def play() -> None:
        fleet = Fleet(workloads=240 + 40 * seed, seed=seed)
        await fleet.restart(NOON)
        last = NOON + LIFETIME * (1.1 + 0.2 * seed)
        await fleet.live(last)
        for _ in range(3):  # each time the book is full of those who are replaced now
            await fleet.restart(last)
            last += 2 * SLOT
            await fleet.live(last)
        await fleet.restart(last)
        await fleet.live(last + 2 * LIFETIME)
        # Of eight in a slot, one more or less is an eighth.
        assert fleet.peak_to_mean(last + LIFETIME / 2, last + 2 * LIFETIME) <= 1.3

    asyncio.run(play())
