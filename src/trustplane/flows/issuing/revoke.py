"""Taking back a certificate, an identity or an issuing authority, by one command.

Intent, act, outcome: what is about to be revoked is in the audit log before it is revoked, and what follows from it is
pushed to every agent before the command ends. A workload whose certificate is revoked gets a new one at once; one
whose ID is revoked gets none until it is lifted. An authority is replaced first and cut off when nobody shows its
leaves any more (`replace_issuers`), or, when its key is in wrong hands, at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.issuing.keep_revocations import KeepRevocations, revoked_with
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedCertificate, RevokedId, RevokedIssuer

SHORTEST_PREFIX = 12  # digits of an authority's name, as `status` shows it


class Records(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def certificate(self, serial: int) -> IssuedCertificate | None: ...

    async def living_certificates_of(self, spiffe_id: SpiffeId) -> Sequence[IssuedCertificate]: ...

    async def put_revocations(self, wanted: Revocations) -> None: ...

    async def lift_id(self, spiffe_id: SpiffeId, at: datetime) -> bool: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class Replacing(Protocol):
    async def begin(self, authority: Authority, *, compromised: bool) -> None: ...

    async def cut_at_once(self, authority: AuthorityId) -> None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator says with it."""

    reason: Reason
    note: str
    by: str


class Revoke:
    def __init__(self, records: Records, keep: KeepRevocations, replacing: Replacing, clock: Clock) -> None:
        self._records = records
        self._keep = keep
        self._replacing = replacing
        self._clock = clock

    async def certificate(self, serial: int, order: Order) -> RevokedCertificate:
        found = await self._records.certificate(serial)
        if found is None:
            raise Refused(
                code="unknown-certificate",
                what=f"no certificate with serial number {serial:032x} was issued here",
                why="only what this trust domain issued can be revoked by its serial number",
                fix="take the serial from trustplane explain or `openssl x509 -noout -serial`; or revoke the ID",
            )
        self._check_revocable(found)
        known = self._keep.in_force.of_serial(serial)
        if known is None:
            known = RevokedCertificate(
                serial=serial,
                spiffe_id=found.spiffe_id,
                authority=found.authority,
                sha256=hashlib.sha256(found.leaf).hexdigest(),
                not_after=found.not_after,
                cause=self._cause(order),
            )
        await self._revoke(Revocations(certificates=(known,)), order)
        return known

    async def identity(self, spiffe_id: SpiffeId, order: Order) -> tuple[RevokedId, int]:
        """With how many certificates it had."""
        living = await self._records.living_certificates_of(spiffe_id)
        for one in living:
            self._check_revocable(one)
        known = self._keep.in_force.of_id(spiffe_id) or RevokedId(spiffe_id, self._cause(order))
        certificates = tuple(revoked_with(known, one) for one in living)
        await self._revoke(Revocations(certificates=certificates, ids=(known,)), order)
        return known, len(certificates)

    async def lift(self, spiffe_id: SpiffeId, by: str) -> None:
        """The ID may be issued to again. The certificates it had stay revoked."""
        at = self._clock.now()
        if self._keep.in_force.of_id(spiffe_id) is None:
            raise Refused(
                code="id-not-revoked",
                what=f"{spiffe_id} is not revoked",
                why="there is nothing to lift; a revoked certificate stays revoked until it expires",
                fix="trustplane revoke list shows what is revoked",
            )
        await self._records.append_audit([events.revocation_lifted(spiffe_id, by, at)], at)
        await self._records.lift_id(spiffe_id, at)
        await self._keep.settle()

    async def issuer(self, named: str, order: Order, *, compromised: bool) -> RevokedIssuer:
        authority = issuer_named(named, await self._records.authorities())
        known = self._keep.in_force.of_issuer(authority.id) or RevokedIssuer(authority.id, self._cause(order))
        await self._intend(Revocations(issuers=(known,)), order)
        # The successor before anything else: without one, nobody could issue from here on.
        await self._replacing.begin(authority, compromised=compromised)
        await self._put(Revocations(issuers=(known,)), order)
        if compromised and known.cut_at is None:
            await self._replacing.cut_at_once(authority.id)
        return self._keep.in_force.of_issuer(authority.id) or known

    async def _revoke(self, wanted: Revocations, order: Order) -> None:
        await self._intend(wanted, order)
        await self._put(wanted, order)

    async def _intend(self, wanted: Revocations, order: Order) -> None:
        await self._note("intent", wanted, order)

    async def _put(self, wanted: Revocations, order: Order) -> None:
        await self._records.put_revocations(wanted)
        await self._keep.settle()
        await self._note("outcome", wanted, order)

    async def _note(self, step: str, wanted: Revocations, order: Order) -> None:
        at = self._clock.now()
        body = events.revocation(step, _named(wanted), order.reason.value, order.note, order.by, at)
        await self._records.append_audit([body], at)

    def _cause(self, order: Order) -> Cause:
        return Cause(order.reason, order.note, order.by, self._clock.now())

    def _check_revocable(self, certificate: IssuedCertificate) -> None:
        require_workload(certificate)
        if self._clock.now() >= certificate.not_after:
            raise Refused(
                code="certificate-expired",
                what=f"certificate {certificate.serial:032x} expired at {certificate.not_after:%Y-%m-%d %H:%M:%S} UTC",
                why="nobody accepts it any more",
                fix=f"trustplane explain {certificate.spiffe_id} shows the ID's newest certificate",
            )


def require_workload(certificate: IssuedCertificate) -> None:
    if certificate.purpose is not Purpose.WORKLOAD:
        raise Refused(
            code="not-a-workload",
            what=f"{certificate.spiffe_id} is the identity of a {certificate.purpose.value}",
            why="an agent or server is cut off as a whole; its certificate alone would be renewed",
            fix=f"ban the node: POST /v1/agents/{certificate.node}/ban on the server's admin socket"
            if certificate.purpose is Purpose.NODE
            else "stop that server, and revoke its issuing authority: trustplane revoke issuer ID",
        )


def _named(wanted: Revocations) -> list[str]:
    return [
        *(f"certificate {one.serial:032x}" for one in wanted.certificates),
        *(f"id {one.spiffe_id}" for one in wanted.ids),
        *(f"issuer {one.authority.hex}" for one in wanted.issuers),
    ]


def issuer_named(named: str, authorities: Sequence[Authority]) -> Authority:
    found = [
        each
        for each in authorities
        if each.kind is AuthorityKind.ISSUING and each.id.hex.startswith(named) and len(named) >= SHORTEST_PREFIX
    ]
    if len(found) != 1 or found[0].state is AuthorityState.RETIRED:
        raise Refused(
            code="unknown-issuer",
            what=f"{named!r:.100} is not an issuing authority in use",
            why=f"it is named by its first {SHORTEST_PREFIX} digits or more, as trustplane status shows them",
            fix="trustplane status lists the authorities; a root is replaced by changing roots, not by revoking it",
        )
    return found[0]
