"""The records of a fault as a server keeps those of its own mesh, and what its issuer then knows of them.

The agent adds what it had given the sidecar (its leaf's serial number, end and authority's key, the bundle's digest)
and what the peer's certificate says where the proxy saw one; the server looks up serial numbers among what it issued.
The issuer is the lab's: what was signed below the verifier's roots, for a name of its own domain, is its work, and
nothing else is. It is asked through the code that a server runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.fault_records import Seen, failure_of
from tests.kit.faults import NOW, Fault, Held, all_faults, mesh
from trustplane.flows.clock_skew import Skew
from trustplane.flows.records.look_up_issued import LookUpIssued
from trustplane.handshake.failure import Claims, Failure, Implementation, Side
from trustplane.handshake.issuer import Issuer
from trustplane.handshake.join import Pair
from trustplane.handshake.known import Known
from trustplane.handshake.reported import Held as Given
from trustplane.handshake.reported import Reported
from trustplane.handshake.state import signer_of, uris
from trustplane.handshake.stored import Stored, stored, to_diagnose
from trustplane.handshake.told import given, of_certificate
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.certificates import der_of, extension
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedCertificate

ACME = TrustDomain("acme.example")
SERVICES = {Side.CLIENT: ServiceName("shop", "web"), Side.SERVER: ServiceName("shop", "pay")}
NODES = {Side.CLIENT: NodeName("node-a"), Side.SERVER: NodeName("node-b")}
AGREES = Skew(timedelta(0), timedelta(milliseconds=1), NOW)


def is_kept(fault: Fault, seen: Seen) -> bool:
    """Only what a sidecar of this trust domain wrote reaches its server."""
    own = fault.client if seen.side is Side.CLIENT else fault.server
    return seen.by is Implementation.ENVOY and _domain(own) in {None, ACME}


def stored_of(fault: Fault, records: Sequence[Seen]) -> list[Stored]:
    return [stored(NODES[one.side], _reported(fault, one)) for one in records]


def pair_kept(fault: Fault, records: Sequence[Seen]) -> tuple[Pair, Known]:
    """What `trustplane diagnose --since` has of them."""
    kept = stored_of(fault, records)
    failures: dict[Side | None, Failure] = {one.reported.side: to_diagnose(one) for one in kept}
    issuer = asyncio.run(_asked(_server(fault.name), kept))
    return Pair(failures.get(Side.CLIENT), failures.get(Side.SERVER)), Known(at=NOW, issuer=issuer)


def _reported(fault: Fault, seen: Seen) -> Reported:
    client = seen.side is Side.CLIENT
    own, other = (fault.client, fault.server) if client else (fault.server, fault.client)
    service = Claims(f"spiffe://{ACME}/ns/shop/sa/{SERVICES[seen.side].name}")
    failure = failure_of(seen)
    theirs = of_certificate(failure.theirs, other.chain[0]) if seen.ends else failure.theirs
    by_agent = of_certificate(service, own.chain[0]) if own.chain else service
    held = Given(Bundle(ACME, own.roots).digest)
    return Reported(SERVICES[seen.side], replace(failure, theirs=theirs, ours=given(failure.ours, by_agent)), held)


async def _asked(server: _Server, kept: Sequence[Stored]) -> Issuer:
    return await LookUpIssued(server, server, server, server).about(kept)


@cache
def _server(fault: str) -> _Server:
    return _Server(next(one for one in all_faults() if one.name == fault))


class _Server:
    """Satisfies each of the look-up's ports."""

    def __init__(self, fault: Fault) -> None:
        sides = {Side.CLIENT: fault.client, Side.SERVER: fault.server}
        crls = fault.verifier.crls
        self._bundle = Bundle(ACME, fault.verifier.roots)
        roots = self._bundle.x509_authorities
        signers = [one for held in sides.values() for one in held.chain[1:] if _leads(one, held, roots)]
        self._authorities = [_authority(one) for one in dict.fromkeys((*roots, *_unsent(), *signers))]
        ours = ((side, held) for side, held in sides.items() if not held.plain and _is_ours(held, roots))
        self._issued = {held.chain[0].serial_number: _issued(held.chain, NODES[side]) for side, held in ours}
        listed = (one for one in self._issued.values() if any(_is_on(crl, one.serial) for crl in crls))
        self.in_force = Revocations(tuple(map(_revoked, listed)))

    def bundle(self) -> Bundle:
        return self._bundle

    async def certificates_with(self, serials: Collection[int]) -> Sequence[IssuedCertificate]:
        return [one for serial, one in self._issued.items() if serial in serials]

    async def recent_certificates(self, whose: Sequence[tuple[SpiffeId, NodeName]]) -> Sequence[IssuedCertificate]:
        return [one for one in self._issued.values() if (one.spiffe_id, one.node) in whose]

    async def authorities(self) -> Sequence[Authority]:
        return self._authorities

    def skews(self) -> Mapping[NodeName, Skew | None]:
        return dict.fromkeys(NODES.values(), AGREES)


def _is_on(crl: x509.CertificateRevocationList, serial: int) -> bool:
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def _is_ours(held: Held, roots: Sequence[x509.Certificate]) -> bool:
    return _domain(held) == ACME and _leads(held.chain[0], held, roots)


def _domain(held: Held) -> TrustDomain | None:
    named = uris(held.chain[0]) if held.chain else ()
    return SpiffeId.parse(named[0]).trust_domain if named else None


def _leads(certificate: x509.Certificate, held: Held, roots: Sequence[x509.Certificate]) -> bool:
    """By what the lab made, also where it is not sent along."""
    above = (*held.chain[1:], *_unsent(), *roots)
    for _ in above:
        if certificate in roots:
            return True
        signer = signer_of(certificate, above)
        if signer is None or signer == certificate:
            return False
        certificate = signer
    return False


def _unsent() -> Iterable[x509.Certificate]:
    return (mesh().issuing.certificate,)


def _issued(chain: Sequence[x509.Certificate], node: NodeName) -> IssuedCertificate:
    leaf = chain[0]
    signer = signer_of(leaf, (*chain[1:], *_unsent()))
    assert signer is not None
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return IssuedCertificate(
        leaf.serial_number, SpiffeId.parse(uris(leaf)[0]), Purpose.WORKLOAD, node, "standard@1", _id(signer),
        begins, ends, begins + (ends - begins) / 2, begins, der_of(leaf),
    )  # fmt: skip


def _revoked(one: IssuedCertificate) -> RevokedCertificate:
    cause = Cause(Reason.KEY_COMPROMISE, "", "ann", NOW - timedelta(hours=2))
    return RevokedCertificate(one.serial, one.spiffe_id, one.authority, "ab" * 32, one.not_after, cause)


def _id(certificate: x509.Certificate) -> AuthorityId:
    found = extension(certificate, x509.SubjectKeyIdentifier)
    assert found is not None
    return AuthorityId(found.value.digest.hex().ljust(64, "0"))


def _authority(certificate: x509.Certificate) -> Authority:
    is_root = certificate.subject == certificate.issuer
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return Authority(
        id=_id(certificate),
        kind=AuthorityKind.ROOT if is_root else AuthorityKind.ISSUING,
        state=AuthorityState.ACTIVE,
        trust_domain=ACME,
        owner=None,
        public_key=key,
        certificate=certificate,
        parent=None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )
