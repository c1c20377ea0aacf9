"""What is revoked, kept in force: CRLs signed in time, every node told, and no blocked ID issued to.

Denied IDs and certificates go out whether or not a CRL can be signed. CRLs are signed anew at half of their life and
whenever their list changes; from then until they expire there is as much time again to notice that one was not.
Any replica may sign any authority's CRL; whoever is second to a number keeps to the first one's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Fault, Finding, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.issuing.signer import SigningKey
from trustplane.issuance.admit import Right
from trustplane.issuance.crl import confirm_crl, crl_body
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.view import DeniedCertificate, LeavingIssuer, TrustedCrl, Withdrawn
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.trust import revocation
from trustplane.trust.authority import Authority, AuthorityId, AuthorityState
from trustplane.trust.lifecycle import below_leaving_roots
from trustplane.trust.revocation import Revocations, RevokedCertificate, RevokedId, SignedCrl

INTERVAL = timedelta(seconds=30)
SHORTEST_WINDOW = timedelta(seconds=2)
A_LEAF = timedelta(milliseconds=10)  # of a server's time, a tenth of what it can do, so that others are served too
LATE = timedelta(minutes=5)  # after half of its life, a CRL that is not signed anew is worth waking somebody


class Records(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def sealed_key(self, authority: AuthorityId) -> bytes: ...

    async def revocations(self) -> Revocations: ...

    async def put_revocations(self, wanted: Revocations) -> None: ...

    async def prune_revocations(self, expired_before: datetime) -> int: ...

    async def living_certificates_of(self, spiffe_id: SpiffeId) -> Sequence[IssuedCertificate]: ...

    async def crls(self) -> Sequence[SignedCrl]: ...

    async def put_crl(self, crl: SignedCrl) -> bool: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class AuthorityKeys(Protocol):
    def unseal(self, authority: AuthorityId, sealed: bytes) -> SigningKey: ...


class Declared(Protocol):
    """What the applied trust repository says of leaves."""

    def longest_leaf(self) -> timedelta: ...

    def service_count(self) -> int: ...


class Rights(Protocol):
    def right(self, node: NodeName, spiffe_id: SpiffeId) -> Right | None: ...


class KeepRevocations:
    def __init__(self, records: Records, keys: AuthorityKeys, declared: Declared, clock: Clock) -> None:
        self._records = records
        self._keys = keys
        self._declared = declared
        self._clock = clock
        self._settling = asyncio.Lock()
        self._signed: tuple[SignedCrl, ...] = ()  # those in use: all, or none while none is needed
        self._fault: Fault | None = None
        self._log = structlog.get_logger("revocations")
        self.in_force = Revocations()
        self.withdrawn: Feed[Withdrawn] = Feed(Withdrawn())

    @property
    def crls(self) -> tuple[SignedCrl, ...]:
        return self._signed

    async def run(self) -> None:
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self.settle()
                # What expired just now is named for one more interval; nobody relies on it any more.
                await self._records.prune_revocations(self._clock.now() - INTERVAL)
            except (Unavailable, Refused) as fault:
                self._log.warning("revocations not looked after", code=fault.code, what=fault.finding.what)

    async def settle(self) -> None:
        """Bring everything in line with what is stored."""
        async with self._settling:  # else what was read first could be published last
            authorities = await self._records.authorities()
            self.in_force = (await self._with_late_comers()).alive(authorities, self._clock.now())
            try:
                await self._sign_due(authorities)
                self._fault = None
            except Fault as fault:
                self._log.error("CRL not signed", code=fault.code, what=fault.finding.what, fix=fault.finding.fix)
                self._fault = fault
            self._signed = await self._usable_crls(authorities)
            withdrawn = self._withdrawn(authorities)
            if withdrawn != self.withdrawn.value:
                self.withdrawn.publish(withdrawn)

    def findings(self) -> list[Finding]:
        """Why revocation is not as it should be; worth waking somebody, long before anything fails."""
        late = [one for one in self._signed if self._clock.now() >= one.refresh_at + LATE]
        found = list(self._fault.findings) if self._fault else []
        return [*found, *(_late(one) for one in late)]

    async def _with_late_comers(self) -> Revocations:
        """A certificate that was being signed while its ID was revoked is revoked with the others."""
        known = await self._records.revocations()
        serials = {one.serial for one in known.certificates}
        late = [
            revoked_with(each, one)
            for each in known.ids
            for one in await self._records.living_certificates_of(each.spiffe_id)
            if one.serial not in serials
        ]
        if late:
            await self._records.put_revocations(Revocations(certificates=tuple(late)))
            known = await self._records.revocations()
        return known

    async def _sign_due(self, authorities: Sequence[Authority]) -> None:
        known = {one.authority: one for one in await self._records.crls()}
        life = revocation.crl_life(self._declared.longest_leaf())
        at = self._clock.now()
        for authority in revocation.due(authorities, self.in_force, known, life, at):
            before = known.get(authority.id)
            await self._sign(authority, authorities, before.number + 1 if before else 1, life)

    async def _sign(self, authority: Authority, known: Sequence[Authority], number: int, life: timedelta) -> None:
        at = self._clock.now().replace(microsecond=0)
        lines = revocation.listing(authority, known, self.in_force)
        body = crl_body(authority, lines, number, at, life)
        digest = hashlib.sha256(body).digest()
        serials = [line.serial for line in lines]
        await self._records.append_audit([events.crl_intent(authority.id.hex, number, serials, digest, at)], at)
        key = self._keys.unseal(authority.id, await self._records.sealed_key(authority.id))
        crl = confirm_crl(authority, body, key.sign(body), lines)
        signed = SignedCrl(authority.id, number, at, crl.next_update, revocation.listing_digest(lines), crl.der)
        done = await self._records.put_crl(signed)
        await self._records.append_audit([events.crl_signed(authority.id.hex, number, at, done=done)], at)
        self._log.info("CRL signed", authority=str(authority.id), number=number, lists=len(lines), done=done)

    async def _usable_crls(self, authorities: Sequence[Authority]) -> tuple[SignedCrl, ...]:
        """One for each CA, or none: with some, proxies refuse chains with a CA that has none."""
        if not revocation.is_needed(authorities, self.in_force):
            return ()
        at = self._clock.now()
        known = {one.authority: one for one in await self._records.crls()}
        wanted = [each.id for each in revocation.signers(authorities) if at < each.not_after]
        usable = [known[each] for each in wanted if each in known and at < known[each].next_update]
        return tuple(usable) if len(usable) == len(wanted) else ()

    def _withdrawn(self, authorities: Sequence[Authority]) -> Withdrawn:
        by_id = {each.id: each for each in authorities}
        issuers = [(by_id[one.authority], one) for one in self.in_force.issuers]
        within = self.window()
        return Withdrawn(
            crls=tuple(sorted(TrustedCrl(_der(by_id[one.authority]), one.der) for one in self._signed)),
            ids=tuple(sorted(one.spiffe_id for one in self.in_force.ids)),
            certificates=tuple(
                sorted(DeniedCertificate(one.spiffe_id, one.sha256) for one in self.in_force.certificates)
            ),
            issuers=tuple(sorted(hashlib.sha256(_der(each)).hexdigest() for each, one in issuers if one.cut_at)),
            leaving=tuple(
                sorted(
                    {
                        *(
                            LeavingIssuer(each.id.key_id, one.cause.at, within)
                            for each, one in issuers
                            # Not while it signs: a leaf renewed now would be from it again.
                            if each.state is AuthorityState.TAINTED
                        ),
                        *(
                            LeavingIssuer(each.id.key_id, each.state_since or each.not_before, within)
                            for each in below_leaving_roots(authorities, self._clock.now())
                        ),
                    }
                )
            ),
        )

    def window(self) -> timedelta:
        return window_for(self._declared.service_count())


def window_for(services: int) -> timedelta:
    """Over how long the leaves of a leaving issuer come to be renewed."""
    return max(SHORTEST_WINDOW, services * A_LEAF)


class UnlessRevoked:
    """Rights, but none to a revoked ID."""

    def __init__(self, rights: Rights, revocations: KeepRevocations) -> None:
        self._rights = rights
        self._revocations = revocations

    def right(self, node: NodeName, spiffe_id: SpiffeId) -> Right | None:
        if revoked := self._revocations.in_force.of_id(spiffe_id):
            raise Refused(
                code="identity-revoked",
                what=f"{spiffe_id} is revoked and issued to nobody",
                why=_told(revoked),
                fix=f"once it is safe again: trustplane revoke lift id {spiffe_id}",
            )
        return self._rights.right(node, spiffe_id)


def revoked_with(revoked: RevokedId, certificate: IssuedCertificate) -> RevokedCertificate:
    """One of the certificates of a revoked ID."""
    return RevokedCertificate(
        serial=certificate.serial,
        spiffe_id=certificate.spiffe_id,
        authority=certificate.authority,
        sha256=hashlib.sha256(certificate.leaf).hexdigest(),
        not_after=certificate.not_after,
        cause=revoked.cause,
    )


def _told(revoked: RevokedId) -> str:
    cause = revoked.cause
    note = f": {cause.note}" if cause.note else ""
    return f"{cause.by} revoked it at {cause.at:%Y-%m-%d %H:%M:%S} UTC, reason {cause.reason.value}{note}"


def _der(authority: Authority) -> bytes:
    return authority.certificate.public_bytes(Encoding.DER) if authority.certificate else b""


def _late(crl: SignedCrl) -> Finding:
    return Finding(
        code="crl-late",
        what=f"the CRL of authority {crl.authority} was to be signed anew at {crl.refresh_at:%Y-%m-%d %H:%M:%S} UTC",
        why=f"it expires at {crl.next_update:%Y-%m-%d %H:%M:%S} UTC; agents drop all CRLs shortly before that",
        fix="look in the server's log for why CRLs are not signed",
    )
