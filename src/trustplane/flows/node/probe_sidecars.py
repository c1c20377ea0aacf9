"""Proving that the sidecars of this node trust a root before it signs: each is shown a certificate below it.

When the bundle has more than one root the server is asked for a probe certificate below each; it gives one below a root
that is about to take over, and for no other. A sidecar that lets the probe in has proved its trust, one that does not
is asked again until it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.feed import Feed
from trustplane.flows.node.leaf import LeafKey
from trustplane.flows.node.node_link import Link
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.model import KeyKind
from trustplane.registry.records import Holding
from trustplane.registry.view import NodeView, Sidecar
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.public_keys import key_id
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.conversation import Held

STEP = timedelta(seconds=1)
ASK_AGAIN = timedelta(seconds=5)  # for a probe certificate that could not be had
AT_ONCE = 8
THING = "root/"

Knock = Callable[[str, int, KeyedSvid, Bundle, SpiffeId], Awaitable[None]]


class Uptake(Protocol):
    """Where proofs are kept and reported."""

    @property
    def listening(self) -> frozenset[ServiceName]: ...

    def holdings_of(self, service: ServiceName) -> tuple[Holding, ...]: ...

    def report(self, participant: str, held: Held) -> None: ...


class Elsewhere(Protocol):
    """Services of other trust domains, which are shown the probe too."""

    def wanting(self, root: str) -> bool: ...

    async def look(self, root: str, probe: KeyedSvid) -> None: ...

    def forget_all_but(self, roots: Iterable[str]) -> None: ...


class _Nowhere:
    def wanting(self, _root: str) -> bool:
        return False

    async def look(self, _root: str, _probe: KeyedSvid) -> None:
        """Nobody is called elsewhere."""

    def forget_all_but(self, _roots: Iterable[str]) -> None:
        """Nobody is called elsewhere."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where this node's sidecars listen, and how to knock there; and whom they call elsewhere."""

    own: TrustDomain
    address: str
    knock: Knock
    elsewhere: Elsewhere = field(default_factory=_Nowhere)


async def order_probe(
    dial: Callable[[], Awaitable[Link]], fresh_key: Callable[[KeyKind], LeafKey], root: str
) -> KeyedSvid:
    key = fresh_key(KeyKind.P256)
    link = await dial()
    return KeyedSvid(await link.probe(root, key.csr()), key.pkcs8())


class ProbeSidecars:
    def __init__(
        self,
        order: Callable[[str], Awaitable[KeyedSvid]],
        held: tuple[Feed[NodeView | None], Feed[HeldIdentities]],
        uptake: Uptake,
        door: Door,
        clock: Clock,
    ) -> None:
        """`order` gets a certificate below the root of that key identifier."""
        self._order = order
        self._views, self._identities = held
        self._uptake = uptake
        self._door = door
        self._clock = clock
        self._probes: dict[str, KeyedSvid] = {}
        self._not_before: dict[str, datetime] = {}  # when to ask again for one that could not be had
        self._log = structlog.get_logger("probes")

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            await self.look()

    async def look(self) -> None:
        """Knock wherever a proof is wanting; forget refusals that are no question any more."""
        bundle = self._identities.value.bundles.get(self._door.own)
        roots = tuple(key_id(one) for one in bundle.x509_authorities) if bundle else ()
        wanted = roots if len(roots) > 1 else ()
        self._forget_all_but(wanted)
        for root in wanted:
            unproven = list(self._unproven(root))
            elsewhere = self._door.elsewhere.wanting(root)
            probe = await self._probe(root) if unproven or elsewhere else None
            if bundle is None or probe is None:
                continue
            if elsewhere:  # first: who sees all of our own proofs is to know what others said
                await self._door.elsewhere.look(root, probe)
            for start in range(0, len(unproven), AT_ONCE):
                some = unproven[start : start + AT_ONCE]
                await asyncio.gather(*(self._knock(one, root, probe, bundle) for one in some))

    def _unproven(self, root: str) -> Iterator[Sidecar]:
        view = self._views.value
        for sidecar in view.sidecars if view else ():
            if sidecar.service in self._uptake.listening:
                told = self._uptake.holdings_of(sidecar.service)
                if not any(one.thing == THING + root and one.held == root for one in told):
                    yield sidecar

    async def _probe(self, root: str) -> KeyedSvid | None:
        at = self._clock.now()
        known = self._probes.get(root)
        if known is not None and at < known.svid.not_after - STEP:
            return known
        if at < self._not_before.get(root, at):
            return None
        try:
            self._probes[root] = await self._order(root)
        except Fault as fault:
            self._not_before[root] = at + ASK_AGAIN
            if fault.code != "no-root-to-probe":
                self._log.warning("no probe certificate", root=root[:12], code=fault.code, what=fault.finding.what)
            return None
        return self._probes[root]

    async def _knock(self, sidecar: Sidecar, root: str, probe: KeyedSvid, bundle: Bundle) -> None:
        held, refusal = root, ""
        try:
            await self._door.knock(self._door.address, sidecar.ports.mesh, probe, bundle, sidecar.spiffe_id)
        except Fault as fault:
            held, refusal = "", f"{fault.finding.what}: {fault.finding.why}"
        if sidecar.service in self._uptake.listening:
            self._uptake.report(str(sidecar.service), Held(THING + root, root, held, refusal))

    def _forget_all_but(self, roots: tuple[str, ...]) -> None:
        self._door.elsewhere.forget_all_but(roots)
        self._probes = {root: probe for root, probe in self._probes.items() if root in roots}
        self._not_before = {root: at for root, at in self._not_before.items() if root in roots}
        for service in self._uptake.listening:
            for one in self._uptake.holdings_of(service):
                root = one.thing.removeprefix(THING)
                if one.thing.startswith(THING) and one.held != one.desired and root not in roots:
                    self._uptake.report(str(service), Held(one.thing, "", ""))
