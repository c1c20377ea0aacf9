"""Showing a certificate below the root to come to other trust domains' services, before it signs.

They are those that this node's sidecars are declared to call. Each shows itself first, as exactly who it is declared to
be, under its own domain's bundle; then how the handshake ends says whether it trusts the root. What it would allow is
no question, and nothing it says is believed. One that does not answer has said nothing, and is not waited for here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.endpoint import Endpoint
from trustplane.registry.partner_probes import PARTNERS, Outcome, ShownProbe
from trustplane.registry.view import NodeView
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.spiffe.x509_svid import KeyedSvid

AGAIN = timedelta(seconds=5)  # to one that has not let it in
PATIENCE_SECONDS = 3.0  # with all of them at a look: the proofs of our own sidecars come after
MOST_SERVICES = 64  # of one node
MOST_ENDPOINTS = 4  # of one service
AT_ONCE = 8
REFUSED = "probe-refused"

Knock = Callable[[str, int, KeyedSvid, Bundle, SpiffeId], Awaitable[None]]


@dataclass(slots=True)
class _Asked:
    told: ShownProbe
    again_at: datetime


@dataclass(frozen=True, slots=True)
class CalledElsewhere:
    """What this node knows of services in other trust domains."""

    node: NodeName
    views: Feed[NodeView | None]
    identities: Feed[HeldIdentities]
    listening: Callable[[], frozenset[ServiceName]]

    def services(self) -> dict[SpiffeId, tuple[Endpoint, ...]]:
        """Those that a sidecar which runs here is declared to call."""
        view, listening = self.views.value, self.listening()
        called = {
            callee.spiffe_id: callee.endpoints[:MOST_ENDPOINTS]
            for sidecar in (view.sidecars if view else ())
            if sidecar.service in listening
            for callee in sidecar.callees
            if callee.service is None
        }
        return dict(islice(sorted(called.items()), MOST_SERVICES))


@dataclass(slots=True)
class ProbePartners:
    """Satisfies `flows.node.probe_sidecars.Elsewhere`."""

    called: CalledElsewhere
    outbox: Outbox
    knock: Knock
    clock: Clock
    _asked: dict[tuple[str, SpiffeId], _Asked] = field(default_factory=dict)

    def wanting(self, root: str) -> bool:
        return bool(self._due(root))

    async def look(self, root: str, probe: KeyedSvid) -> None:
        """Once at each that has not let it in; whoever is not through in time is not reached."""
        due, turns = self._due(root), asyncio.Semaphore(AT_ONCE)
        ended: dict[SpiffeId, tuple[Outcome, str]] = {}

        async def ask(callee: SpiffeId, endpoints: Iterable[Endpoint]) -> None:
            async with turns:
                ended[callee] = await self._shown(callee, endpoints, probe)

        try:
            async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
                for callee, endpoints in due.items():
                    tasks.create_task(ask(callee, endpoints))
        except TimeoutError:
            pass
        for callee in due:
            self._tell(root, callee, *ended.get(callee, (Outcome.NOT_REACHED, "it did not answer in time")))

    def forget_all_but(self, roots: Iterable[str]) -> None:
        """What is asked no more, of a root or of a service, is told of no more."""
        wanted, called = frozenset(roots), self.called.services()
        kept = {key: one for key, one in self._asked.items() if key[0] in wanted and key[1] in called}
        if len(kept) < len(self._asked):
            self._asked = kept
            self.outbox.forget(PARTNERS)  # participants are forgotten whole
            for one in kept.values():
                self.outbox.hold(one.told.holding())

    def _due(self, root: str) -> dict[SpiffeId, tuple[Endpoint, ...]]:
        at = self.clock.now()
        return {
            callee: endpoints
            for callee, endpoints in self.called.services().items()
            if (asked := self._asked.get((root, callee))) is None
            or (asked.told.outcome is not Outcome.LET_IN and at >= asked.again_at)
        }

    async def _shown(self, callee: SpiffeId, endpoints: Iterable[Endpoint], probe: KeyedSvid) -> tuple[Outcome, str]:
        """One endpoint that refuses is enough: calls go to each of them."""
        trusted = self.called.identities.value.bundles.get(callee.trust_domain)
        if trusted is None:
            return Outcome.NOT_REACHED, f"no bundle of {callee.trust_domain} is held here"
        let_in, unreached = False, "it has no endpoint"
        for one in endpoints:
            try:
                await self.knock(one.address, one.port, probe, trusted, callee)
                let_in = True
            except Fault as fault:
                words = f"{fault.finding.what}: {fault.finding.why}"
                if fault.code == REFUSED:
                    return Outcome.REFUSED, words
                unreached = words
        return (Outcome.LET_IN, "") if let_in else (Outcome.NOT_REACHED, unreached)

    def _tell(self, root: str, callee: SpiffeId, outcome: Outcome, words: str) -> None:
        at, before = self.clock.now(), self._asked.get((root, callee))
        is_news = before is None or before.told.outcome is not outcome
        since = at if before is None or is_news else before.told.since
        refusal = words if outcome is Outcome.REFUSED else ""
        told = ShownProbe(self.called.node, callee, root, outcome, refusal, since)
        self._asked[root, callee] = _Asked(told, at + AGAIN)
        if is_news:
            self.outbox.hold(told.holding())
            log = structlog.get_logger("probes")
            say = log.info if outcome is Outcome.LET_IN else log.warning
            say("shown to another domain", callee=str(callee), root=root[:12], outcome=outcome.value, why=words)
