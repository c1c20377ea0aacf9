"""What this domain's issuer knows of certificates in records of failed handshakes, for whoever diagnoses them.

Serial numbers are what peers claim, so how many are looked up is bounded; an invented one is simply not there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from cryptography import x509

from trustplane.flows.clock_skew import Skew
from trustplane.handshake.issuer import Issuer, Leaf, serial_of
from trustplane.handshake.stored import Stored
from trustplane.issuance.record import IssuedCertificate
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId
from trustplane.trust.revocation import Revocations

MOST_LOOKED_UP = 200
_SERIAL = re.compile(r"[0-9a-f]{1,40}")

Whose = tuple[SpiffeId, NodeName]


class Records(Protocol):
    async def certificates_with(self, serials: Collection[int]) -> Sequence[IssuedCertificate]: ...

    async def recent_certificates(self, whose: Sequence[Whose]) -> Sequence[IssuedCertificate]: ...

    async def authorities(self) -> Sequence[Authority]: ...


class Trust(Protocol):
    def bundle(self) -> Bundle: ...


class Revoked(Protocol):
    in_force: Revocations


class Clocks(Protocol):
    def skews(self) -> Mapping[NodeName, Skew | None]: ...


class LookUpIssued:
    def __init__(self, records: Records, trust: Trust, revoked: Revoked, clocks: Clocks) -> None:
        self._records = records
        self._trust = trust
        self._revoked = revoked
        self._clocks = clocks

    async def about(self, failed: Sequence[Stored]) -> Issuer:
        authorities = {one.id: one for one in await self._records.authorities()}
        found = await self._claimed(failed)
        newest = await self._newest({(one.spiffe_id, one.node) for one in found.values()})
        bundle = self._trust.bundle()
        return Issuer(
            domain=bundle.trust_domain.name,
            leaves={serial: self._leaf(one, authorities, newest) for serial, one in found.items()},
            keys=frozenset(one.key_id for one in authorities),
            roots={bundle.digest: bundle.x509_authorities, bundle.x509_digest: bundle.x509_authorities},
            clocks={node.name: _ahead(skew) for node, skew in self._clocks.skews().items() if skew is not None},
        )

    async def _claimed(self, failed: Sequence[Stored]) -> dict[str, IssuedCertificate]:
        claimed = _serials(failed)
        numbers = {int(one, 16) for one in claimed}
        known = {one.serial: one for one in await self._records.certificates_with(numbers)} if numbers else {}
        return {one: known[int(one, 16)] for one in claimed if int(one, 16) in known}

    async def _newest(self, whose: set[Whose]) -> dict[Whose, IssuedCertificate]:
        found: dict[Whose, IssuedCertificate] = {}
        for one in await self._records.recent_certificates(sorted(whose)) if whose else ():
            found.setdefault((one.spiffe_id, one.node), one)
        return found

    def _leaf(
        self,
        one: IssuedCertificate,
        authorities: Mapping[AuthorityId, Authority],
        newest: Mapping[Whose, IssuedCertificate],
    ) -> Leaf:
        signer = authorities.get(one.authority)
        above = (signer.certificate,) if signer is not None and signer.certificate is not None else ()
        revoked = self._revoked.in_force.of_serial(one.serial)
        newer = newest.get((one.spiffe_id, one.node))
        return Leaf(
            chain=(x509.load_der_x509_certificate(one.leaf), *above),
            revoked_at=revoked.cause.at if revoked is not None else None,
            newer=newer.issued_at if newer is not None and newer.issued_at > one.issued_at else None,
        )


def _serials(failed: Iterable[Stored]) -> list[str]:
    """As records claim them, the newest first."""
    failures = (one.reported.failure for one in failed)
    claimed = (serial_of(claims.serial) for one in failures for claims in (one.theirs, one.ours))
    return [one for one in dict.fromkeys(claimed) if _SERIAL.fullmatch(one)][:MOST_LOOKED_UP]


def _ahead(skew: Skew) -> timedelta:
    """A skew is the server's clock less the node's."""
    return -skew.at_least if skew.offset > timedelta(0) else skew.at_least
