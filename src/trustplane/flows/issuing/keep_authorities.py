"""This instance's authorities, made and replaced in time.

`trust.lifecycle` says the next step, this flow takes it. Each step is durable by itself and found again after a crash
from what is stored, so a process killed between any two of them continues. Intent goes before a key is used. Replicas
share one root: whoever holds the lease makes it, the others find it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Broken, Finding, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.issuing.signer import Signer, SigningKey
from trustplane.issuance.authority_shape import issuing_body, root_body
from trustplane.issuance.confirm import confirm_authority
from trustplane.issuance.serial import ENTROPY_BYTES, serial_from
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.bundles import bundle_of, sequence_of
from trustplane.trust.lifecycle import (
    Activate,
    JwtTurn,
    Lifetimes,
    MakeRoot,
    Prepare,
    Retire,
    Step,
    active,
    due,
    next_jwt,
    owners_without,
    prepared_below,
    root_in_use,
    waiting_issuer,
)

ROOT_LEASE = "make-root"
LEASE_LIFE = timedelta(seconds=30)
SHORTEST_WAIT = timedelta(milliseconds=200)
LONGEST_WAIT = timedelta(seconds=60)
MAX_STEPS = 20  # of one settling; a first start takes five


class AuthorityTable(Protocol):
    """Authorities as stored, retired ones too."""

    async def authorities(self) -> Sequence[Authority]: ...

    async def put_authority(self, authority: Authority, sealed_key: bytes) -> None: ...

    async def move_authority(
        self, authority: AuthorityId, from_state: AuthorityState, to_state: AuthorityState, at: datetime
    ) -> bool:
        """False when it was not in that state (any more)."""
        ...


class SealedKeys(Protocol):
    async def sealed_key(self, authority: AuthorityId) -> bytes: ...


class Leases(Protocol):
    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool: ...


class Journal(Protocol):
    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class Records(AuthorityTable, SealedKeys, Leases, Journal, Protocol):
    """One store is all of them."""


class AuthorityKeys(Protocol):
    def make(self) -> tuple[SigningKey, bytes]:
        """A new key and its sealed form."""
        ...

    def unseal(self, authority: AuthorityId, sealed: bytes) -> SigningKey: ...


@dataclass(frozen=True, slots=True)
class Instance:
    """This server among those of its trust domain."""

    trust_domain: TrustDomain
    name: NodeName


@dataclass(frozen=True, slots=True)
class Standing:
    """What this instance signs with now, and what the trust domain publishes. Changes as a whole."""

    x509: Signer | None
    jwt: Signer | None
    bundle: Bundle


class KeepAuthorities:
    def __init__(  # noqa: PLR0917 - the ports of one flow
        self,
        records: Records,
        keys: AuthorityKeys,
        instance: Instance,
        lifetimes: Lifetimes,
        clock: Clock,
        ahead: Callable[[], timedelta] = timedelta,
    ) -> None:
        """`ahead`: how long other trust domains need a JWT key to be published before it signs."""
        self._records = records
        self._keys = keys
        self._instance = instance
        self._lifetimes = lifetimes
        self._clock = clock
        self._ahead = ahead
        self._unsealed: dict[AuthorityId, SigningKey] = {}
        self._findings: tuple[Finding, ...] = ()
        self._log = structlog.get_logger("authorities")
        self.standing: Feed[Standing | None] = Feed(None)

    def x509_signer(self) -> Signer:
        standing = self.standing.value
        return _present(standing.x509 if standing else None, self._instance, "issuing authority")

    def jwt_signer(self) -> Signer:
        standing = self.standing.value
        return _present(standing.jwt if standing else None, self._instance, "JWT authority")

    def bundle(self) -> Bundle:
        standing = self.standing.value
        if standing is None:
            raise _not_yet(self._instance, "bundle")
        return standing.bundle

    async def start(self) -> None:
        """Return when this instance can sign certificates."""
        await self.settle()
        while self.standing.value is None or self.standing.value.x509 is None:
            await self._clock.sleep(SHORTEST_WAIT)
            await self.settle()

    async def run(self) -> None:
        """Keep them for ever."""
        shortest = min(self._lifetimes.issuing, self._lifetimes.jwt)
        while True:
            await self._clock.sleep(max(SHORTEST_WAIT, min(LONGEST_WAIT, shortest / 60)))
            try:
                await self.settle()
                self._findings = ()
            except (Unavailable, Refused) as fault:
                self._findings = tuple(fault.findings)
                self._log.warning("authorities not looked after", code=fault.code, what=fault.finding.what)

    def findings(self) -> tuple[Finding, ...]:
        """What kept them from being looked after last."""
        return self._findings

    async def settle(self) -> None:
        """Take every step that is due, then stand by what is stored."""
        for _ in range(MAX_STEPS):
            authorities = await self._records.authorities()
            step = due(authorities, self._instance.name, self._lifetimes, self._clock.now(), self._ahead())
            if step is None or not await self._take(step, authorities):
                return await self._stand_by(authorities)
        raise Broken(
            code="authorities-unsettled",
            what=f"after {MAX_STEPS} steps the authorities of {self._instance.name} still need another",
            why="each step should bring them closer to rest",
            fix="report this with: trustplane status --json",
        )

    async def next_jwt_key(self) -> JwtTurn | None:
        authorities = await self._records.authorities()
        return next_jwt(authorities, self._instance.name, self._lifetimes, self._clock.now(), self._ahead())

    async def prepare_successor(self, owner: NodeName) -> None:
        """Make an issuing authority for this or another instance, unless one waits; it signs nothing yet."""
        authorities = await self._records.authorities()
        if waiting_issuer(authorities, owner, self._clock.now()) is None:
            await self._make_issuing(_root(authorities), owner)

    async def replace(self, authority: Authority) -> None:
        """It signs no more and is relied on no more; its owner's prepared one signs from now on.

        Its owner learns of it from the store. Whatever is left undone here, the lifecycle does next.
        """
        at = self._clock.now()
        waiting = waiting_issuer(await self._records.authorities(), authority.owner, at, unlike=authority.id)
        await self._move("tainted", authority.id, authority.state, AuthorityState.TAINTED)
        if authority.state is AuthorityState.ACTIVE and waiting is not None:
            await self._move("activated", waiting.id, AuthorityState.PREPARED, AuthorityState.ACTIVE)
        await self.settle()

    async def _take(self, step: Step, authorities: Sequence[Authority]) -> bool:
        match step:
            case MakeRoot():
                return await self._make_root()
            case Prepare(AuthorityKind.ISSUING):
                return await self._make_issuing(_root(authorities), self._instance.name)
            case Prepare():
                return await self._make_jwt(_root(authorities))
            case Activate(successor, replaced):
                return await self._activate(successor, replaced)
            case Retire(authority, state):
                return await self._move("retired", authority, state, AuthorityState.RETIRED)

    async def _make_root(self) -> bool:
        at = self._clock.now()
        if not await self._records.take_lease(ROOT_LEASE, self._instance.name.name, at + LEASE_LIFE, at):
            return False
        if any(each.kind is AuthorityKind.ROOT for each in await self._records.authorities()):
            return True  # another replica made it before the lease was ours
        return await self._put_root(AuthorityState.ACTIVE)

    async def stage_root(self) -> None:
        """Make a root that nobody knows of, unless one waits. Who calls this holds the lease of the change of root."""
        known = await self._records.authorities()
        if not any((each.kind, each.state) == (AuthorityKind.ROOT, AuthorityState.STAGED) for each in known):
            await self._put_root(AuthorityState.STAGED)

    async def prepare_below(self, root: AuthorityId) -> None:
        """An issuing authority below that root for every instance that signs and has none; it signs nothing yet."""
        authorities = await self._records.authorities()
        above = next(each for each in authorities if each.id == root)
        for owner in owners_without(authorities, root, self._clock.now()):
            await self._make_issuing(above, owner)

    async def publish_root(self, root: AuthorityId) -> bool:
        """Into every bundle."""
        return await self._move("published", root, AuthorityState.STAGED, AuthorityState.PREPARED)

    async def probe_signer(self, key_id: str) -> Signer:
        """The authority that will sign here when the root of that key identifier takes over, for probes only."""
        authorities = await self._records.authorities()
        at = self._clock.now()
        for root in authorities:
            if root.state is AuthorityState.PREPARED and root.id.key_id == key_id:
                signer = await self._signer(prepared_below(authorities, self._instance.name, root.id, at))
                if signer is not None:
                    return signer
        raise Refused(
            code="no-root-to-probe",
            what=f"no root with key identifier {key_id!r:.60} is about to take over here",
            why="probes are made while a new root is published and has not signed yet",
            fix="nothing; the agent asks again when its bundle changes",
        )

    async def _put_root(self, state: AuthorityState) -> bool:
        at = self._clock.now()
        key, sealed = self._keys.make()
        body = root_body(self._instance.trust_domain, key.public_key, self._serial(), at, self._lifetimes.root)
        await self._intend("made", key.id, AuthorityKind.ROOT, at)
        der = body.der()
        certificate = confirm_authority(der, key.sign(der), issuer=None)
        root = Authority(
            id=key.id,
            kind=AuthorityKind.ROOT,
            state=state,
            trust_domain=self._instance.trust_domain,
            owner=None,
            public_key=key.public_key,
            certificate=certificate,
            parent=None,
            not_before=body.not_before,
            not_after=body.not_after,
        )
        return await self._keep(root, sealed)

    async def _make_issuing(self, root: Authority, owner: NodeName) -> bool:
        at = self._clock.now()
        root_key = self._keys.unseal(root.id, await self._records.sealed_key(root.id))
        key, sealed = self._keys.make()
        body = issuing_body(root, owner, key.public_key, self._serial(), at=at, lifetime=self._lifetimes.issuing)
        await self._intend("made", key.id, AuthorityKind.ISSUING, at)
        der = body.der()
        certificate = confirm_authority(der, root_key.sign(der), issuer=root.certificate)
        issuing = Authority(
            id=key.id,
            kind=AuthorityKind.ISSUING,
            state=AuthorityState.PREPARED,
            trust_domain=self._instance.trust_domain,
            owner=owner,
            public_key=key.public_key,
            certificate=certificate,
            parent=root.id,
            not_before=body.not_before,
            not_after=body.not_after,
        )
        return await self._keep(issuing, sealed)

    async def _make_jwt(self, root: Authority) -> bool:
        at = self._clock.now().replace(microsecond=0)
        key, sealed = self._keys.make()
        await self._intend("made", key.id, AuthorityKind.JWT, at)
        authority = Authority(
            id=key.id,
            kind=AuthorityKind.JWT,
            state=AuthorityState.PREPARED,
            trust_domain=self._instance.trust_domain,
            owner=self._instance.name,
            public_key=key.public_key,
            certificate=None,
            parent=None,
            not_before=at,
            not_after=min(at + self._lifetimes.jwt, root.not_after),
        )
        return await self._keep(authority, sealed)

    async def _keep(self, authority: Authority, sealed: bytes) -> bool:
        await self._records.put_authority(authority, sealed)
        at = self._clock.now()
        await self._records.append_audit([events.authority_outcome("made", authority.id.hex, done=True, at=at)], at)
        self._log.info("authority made", kind=authority.kind.value, id=str(authority.id))
        return True

    async def _activate(self, successor: AuthorityId, replaced: AuthorityId | None) -> bool:
        # Drained first: for an instant nobody is active in the store, and never two. This process signs on with the
        # old one meanwhile, and after a crash in between the successor is activated at once.
        if replaced is not None:
            await self._move("draining", replaced, AuthorityState.ACTIVE, AuthorityState.DRAINING)
        return await self._move("activated", successor, AuthorityState.PREPARED, AuthorityState.ACTIVE)

    async def _move(self, step: str, authority: AuthorityId, old: AuthorityState, new: AuthorityState) -> bool:
        at = self._clock.now()
        await self._records.append_audit([events.authority_step(step, authority.hex, at)], at)
        done = await self._records.move_authority(authority, old, new, at)
        await self._records.append_audit([events.authority_outcome(step, authority.hex, done=done, at=at)], at)
        self._log.info("authority moved", step=step, id=str(authority), done=done)
        return True  # if another was first, what is stored now says what comes next

    async def _intend(self, step: str, authority: AuthorityId, kind: AuthorityKind, at: datetime) -> None:
        owner = None if kind is AuthorityKind.ROOT else self._instance.name
        await self._records.append_audit([events.authority_intent(step, authority.hex, kind.value, owner, at)], at)

    def _serial(self) -> int:
        return serial_from(secrets.token_bytes(ENTROPY_BYTES))

    async def _stand_by(self, authorities: Sequence[Authority]) -> None:
        if root_in_use(authorities) is None:
            return
        name = self._instance.name
        x509 = await self._signer(active(authorities, name, AuthorityKind.ISSUING))
        jwt = await self._signer(active(authorities, name, AuthorityKind.JWT))
        bundle = bundle_of(authorities, self._instance.trust_domain, sequence_of(authorities))
        self._unsealed = {each.key.id: each.key for each in (x509, jwt) if each is not None}
        standing = Standing(x509, jwt, bundle)
        if standing != self.standing.value:
            self.standing.publish(standing)

    async def _signer(self, authority: Authority | None) -> Signer | None:
        if authority is None:
            return None
        key = self._unsealed.get(authority.id)
        if key is None:
            key = self._keys.unseal(authority.id, await self._records.sealed_key(authority.id))
        return Signer(authority, key)


def _root(authorities: Sequence[Authority]) -> Authority:
    root = root_in_use(authorities)
    if root is None:
        raise Broken(
            code="root-vanished",
            what="an authority is to be made below a root that is not there",
            why="the lifecycle prepares authorities only below an active root",
            fix="report this with: trustplane status --json",
        )
    return root


def _present(signer: Signer | None, instance: Instance, kind: str) -> Signer:
    if signer is None:
        raise _not_yet(instance, kind)
    return signer


def _not_yet(instance: Instance, what: str) -> Unavailable:
    return Unavailable(
        code="no-active-authority",
        what=f"server {instance.name} has no active {what}",
        why="it was started just now, its new key is not yet known to everyone, or the root has expired",
        fix="try another server or try again; trustplane server status says which it is",
        retry_after=timedelta(seconds=5),
    )
