"""What the issuer knows of the certificates in records, from what is stored to the command's side of the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.ca import TestCa
from tests.kit.handshakes import AT, refused
from tests.kit.issuing_ports import MemoryAuthority
from trustplane.flows.clock_skew import Skew
from trustplane.flows.records.look_up_issued import MOST_LOOKED_UP, LookUpIssued
from trustplane.handshake.failure import Claims
from trustplane.handshake.issuer import Issuer
from trustplane.handshake.stored import Stored, stored
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedCertificate
from trustplane.wire.http_issuer import IssuerShape, issuer_of, issuer_shape

ACME = TrustDomain("acme.example")
WEB = SpiffeId.parse("spiffe://acme.example/web")
EAST, WEST = NodeName("east"), NodeName("west")
AUTHORITY = MemoryAuthority.at()
LEAF, _ = TestCa.root(ACME).leaf("/web")


def issued(serial: int, at: timedelta = timedelta(0)) -> IssuedCertificate:
    return IssuedCertificate(
        serial, WEB, Purpose.WORKLOAD, EAST, "standard@1", AUTHORITY.issuing.id, AT, AT, AT, AT + at,
        LEAF.public_bytes(Encoding.DER),
    )  # fmt: skip


@dataclass
class Server:
    """What is asked, and counted; satisfies each of the flow's ports."""

    certificates: dict[int, IssuedCertificate] = field(default_factory=dict)
    in_force: Revocations = field(default_factory=Revocations)
    asked: list[int] = field(default_factory=list)

    async def certificates_with(self, serials: Collection[int]) -> Sequence[IssuedCertificate]:
        self.asked.append(len(serials))
        return [self.certificates[one] for one in serials if one in self.certificates]

    async def recent_certificates(self, whose: Sequence[tuple[SpiffeId, NodeName]]) -> Sequence[IssuedCertificate]:
        found = [one for one in self.certificates.values() if (one.spiffe_id, one.node) in whose]
        return sorted(found, key=lambda one: one.issued_at, reverse=True)

    async def authorities(self) -> Sequence[Authority]:
        return [AUTHORITY.root, AUTHORITY.issuing]

    def bundle(self) -> Bundle:
        assert AUTHORITY.root.certificate is not None
        return Bundle(ACME, (AUTHORITY.root.certificate,))

    def skews(self) -> Mapping[NodeName, Skew | None]:
        behind = Skew(timedelta(seconds=60), timedelta(seconds=1), AT)
        return {EAST: behind, WEST: None}


def record(serial: str) -> Stored:
    return stored(WEST, replace(refused(), failure=replace(refused().failure, theirs=Claims(str(WEB), serial))))


def about(server: Server, *serials: str) -> Issuer:
    found = asyncio.run(LookUpIssued(server, server, server, server).about([record(one) for one in serials]))
    told = msgspec.json.decode(msgspec.json.encode(issuer_shape(found)), type=IssuerShape)
    assert issuer_of(told) == found, "the command is told all of it"
    return found


def test_a_serial_number_finds_its_chain_its_successor_and_its_revocation() -> None:
    server = Server({0xA0B: issued(0xA0B), 0xC: issued(0xC, timedelta(minutes=5))})
    cause = Cause(Reason.KEY_COMPROMISE, "", "ann", AT)
    server.in_force = Revocations((RevokedCertificate(0xA0B, WEB, AUTHORITY.issuing.id, "ab" * 32, AT, cause),))
    found = about(server, "0A:0B")
    assert found.leaves.keys() == {"a0b"}
    leaf = found.leaves["a0b"]
    assert leaf.chain == (LEAF, AUTHORITY.issuing.certificate)
    assert (leaf.newer, leaf.revoked_at) == (AT + timedelta(minutes=5), AT)
    assert about(server, "c").leaves["c"].newer is None


def test_authorities_roots_and_clocks_are_known_without_any_certificate() -> None:
    found = about(Server(), "77")
    assert (found.domain, found.leaves) == ("acme.example", {})
    assert found.keys == {AUTHORITY.root.id.hex[:40], AUTHORITY.issuing.id.hex[:40]}
    assert set(found.roots) == {Server().bundle().digest, Server().bundle().x509_digest}
    assert found.clocks == {"east": timedelta(seconds=-59)}, "what is not measured is not known"


def test_what_strangers_claim_is_looked_up_at_once_within_a_bound() -> None:
    server = Server()
    about(server, *(f"{number:x}" for number in range(1, MOST_LOOKED_UP + 50)), "no number", "f" * 41, "-1", "")
    assert server.asked == [MOST_LOOKED_UP]
    about(server)
    assert server.asked == [MOST_LOOKED_UP], "without a serial number nobody is asked"
