"""One call for new leaves: keys made, a server asked over one of its addresses, and not waited for longer than told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from trustplane.clock import Clock
from trustplane.fault import Fault, Unavailable
from trustplane.flows.node.leaf import Leaf, LeafKey
from trustplane.flows.node.node_link import LeafIssued, LeafOrder
from trustplane.registry.model import KeyKind

Answer = TypeVar("Answer")


class LeafSource(Protocol):
    async def issue(self, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        """One outcome for each."""
        ...


Line = Callable[[int], AbstractAsyncContextManager[LeafSource]]
"""To the server so many addresses after the one the agent is connected to."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A leaf to be asked for, and the key made for it."""

    leaf: Leaf
    csr: bytes
    pkcs8: bytes = field(repr=False)

    def order(self) -> LeafOrder:
        return LeafOrder(self.leaf.entry.spiffe_id, self.csr, self.leaf.held_until)


class AskLeaves:
    def __init__(
        self, line: Line, addresses: int, fresh_key: Callable[[KeyKind], LeafKey], salt: int, clock: Clock
    ) -> None:
        """`salt` differs between nodes."""
        self._line = line
        self._fresh_key = fresh_key
        self._clock = clock
        self.addresses = addresses
        self.salt = salt

    async def ordered(self, leaf: Leaf) -> Ordered:
        def made() -> Ordered:
            key = self._fresh_key(leaf.entry.key)
            return Ordered(leaf, key.csr(), key.pkcs8())

        # Only P-256 keys are made faster than a thread is asked; an RSA key takes a tenth of a second.
        return made() if leaf.entry.key is KeyKind.P256 else await asyncio.to_thread(made)

    async def ask(self, address: int, ordered: Sequence[Ordered], within: timedelta) -> Sequence[LeafIssued | Fault]:
        """One outcome for each. Raises what concerns them all."""
        return await self._within(within, self._asked(address, [one.order() for one in ordered]))

    async def _asked(self, address: int, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        async with self._line(address) as link:
            return await link.issue(orders)

    async def _within(self, limit: timedelta, asking: Coroutine[Any, Any, Answer]) -> Answer:
        call, sleeping = asyncio.ensure_future(asking), asyncio.ensure_future(self._clock.sleep(limit))
        try:
            await asyncio.wait((call, sleeping), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
        finally:
            call.cancel()
            sleeping.cancel()
            await asyncio.gather(call, sleeping, return_exceptions=True)
        raise Unavailable(
            code="server-silent",
            what=f"the server did not answer within {limit.total_seconds():.0f} s",
            why="it is overloaded, its database hangs, or the network loses what is sent",
            fix="nothing, if it passes: the next server is asked; if it lasts, look at that server's log",
        )
