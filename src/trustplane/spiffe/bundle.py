"""Bundles: what one trust domain's SVIDs are verified against, and the set of them by domain.

A bundle without authorities is a valid value. It says that nothing of that domain may be believed any more (Trust
Domain and Bundle §4.1.3), which is not the same as having no bundle. Bundles of different domains are never merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509

from trustplane.fault import Refused
from trustplane.spiffe.certificates import der_of, extension, pem_of, read_whole
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.public_keys import PublicKey, spki, supported

MAX_AUTHORITIES = 100
MAX_KEY_ID_CHARACTERS = 256
MAX_SEQUENCE = 2**64 - 1
MAX_REFRESH_HINT = timedelta(days=3650)
DEFAULT_REFRESH_HINT = timedelta(minutes=5)  # Trust Domain and Bundle §6.1


def _refuse(what: str, why: str) -> Refused:
    return Refused(code="bad-bundle", what=what, why=why, fix="have the trust domain publish its bundle again")


@dataclass(frozen=True, slots=True)
class JwtAuthority:
    """A key that signs JWT-SVIDs, and the `kid` by which tokens name it."""

    kid: str
    public_key: PublicKey = field(hash=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.kid) <= MAX_KEY_ID_CHARACTERS or not self.kid.isprintable():
            raise _refuse(
                f"{self.kid!r:.300} is not a key ID",
                f"a JWT authority has a printable `kid` of 1 to {MAX_KEY_ID_CHARACTERS} characters (JWT-SVID §6.1)",
            )
        supported(self.public_key, f"the JWT authority {self.kid}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """The authorities of one trust domain, in the order they were published."""

    trust_domain: TrustDomain
    x509_authorities: tuple[x509.Certificate, ...]
    jwt_authorities: tuple[JwtAuthority, ...] = ()
    sequence: int | None = None
    refresh_hint: timedelta | None = None

    def __post_init__(self) -> None:
        self._check_counts()
        for certificate in self.x509_authorities:
            _check_authority(certificate)
        if self.sequence is not None and not 0 <= self.sequence <= MAX_SEQUENCE:
            raise _refuse(f"the bundle's sequence is {self.sequence}", "it is an unsigned number of 64 bits")
        hint = self.refresh_hint
        if hint is not None and (not timedelta(0) < hint <= MAX_REFRESH_HINT or hint.microseconds):
            raise _refuse(f"the bundle's refresh hint is {hint}", "it is whole seconds, from one to ten years")

    def _check_counts(self) -> None:
        count = len(self.x509_authorities) + len(self.jwt_authorities)
        if count > MAX_AUTHORITIES:
            raise _refuse(
                f"the bundle of {self.trust_domain} has {count} authorities",
                f"at most {MAX_AUTHORITIES} are held, so that a peer cannot make verifying slow",
            )
        if len(set(self.x509_authorities)) != len(self.x509_authorities):
            raise _refuse(f"the bundle of {self.trust_domain} holds a certificate twice", "each is listed once")
        if len({authority.kid for authority in self.jwt_authorities}) != len(self.jwt_authorities):
            raise _refuse(
                f"the bundle of {self.trust_domain} has two JWT keys with one `kid`",
                "a token names its key by `kid`, so each is used once",
            )

    @property
    def vouches_for_nothing(self) -> bool:
        """Everything of the domain is revoked: honour it, and tell the operator loudly."""
        return not self.x509_authorities and not self.jwt_authorities

    @property
    def digest(self) -> str:
        """Hex SHA-256 of domain and authorities: the same for the same trust, whatever the order or sequence."""
        x509_parts = [b"x509" + hashlib.sha256(der_of(each)).digest() for each in self.x509_authorities]
        jwt_parts = [
            b"jwt" + hashlib.sha256(each.kid.encode()).digest() + hashlib.sha256(spki(each.public_key)).digest()
            for each in self.jwt_authorities
        ]
        name = hashlib.sha256(self.trust_domain.name.encode()).digest()
        return hashlib.sha256(name + b"".join(sorted([*x509_parts, *jwt_parts]))).hexdigest()

    @property
    def x509_digest(self) -> str:
        """The digest of its X.509 part: a change of JWT keys leaves it as it is."""
        return Bundle(self.trust_domain, self.x509_authorities).digest

    def x509_pem(self) -> bytes:
        return pem_of(self.x509_authorities)

    def x509_der(self) -> bytes:
        """One after the other, as the Workload API sends them."""
        return b"".join(der_of(certificate) for certificate in self.x509_authorities)


def _check_authority(certificate: x509.Certificate) -> None:
    read_whole(certificate)
    subject = certificate.subject.rfc4514_string()
    supported(certificate.public_key(), f"the authority {subject!r:.200}")
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        raise _refuse(
            f"the bundle's certificate {subject!r:.200} is no certificate authority",
            "an X.509 authority has basic constraints with cA true (X509-SVID §6.1)",
        )


class BundleSet(Mapping[TrustDomain, Bundle]):
    """Bundles by trust domain. A domain's SVIDs are verified against its own bundle and no other."""

    __slots__ = ("_bundles",)

    def __init__(self, bundles: Mapping[TrustDomain, Bundle]) -> None:
        for trust_domain, bundle in bundles.items():
            if bundle.trust_domain != trust_domain:
                raise _refuse(
                    f"the bundle of {bundle.trust_domain} stands under the name {trust_domain}",
                    "a bundle speaks for its own trust domain (SPIFFE Federation §7.3)",
                )
        self._bundles = dict(bundles)

    @classmethod
    def of(cls, *bundles: Bundle) -> BundleSet:
        """Refuses two bundles of one domain: which of them is right is not decided here."""
        by_domain = {bundle.trust_domain: bundle for bundle in bundles}
        if len(by_domain) != len(bundles):
            raise _refuse("two bundles are of one trust domain", "bundles are never merged (SPIFFE Federation §7.3)")
        return cls(by_domain)

    def __getitem__(self, trust_domain: TrustDomain) -> Bundle:
        return self._bundles[trust_domain]

    def __iter__(self) -> Iterator[TrustDomain]:
        return iter(self._bundles)

    def __len__(self) -> int:
        return len(self._bundles)

    def __repr__(self) -> str:
        return f"BundleSet({', '.join(sorted(str(each) for each in self._bundles))})"
