"""Another organisation: its trust domain, its root, its bundle, and a trust repository that has to do with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.ca import TestCa
from tests.kit.clock import START
from tests.kit.repository import PAYMENTS, WEB, repository
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle, JwtAuthority
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.revoked import digest_of
from trustplane.trust.statement import Statement, sign

PARTNER = TrustDomain("partner.example")
ENDPOINT_ID = f"{PARTNER.id}/trustplane/server/server-1"

ACCEPTING = PAYMENTS + f"foreign_callers:\n  {PARTNER.id}/ns/billing/: {{operations: [charge]}}\n"
CALLING = WEB + f"foreign_calls:\n  {PARTNER.id}/ns/billing/sa/api: {{listen: 20302, endpoints: [192.0.2.7:20201]}}\n"


@dataclass(frozen=True)
class Partner:
    name: TrustDomain = PARTNER
    root: TestCa = field(default_factory=lambda: TestCa.root(PARTNER))

    @classmethod
    def named(cls, name: str) -> Partner:
        return cls(TrustDomain(name), TestCa.root(name))

    @property
    def fingerprint(self) -> str:
        return digest_of(self.root.certificate)

    def bundle(self, sequence: int | None = 1) -> Bundle:
        return Bundle(self.name, (self.root.certificate,), sequence=sequence)

    def document(self, sequence: int | None = 1) -> bytes:
        return bundle_document.encode(self.bundle(sequence))

    def terms(self, **changes: str) -> str:
        """The relation as a line of YAML."""
        found = {
            "endpoint": f"https://trust.{self.name}/bundle",
            "profile": "https_spiffe",
            "endpoint_id": f"{self.name.id}/trustplane/server/server-1",
            "accepts": "[/ns/billing/]",
        } | changes
        told = ", ".join(f"{key}: {value}" for key, value in found.items() if value)
        return f"  {self.name}: {{{told}}}\n"

    @property
    def bundle_path(self) -> str:
        return f"federation/{self.name}.json"


@dataclass(frozen=True)
class Speaker:
    """A partner that makes statements: its JWT key is in its bundle."""

    partner: Partner = field(default_factory=Partner)
    kid: str = "key-1"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def bundle(self, sequence: int = 1) -> Bundle:
        return replace(self.partner.bundle(sequence), jwt_authorities=(JwtAuthority(self.kid, self.key.public_key()),))

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def statement(self, held: Bundle, behind: int = 0, at: datetime = START) -> Statement:
        """That its participants hold this bundle, but for so many."""
        now = at.replace(microsecond=0)
        return Statement(
            by=self.partner.name,
            about=held.trust_domain,
            sequence=held.sequence or 0,
            digest=held.digest,
            x509_digest=held.x509_digest,
            behind=behind,
            issued_at=now,
            expires_at=now + timedelta(minutes=5),
        )

    def shows(self, held: Bundle, behind: int = 0, at: datetime = START) -> bytes:
        return sign(self.statement(held, behind, at), self.kid, self.sign)


def federated(*partners: Partner, domain: str = "", **changes: str | None) -> dict[str, bytes]:
    """A repository with relations to these, payments open to the first, and web calling into it."""
    terms = "".join(one.terms() for one in partners)
    files = repository(
        **{
            "trustdomain": f"trust_domain: acme.example\n{domain or 'federation:' + chr(10) + terms}",
            "shop__payments": ACCEPTING,
            "shop__web": CALLING,
            **changes,
        }
    )
    return {**files, **{one.bundle_path: one.document() for one in partners}}
