"""The certificates of authorities, as bytes to be signed: a self-signed root, and issuing authorities below it.

An issuing authority has path length 0 and ends no later than its root. Both carry the trust domain's SPIFFE ID, which
has no path: a signing certificate names no workload (X509-SVID §3.2).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trustplane.fault import Broken
from trustplane.issuance.shape import key_id
from trustplane.issuance.tbs import Body, Extension, extension, name
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority

_ISSUES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
MAX_BACKDATE = timedelta(minutes=5)


def spki_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def backdate_of(lifetime: timedelta) -> timedelta:
    """How far NotBefore lies back, so that a verifier whose clock is a little slow accepts a new authority."""
    return min(MAX_BACKDATE, lifetime / 20)


def root_body(
    trust_domain: TrustDomain, key: ec.EllipticCurvePublicKey, serial: int, at: datetime, lifetime: timedelta
) -> Body:
    spki = spki_of(key)
    subject = _name(f"{trust_domain} root", serial)
    return Body(
        serial=serial,
        issuer=name(subject),
        not_before=(at - backdate_of(lifetime)).replace(microsecond=0),
        not_after=(at + lifetime).replace(microsecond=0),
        subject=name(subject),
        spki=spki,
        extensions=(
            *_signer_extensions(trust_domain, path_length=None),
            extension(x509.SubjectKeyIdentifier(key_id(spki)), critical=False),
        ),
    )


def issuing_body(
    root: Authority,
    owner: NodeName,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    *,
    at: datetime,
    lifetime: timedelta,
) -> Body:
    if root.certificate is None:
        raise Broken(
            code="root-without-certificate",
            what=f"authority {root.id} cannot sign an issuing authority",
            why="it has no certificate",
            fix="report this with the audit log around that authority's creation",
        )
    spki = spki_of(key)
    own_key_id = bytes.fromhex(root.id.hex)[:20]
    parent = x509.AuthorityKeyIdentifier(own_key_id, authority_cert_issuer=None, authority_cert_serial_number=None)
    return Body(
        serial=serial,
        issuer=name(root.certificate.subject),
        not_before=max((at - backdate_of(lifetime)).replace(microsecond=0), root.not_before),
        not_after=min((at + lifetime).replace(microsecond=0), root.not_after),
        subject=name(_name(f"{root.trust_domain} issuing {owner}", serial)),
        spki=spki,
        extensions=(
            *_signer_extensions(root.trust_domain, path_length=0),
            extension(x509.SubjectKeyIdentifier(key_id(spki)), critical=False),
            extension(parent, critical=False),
        ),
    )


def _name(common_name: str, serial: int) -> x509.Name:
    # The serial keeps two authorities of one owner apart for verifiers that find issuers by name. 64: X.520's bound.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, f"{serial:x}"),
        ]
    )


def _signer_extensions(trust_domain: TrustDomain, path_length: int | None) -> tuple[Extension, ...]:
    identity = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(trust_domain.id))])
    return (
        extension(identity, critical=False),
        extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True),
        extension(_ISSUES, critical=True),
    )
