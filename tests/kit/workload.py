"""The Workload API as an agent serves it, on a socket of the test's own: relay, gRPC server, flow and feed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.kit.ca import TestCa, p256, pkcs8
from tests.kit.tokens import SigningKey, sign
from trustplane.flows.feed import Feed
from trustplane.flows.node.serve_identities import HeldIdentities, ServeIdentities
from trustplane.host.clock import SystemClock
from trustplane.host.inner_socket import inner_socket
from trustplane.host.peers import PeerTable, Pin
from trustplane.host.pidfd import of_peer
from trustplane.host.proc import ProcCallers, ProcReader
from trustplane.host.relay import Relay, RelayLimits
from trustplane.host.unix_socket import ListeningSocket, listen
from trustplane.registry.model import KeyKind
from trustplane.registry.view import Entry
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import JwtClaims, compact
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.workload_api import workload_server

ACME = TrustDomain("acme.example")
PARTNER = TrustDomain("partner.example")
MY_UID = f"unix:uid:{os.geteuid()}"
KID = "acme-jwt-1"


def entry(name: str, *selectors: str, hint: str = "") -> Entry:
    service = ServiceName("shop", name)
    found = frozenset(Selector.parse(one) for one in (selectors or (MY_UID,)))
    return Entry(service, SpiffeId(ACME, ("ns", "shop", "sa", name)), found, KeyKind.P256, "web@1", hint)


class Issuing:
    """Signs what an agent would have been given by a server; also a minter."""

    def __init__(self, trust_domain: TrustDomain = ACME) -> None:
        self.root = TestCa.root(trust_domain)
        self.intermediate = self.root.intermediate()
        self.jwt_key: SigningKey = p256()
        self.minted: list[tuple[SpiffeId, tuple[str, ...]]] = []

    def bundle(self) -> Bundle:
        authority = JwtAuthority(KID, self.jwt_key.public_key())
        return Bundle(self.root.trust_domain, (self.root.certificate,), (authority,))

    def keyed(self, one: Entry) -> KeyedSvid:
        chain, key = self.intermediate.leaf_chain(one.spiffe_id)
        return KeyedSvid(X509Svid(chain), pkcs8(key))

    def held(self, entries: Iterable[Entry], *others: Bundle) -> HeldIdentities:
        """Each entry has a relation with the trust domains of `others`."""
        domains = tuple(sorted(one.trust_domain for one in others))
        held = tuple((replace(one, federates=domains or one.federates), self.keyed(one)) for one in entries)
        return HeldIdentities(held, BundleSet.of(self.bundle(), *others))

    def token(self, spiffe_id: SpiffeId, audience: Sequence[str], lifetime: timedelta = timedelta(minutes=5)) -> str:
        at = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - py-spiffe compares with the machine's clock
        claims = JwtClaims(spiffe_id, tuple(audience), at, at + lifetime)
        return compact(claims, KID, JwtAlgorithm.ES256, lambda raw: sign(raw, self.jwt_key, JwtAlgorithm.ES256))

    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str:
        self.minted.append((spiffe_id, tuple(audience)))
        return self.token(spiffe_id, audience)


@dataclass(frozen=True)
class Endpoint:
    path: Path
    identities: Feed[HeldIdentities]
    issuing: Issuing
    peers: PeerTable
    relay: Relay
    inner: Path
    loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> str:
        return f"unix://{self.path}"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition that nothing announces; the test's own time limit bounds it."""
    while not holds():  # noqa: ASYNC110 - what is watched belongs to other code and has no event
        await asyncio.sleep(0.005)


def _public_socket(folder: Path) -> ListeningSocket:
    folder.chmod(0o755)  # workloads of other users come in here
    return listen(folder / "api.sock")


@contextlib.asynccontextmanager
async def workload_endpoint(
    folder: Path,
    entries: Sequence[Entry] | HeldIdentities = (),
    *,
    issuing: Issuing | None = None,
    limits: RelayLimits | None = None,
    pin: Pin = of_peer,
    reader: ProcReader | None = None,
) -> AsyncIterator[Endpoint]:
    issuing = issuing or Issuing()
    held = entries if isinstance(entries, HeldIdentities) else issuing.held(entries)
    feed = Feed(held)
    serve = ServeIdentities(feed, issuing, SystemClock())
    peers = PeerTable()
    outer = _public_socket(folder)
    with inner_socket() as inner:
        server = workload_server(serve, ProcCallers(peers, reader or ProcReader()), inner)
        await server.start()
        relay = Relay(outer.listener, inner, peers, limits, pin)
        running = asyncio.create_task(relay.run())
        try:
            yield Endpoint(outer.path, feed, issuing, peers, relay, inner, asyncio.get_running_loop())
        finally:
            running.cancel()
            await asyncio.wait([running])
            await server.stop(None)
            outer.close()
