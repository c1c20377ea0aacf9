"""Certificates for rehearsals: shaped by the candidate's profile as a server would, then broken in one respect.

The keys made here sign for nobody but the two proxies of a rehearsal and are gone with it.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from textwrap import wrap

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from trustplane.issuance.admit import Right, admit
from trustplane.issuance.ask import Ask
from trustplane.issuance.authority_shape import issuing_body, root_body
from trustplane.issuance.crl import confirm_crl, crl_body
from trustplane.issuance.csr import Csr
from trustplane.issuance.serial import ENTROPY_BYTES, serial_from
from trustplane.issuance.shape import leaf_body
from trustplane.issuance.tbs import Body, Extension, assemble, extension
from trustplane.keys.authority import AuthorityKey
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import Profile
from trustplane.registry.view import TrustedCrl
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.certificates import certificate_from_der, der_of, pem_of
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.trust.authority import Authority, AuthorityKind, AuthorityState
from trustplane.trust.revocation import Listed, Reason
from trustplane.xds.resources import Kind, Resource, typed

NODE = NodeName("rehearsal")
ROOT_LIFETIME, ISSUING_LIFETIME = timedelta(days=30), timedelta(days=7)
_SERVER_ONLY = extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
_CLIENT_ONLY = extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)

Breaking = Callable[[Body], Body]


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf, what stands behind it, and a key: nobody has promised that they fit."""

    certificates: tuple[x509.Certificate, ...]
    key_pkcs8: bytes = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    def without_issuer(self) -> Chain:
        return replace(self, certificates=self.certificates[:1])

    def with_key_of(self, other: Chain) -> Chain:
        return replace(self, key_pkcs8=other.key_pkcs8)

    def keyed(self) -> KeyedSvid:
        """Refused where a rule of X509-SVID is broken."""
        return KeyedSvid(X509Svid(self.certificates), self.key_pkcs8)

    def secret(self, name: str) -> Resource:
        """As `xds.secrets.leaf` would write it, if it took such a thing."""
        lines = wrap(b64encode(self.key_pkcs8).decode(), 64)
        key = "\n".join(("-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""))
        certificate = {
            "certificate_chain": {"inline_string": pem_of(self.certificates).decode()},
            "private_key": {"inline_string": key},
        }
        return Resource(Kind.SECRET, name, typed(Kind.SECRET.value, name=name, tls_certificate=certificate))


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuing authority of the rehearsal and its key."""

    authority: Authority
    certificate: x509.Certificate
    key: AuthorityKey

    def leaf(self, spiffe_id: SpiffeId, profile: Profile, at: datetime, *broken: Breaking) -> Chain:
        """What a server would issue by this profile at that instant, except for what `broken` changes."""
        key = LeafKey.generate(profile.key)
        ask = Ask(NODE, spiffe_id, Csr(key.csr()))
        body = leaf_body(admit(ask, Right(NODE, spiffe_id, profile)), self.authority, _serial(), at)
        for change in broken:
            body = change(body)
        return Chain((_signed(body, self.key), self.certificate), key.pkcs8())

    def crl(self, serials: Sequence[int], at: datetime, life: timedelta) -> TrustedCrl:
        lines = [Listed(serial, at, Reason.KEY_COMPROMISE) for serial in sorted(serials)]
        body = crl_body(self.authority, lines, 1, at, life)
        crl = confirm_crl(self.authority, body, self.key.sign(body), lines)
        return TrustedCrl(der_of(self.certificate), crl.der)


class Root:
    """A root authority for one rehearsal of a trust domain."""

    def __init__(self, trust_domain: TrustDomain, at: datetime) -> None:
        self._trust_domain = trust_domain
        key, serial = _authority_key(), _serial()
        body = root_body(trust_domain, key.public_key, serial, at, ROOT_LIFETIME)
        self.signer = self._signer(AuthorityKind.ROOT, body, key, key, None)
        self.bundle = Bundle(trust_domain, (self.signer.certificate,))

    def issuer(self, at: datetime, lifetime: timedelta = ISSUING_LIFETIME) -> Issuer:
        key = _authority_key()
        body = issuing_body(self.signer.authority, NODE, key.public_key, _serial(), at=at, lifetime=lifetime)
        return self._signer(AuthorityKind.ISSUING, body, key, self.signer.key, self.signer.authority)

    def _signer(
        self, kind: AuthorityKind, body: Body, key: AuthorityKey, signed_by: AuthorityKey, parent: Authority | None
    ) -> Issuer:
        certificate = _signed(body, signed_by)
        authority = Authority(
            id=key.id,
            kind=kind,
            state=AuthorityState.ACTIVE,
            trust_domain=self._trust_domain,
            owner=None if parent is None else NODE,
            public_key=key.public_key,
            certificate=certificate,
            parent=parent.id if parent else None,
            not_before=body.not_before,
            not_after=body.not_after,
        )
        return Issuer(authority, certificate, key)


def valid(not_before: datetime, not_after: datetime) -> Breaking:
    whole = not_before.replace(microsecond=0), not_after.replace(microsecond=0)
    return lambda body: replace(body, not_before=whole[0], not_after=whole[1])


def for_servers_only(body: Body) -> Body:
    return _with(body, _SERVER_ONLY)


def for_clients_only(body: Body) -> Body:
    return _with(body, _CLIENT_ONLY)


def _with(body: Body, changed: Extension) -> Body:
    return replace(body, extensions=[changed if one.oid == changed.oid else one for one in body.extensions])


def _signed(body: Body, key: AuthorityKey) -> x509.Certificate:
    der = body.der()
    return certificate_from_der(assemble(der, key.sign(der)))


def _serial() -> int:
    return serial_from(secrets.token_bytes(ENTROPY_BYTES))


def _authority_key() -> AuthorityKey:
    return AuthorityKey(ec.generate_private_key(ec.SECP256R1()))
