"""Keeping the bundles of other trust domains: one task for each, and what it fetched given to everyone who needs it.

It promises: a peer that is dead, slow, endless or hostile is met by its own task and by no other; what is held stays
until something newer passed every rule (`trust.federation`); a relation that ends is forgotten by all, root by root
remembered. Replicas share what one of them fetched: who holds the lease asks, the others learn it from the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Fault, Finding, Refused
from trustplane.flows.feed import Feed
from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Revision
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.federation import Peer, Roots, check_successor, roots_of

LEASE_LIFE = timedelta(seconds=60)
LONGEST_SLEEP = timedelta(seconds=60)
ANOTHER_ASKS = timedelta(seconds=2)
MAX_TRIES = 5  # of writing, against other replicas

Peers = Mapping[TrustDomain, Peer]


class Records(Protocol):
    async def peers(self) -> Sequence[Peer]: ...

    async def put_peer(self, peer: Peer) -> bool: ...

    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool: ...

    async def release_lease(self, name: str, holder: str) -> None: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class Declared(Protocol):
    """The applied revision, and where the bundles that are held go."""

    @property
    def current(self) -> tuple[Revision, DesiredState] | None: ...

    async def federate(self, bundles: Mapping[TrustDomain, Bundle], known: Mapping[TrustDomain, Roots]) -> None: ...


class Endpoints(Protocol):
    async def fetch(self, relation: Relation, trusted: Bundle | None) -> bytes: ...


class OwnBundle(Protocol):
    def bundle(self) -> Bundle: ...


class Federate:
    def __init__(  # noqa: PLR0917 - the ports of one flow
        self,
        records: Records,
        declared: Declared,
        own: OwnBundle,
        endpoints: Endpoints,
        replica: NodeName,
        clock: Clock,
    ) -> None:
        self._records = records
        self._declared = declared
        self._own = own
        self._endpoints = endpoints
        self._replica = replica
        self._clock = clock
        self._settling = asyncio.Lock()
        self._log = structlog.get_logger("federation")
        self.peers: Feed[Peers] = Feed({})

    async def settle(self) -> None:
        """Begin and end what the applied revision says, then stand by what is stored."""
        async with self._settling:
            relations = self._relations()
            stored = {one.trust_domain: one for one in await self._records.peers()}
            for name, relation in relations.items():
                if name not in stored or stored[name].ended_at is not None:
                    await self._begin(stored.get(name, Peer(name)), relation, self._roots(stored))
            for name, peer in stored.items():
                if name not in relations and peer.ended_at is None:
                    await self._step("ended", peer.ended(self._clock.now()))
            await self._stand_by()

    async def forget(self, name: TrustDomain, by: str) -> Peer:
        """Its bundle, its sequence and its roots: from here on it is who the trust repository says it is."""
        found = self.peers.value.get(name)
        if found is None:
            raise Refused(
                code="unknown-peer",
                what=f"nothing is known of {name}",
                why="this server has never held a bundle of it",
                fix="trustplane federation status lists the trust domains known here",
            )
        fresh = Peer(name, found.version, ended_at=self._clock.now())
        await self._step("forgotten", fresh, by)
        await self.settle()
        return self.peers.value[name]

    async def run(self) -> None:
        """A task for each relation, as long as there is the relation."""
        following: dict[TrustDomain, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            async for peers in self.peers.values():
                wanted = {name for name, peer in peers.items() if peer.ended_at is None}
                for name in following.keys() - wanted:
                    following.pop(name).cancel()
                for name in wanted - following.keys():
                    following[name] = tasks.create_task(self._follow(name))

    async def _follow(self, name: TrustDomain) -> None:
        while True:
            moved = asyncio.ensure_future(self.peers.moved())
            try:
                wait = self._until_next(name)
                if wait > timedelta(0):
                    sleeping = asyncio.ensure_future(self._clock.sleep(min(wait, LONGEST_SLEEP)))
                    try:
                        await asyncio.wait((moved, sleeping), return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        sleeping.cancel()
                    continue
            finally:
                moved.cancel()
            await self._poll_alone(name)

    def _until_next(self, name: TrustDomain) -> timedelta:
        peer = self.peers.value.get(name)
        if peer is None or peer.ended_at is not None or name not in self._relations():
            return LONGEST_SLEEP
        now = self._clock.now()
        return (peer.next_at or now) - now

    async def _poll_alone(self, name: TrustDomain) -> None:
        """Whatever this peer does to us, the other tasks go on."""
        try:
            asked = await self._with_lease(name)
        except Fault as fault:
            self._log.warning("peer not asked", peer=str(name), code=fault.code, what=fault.finding.what)
            asked = False
        except Exception:  # noqa: BLE001 - a task's edge: nobody foresaw it, and no other peer may suffer for it
            self._log.exception("asking a peer broke", peer=str(name))
            asked = False
        if not asked:
            await self._clock.sleep(ANOTHER_ASKS)

    async def _with_lease(self, name: TrustDomain) -> bool:
        at, lease = self._clock.now(), f"federation/{name}"
        if not await self._records.take_lease(lease, self._replica.name, at + LEASE_LIFE, at):
            return False
        try:
            await self.poll(name)
        finally:
            await self._records.release_lease(lease, self._replica.name)
        return True

    async def poll(self, name: TrustDomain) -> Peer:
        """Ask once; what comes of it is stored, taken or refused."""
        relation = self._relations().get(name)
        if relation is None:
            raise _no_relation(name)
        try:
            document = await self._endpoints.fetch(relation, self.endpoint_bundle(relation))
            fetched = await asyncio.to_thread(bundle_document.decode, document, name)
        except Fault as fault:
            return await self._failed(name, fault.finding)
        except Exception as error:  # noqa: BLE001 - hostile bytes may find what nobody foresaw, and must be told apart
            self._log.exception("a fetched bundle broke its reader", peer=str(name))
            return await self._failed(name, _unforeseen(name, error))
        return await self._take(name, relation, fetched)

    def endpoint_bundle(self, relation: Relation) -> Bundle | None:
        """FE-13: the newest one held of the trust domain that the endpoint's ID is in; not always the peer's."""
        if relation.endpoint_id is None:
            return None
        authority = relation.endpoint_id.trust_domain
        own = self._own.bundle()
        if authority == own.trust_domain:
            return own
        peer = self.peers.value.get(authority)
        return peer.bundle if peer else None

    async def _take(self, name: TrustDomain, relation: Relation, fetched: Bundle) -> Peer:
        for _ in range(MAX_TRIES):
            peer = await self._stored(name)
            if peer is None or peer.ended_at is not None:
                raise _no_relation(name)  # it ended while its endpoint was asked
            refusal = self._refusal(peer, relation, fetched)
            if refusal is not None:
                return await self._failed(name, refusal)
            if await self._write(peer, peer.took(fetched, self._clock.now())):
                break
        await self._stand_by()
        return self.peers.value[name]

    def _refusal(self, peer: Peer, relation: Relation, fetched: Bundle) -> Finding | None:
        try:
            check_successor(peer, fetched, relation.roots, self._roots(self.peers.value))
        except Refused as refused:
            return refused.finding
        except Exception as error:  # noqa: BLE001 - as when it is read: it must count as an attempt that failed
            self._log.exception("a fetched bundle broke its judge", peer=str(peer.trust_domain))
            return _unforeseen(peer.trust_domain, error)
        return None

    async def _write(self, peer: Peer, taken: Peer) -> bool:
        """Audited when it changes what is trusted, and not when the peer says the same again."""
        if peer.bundle is not None and taken.bundle is not None and peer.bundle.digest == taken.bundle.digest:
            return await self._records.put_peer(taken)
        if taken.bundle is not None and taken.bundle.vouches_for_nothing:
            self._log.error("a federated trust domain has revoked everything", peer=str(peer.trust_domain))
        return await self._audited("taken", taken)

    async def _failed(self, name: TrustDomain, finding: Finding) -> Peer:
        for _ in range(MAX_TRIES):
            peer = await self._stored(name)
            if peer is None or peer.ended_at is not None:
                raise _no_relation(name)
            if peer.failure is None or peer.failure.finding.code != finding.code:
                self._log.warning("no newer bundle", peer=str(name), code=finding.code, what=finding.what)
            if await self._records.put_peer(peer.failed(finding, self._clock.now())):
                break
        await self._stand_by()
        return self.peers.value[name]

    async def _begin(self, peer: Peer, relation: Relation, roots: Mapping[TrustDomain, Roots]) -> None:
        at, first = self._clock.now(), relation.first_bundle
        begun = peer.begun(first, at)
        if first is not None:
            try:
                check_successor(Peer(peer.trust_domain), first, relation.roots, roots)
            except Refused as refused:
                begun = peer.begun(None, at).failed(refused.finding, at)
        await self._step("begun", begun)

    async def _step(self, step: str, new: Peer, by: str = "") -> None:
        if await self._audited(step, new, by):
            self._log.info("federation", step=step, peer=str(new.trust_domain))

    async def _audited(self, step: str, new: Peer, by: str = "") -> bool:
        at, name = self._clock.now(), new.trust_domain
        what = _told(new.bundle)
        await self._records.append_audit([events.federation("intent", step, name, what, by, at)], at)
        done = await self._records.put_peer(new)
        told = {**what, "done": done}
        await self._records.append_audit([events.federation("outcome", step, name, told, by, self._clock.now())], at)
        return done

    async def _stored(self, name: TrustDomain) -> Peer | None:
        return next((one for one in await self._records.peers() if one.trust_domain == name), None)

    async def _stand_by(self) -> None:
        peers = {one.trust_domain: one for one in await self._records.peers()}
        self.peers.publish(peers)
        held = {name: one.bundle for name, one in peers.items() if one.bundle and one.ended_at is None}
        await self._declared.federate(held, self._roots(peers))

    def _roots(self, peers: Peers) -> dict[TrustDomain, Roots]:
        """Of everybody, us included: a root belongs to one trust domain."""
        own = self._own.bundle()
        known = {name: one.known_roots for name, one in peers.items()}
        return {**known, own.trust_domain: roots_of(own)}

    def _relations(self) -> Mapping[TrustDomain, Relation]:
        current = self._declared.current
        return current[1].federation if current else {}

    def findings(self) -> tuple[Finding, ...]:
        """What an operator should look at although nothing stops for it now."""
        living = [one for one in self.peers.value.values() if one.ended_at is None]
        failing = [one.failure.finding for one in living if one.failure]
        return (*failing, *(_revoked(one.trust_domain) for one in living if one.bundle and _is_empty(one.bundle)))


def _is_empty(bundle: Bundle) -> bool:
    return bundle.vouches_for_nothing


def _told(bundle: Bundle | None) -> dict[str, str | int | None]:
    if bundle is None:
        return {}
    authorities = len(bundle.x509_authorities) + len(bundle.jwt_authorities)
    # A sequence may have 64 bits, which not every reader of JSON numbers keeps.
    sequence = None if bundle.sequence is None else str(bundle.sequence)
    return {"digest": bundle.digest, "sequence": sequence, "authorities": authorities}


def _no_relation(name: TrustDomain) -> Refused:
    return Refused(
        code="no-relation",
        what=f"there is no relation with {name}",
        why="the applied trust repository does not declare one",
        fix="add it to federation in trustdomain.yaml and apply it",
    )


def _unforeseen(name: TrustDomain, error: Exception) -> Finding:
    return Finding(
        code="bundle-broke-reader",
        what=f"what the endpoint of {name} served could not be read",
        why=f"{type(error).__name__}; the server's log has the whole",
        fix="keep the log and report this; the bundle held stays in use",
    )


def _revoked(name: TrustDomain) -> Finding:
    return Finding(
        code="federated-domain-revoked",
        what=f"{name} publishes no authority at all: everything of it is refused",
        why="an empty key set revokes the whole trust domain (Trust Domain and Bundle §4.1.3)",
        fix=f"find out from the operators of {name} whether that is meant; nothing needs to be done here if it is",
    )
