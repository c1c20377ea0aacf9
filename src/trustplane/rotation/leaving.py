"""Leaves of an issuing authority that is being replaced are renewed before their time, spread over a window.

Which instant of the window is a hash of the serial number: a fleet comes evenly, and a leaf that is asked again gives
the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509

from trustplane.registry.view import LeavingIssuer
from trustplane.spiffe.x509_svid import X509Svid

_STEPS = 1 << 32


def brought_forward(svid: X509Svid, renew_at: datetime | None, leaving: Iterable[LeavingIssuer]) -> datetime | None:
    """When to renew instead; none stays none, which is at once."""
    issuer = next((one for one in leaving if one.key_id == signer_key_id(svid)), None)
    if issuer is None or renew_at is None:
        return renew_at
    return min(renew_at, turn(svid.serial, issuer))


def turn(serial: int, issuer: LeavingIssuer) -> datetime:
    """When the leaf of that serial number has its turn to be replaced."""
    share = int.from_bytes(hashlib.sha256(serial.to_bytes(20)).digest()[:4]) / _STEPS
    return issuer.since + issuer.within * share


def signer_key_id(svid: X509Svid) -> str:
    return signer_key_of(svid.leaf)


def signer_key_of(leaf: x509.Certificate) -> str:
    """Hex, empty when the leaf does not name its signer's key."""
    try:
        named = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    return named.hex() if named else ""
