"""Certificate revocation lists, as bytes to be signed by an authority's key, and seen to be signed (RFC 5280 §5).

The library writes them. It signs only with a key of its own kind, so it is given one that nobody keeps, and what it
would have signed is signed by the authority instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from trustplane.fault import Broken, Refused
from trustplane.issuance.tbs import assemble
from trustplane.spiffe.revoked import Crl
from trustplane.trust.authority import Authority
from trustplane.trust.revocation import Listed, Reason

# ThisUpdate lies back, so that a verifier whose clock is a little slow does not take the list for one of the future.
BACKDATE = timedelta(minutes=5)

# Its signature is thrown away; only the bytes under it are kept.
_THROWAWAY = ec.derive_private_key(1, ec.SECP256R1())


def crl_body(authority: Authority, lines: Sequence[Listed], number: int, at: datetime, life: timedelta) -> bytes:
    """TBSCertList. Extensions: which key signs it, and its number (RFC 5280 §5.2.1, §5.2.3)."""
    own_key_id = bytes.fromhex(authority.id.hex)[:20]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_certificate(authority).subject)
        .last_update((at - BACKDATE).replace(microsecond=0))
        .next_update((at + life).replace(microsecond=0))
        .add_extension(x509.AuthorityKeyIdentifier(own_key_id, None, None), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for line in lines:
        builder = builder.add_revoked_certificate(_line(line))
    return builder.sign(_THROWAWAY, hashes.SHA256()).tbs_certlist_bytes


def confirm_crl(authority: Authority, body: bytes, signature: bytes, lines: Sequence[Listed]) -> Crl:
    """Sign, then look: the CRL, its signature verified and its list the one that was meant."""
    try:
        crl = Crl(_certificate(authority), assemble(body, signature))
    except Refused as refused:
        raise _broken(authority, str(refused.finding.why)) from refused
    if crl.serials != {line.serial for line in lines}:
        raise _broken(authority, "it does not list what it was to list")
    return crl


def _line(line: Listed) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(line.serial).revocation_date(line.at.replace(microsecond=0))
    )
    if line.reason is not Reason.UNSPECIFIED:  # RFC 5280 §5.3.1: then the extension is left out
        builder = builder.add_extension(x509.CRLReason(line.reason.flag), critical=False)
    return builder.build()


def _certificate(authority: Authority) -> x509.Certificate:
    if authority.certificate is None:
        raise _broken(authority, "it has no certificate")
    return authority.certificate


def _broken(authority: Authority, why: str) -> Broken:
    return Broken(
        code="crl-not-confirmed",
        what=f"the CRL just made for authority {authority.id} is not used",
        why=why,
        fix="see whether the machine's memory is sound; the CRL before stays in use until it expires",
    )
