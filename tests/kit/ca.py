"""A test CA that can build any certificate, also a deliberately wrong one.

By default every certificate follows X509-SVID. Each extension can be replaced (`extension, critical`), left out
(`None`) or joined by others (`extra`), so that a test can break one rule and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trustplane.spiffe.ids import SpiffeId, TrustDomain

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
MaybeExtension = tuple[x509.ExtensionType, bool] | None

# Wide enough for tests that use the real clock and for those that pass an instant of their own.
VALID_FROM = datetime(2025, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2045, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Overrides(TypedDict, total=False):
    """What a certificate may have otherwise than X509-SVID asks; an extension of None is left out."""

    subject: x509.Name
    issuer: x509.Name
    key: PrivateKey
    serial: int
    not_before: datetime
    not_after: datetime
    hash: hashes.SHA256 | hashes.SHA384
    uris: Sequence[str]
    dns: Sequence[str]
    san: MaybeExtension
    san_critical: bool
    basic_constraints: MaybeExtension
    key_usage: MaybeExtension
    extended_key_usage: MaybeExtension
    subject_key_identifier: MaybeExtension
    authority_key_identifier: MaybeExtension
    extra: Sequence[tuple[x509.ExtensionType, bool]]


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def p384() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def rsa2048() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pkcs8(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


NO_NAME = x509.Name([])


def key_usage(*usages: str) -> x509.KeyUsage:
    """For example `key_usage("digital_signature", "crl_sign")`."""
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    if unknown := set(usages) - set(every):
        raise ValueError(unknown)
    return x509.KeyUsage(**{usage: usage in usages for usage in every})


CLIENT_AND_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def san(*uris: str, dns: Sequence[str] = ()) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
    return x509.SubjectAlternativeName([*names, *(x509.DNSName(each) for each in dns)])


@dataclass(frozen=True)
class TestCa:
    """A certificate authority for tests: `certificate`, its `key`, and the `chain` below the root."""

    __test__: ClassVar[bool] = False  # pytest would collect it by its name

    trust_domain: TrustDomain
    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def root(cls, trust_domain: TrustDomain | str, **overrides: Unpack[Overrides]) -> TestCa:
        """A self-signed root whose SPIFFE ID is the trust domain's."""
        domain = trust_domain if isinstance(trust_domain, TrustDomain) else TrustDomain(trust_domain)
        key = overrides.setdefault("key", p256())
        settings = _signer(domain, f"{domain} root", overrides)
        certificate = _build(settings, issuer=settings["subject"], issuer_key=key)
        return cls(domain, certificate, key)

    def intermediate(self, **overrides: Unpack[Overrides]) -> TestCa:
        key = overrides.setdefault("key", p256())
        settings = _signer(self.trust_domain, f"{self.trust_domain} issuing", overrides)
        certificate = _build(settings, issuer=self.certificate.subject, issuer_key=self.key)
        return TestCa(self.trust_domain, certificate, key, (certificate, *self.chain))

    def leaf(self, spiffe_id: SpiffeId | str, **overrides: Unpack[Overrides]) -> tuple[x509.Certificate, PrivateKey]:
        """A leaf for that ID (`/web` is short for that path in this CA's domain) and its key."""
        text = str(spiffe_id)
        uri = f"spiffe://{self.trust_domain}{text}" if text.startswith("/") else text
        key = overrides.setdefault("key", p256())
        overrides.setdefault("uris", (uri,))
        overrides.setdefault("subject", NO_NAME)
        overrides.setdefault("basic_constraints", (x509.BasicConstraints(ca=False, path_length=None), True))
        overrides.setdefault("key_usage", (key_usage("digital_signature"), True))
        overrides.setdefault("extended_key_usage", (CLIENT_AND_SERVER, False))
        certificate = _build(overrides, issuer=self.certificate.subject, issuer_key=self.key)
        return certificate, key

    def leaf_chain(
        self, spiffe_id: SpiffeId | str, **overrides: Unpack[Overrides]
    ) -> tuple[tuple[x509.Certificate, ...], PrivateKey]:
        """As `leaf`, with the intermediates a peer needs behind it."""
        certificate, key = self.leaf(spiffe_id, **overrides)
        return (certificate, *self.chain), key


def _signer(trust_domain: TrustDomain, common_name: str, overrides: Overrides) -> Overrides:
    overrides.setdefault("uris", (f"spiffe://{trust_domain}",))
    overrides.setdefault("subject", name(common_name))
    overrides.setdefault("basic_constraints", (x509.BasicConstraints(ca=True, path_length=None), True))
    overrides.setdefault("key_usage", (key_usage("key_cert_sign", "crl_sign"), True))
    overrides.setdefault("extended_key_usage", None)
    return overrides


def _build(settings: Overrides, issuer: x509.Name, issuer_key: PrivateKey) -> x509.Certificate:
    key = settings["key"]
    builder = x509.CertificateBuilder(
        issuer_name=settings.get("issuer", issuer),
        subject_name=settings["subject"],
        public_key=key.public_key(),
        serial_number=settings.get("serial", x509.random_serial_number()),
        not_valid_before=settings.get("not_before", VALID_FROM),
        not_valid_after=settings.get("not_after", VALID_UNTIL),
    )
    for extension in _extensions(settings, issuer_key):
        if extension is not None:
            builder = builder.add_extension(*extension)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else settings.get("hash", hashes.SHA256())
    return builder.sign(issuer_key, algorithm)


def _extensions(settings: Overrides, issuer_key: PrivateKey) -> list[MaybeExtension]:
    uris, dns = settings.get("uris", ()), settings.get("dns", ())
    critical = settings.get("san_critical", settings["subject"] == NO_NAME)
    names: MaybeExtension = (san(*uris, dns=dns), critical) if uris or dns else None
    subject_key = x509.SubjectKeyIdentifier.from_public_key(settings["key"].public_key())
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return [
        settings.get("san", names),
        settings.get("basic_constraints"),
        settings.get("key_usage"),
        settings.get("extended_key_usage"),
        settings.get("subject_key_identifier", (subject_key, False)),
        settings.get("authority_key_identifier", (authority_key, False)),
        *settings.get("extra", ()),
    ]
