"""Whether a node's certificate may still open the node channel after an issuing authority was cut off.

Agents keep the SVIDs they were given until they renew, so an authority that leaves must not lock them out. But whoever
stole its key can sign node SVIDs too. Of an authority that is cut off only the very certificates count that were
recorded when they were issued here, byte for byte; a thief's are in no record.
"""

from __future__ import annotations

from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from trustplane.fault import Refused
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.issuance.record import IssuedCertificate
from trustplane.rotation.leaving import signer_key_of


class Certificates(Protocol):
    async def certificate(self, serial: int) -> IssuedCertificate | None: ...


class VouchForNodes:
    def __init__(self, keep: KeepRevocations, certificates: Certificates) -> None:
        self._keep = keep
        self._certificates = certificates

    async def check(self, leaf_pem: bytes) -> None:
        """Refuses a certificate of a cut-off authority that was not issued here."""
        cut = {one.authority.key_id for one in self._keep.in_force.issuers if one.cut_at}
        if not cut:
            return
        leaf = x509.load_pem_x509_certificate(leaf_pem)
        if signer_key_of(leaf) not in cut:
            return
        known = await self._certificates.certificate(leaf.serial_number)
        if known is None or known.leaf != leaf.public_bytes(Encoding.DER):
            raise Refused(
                code="node-certificate-revoked",
                what=f"the certificate {leaf.serial_number:032x} opens no channel here",
                why="the authority that signed it is revoked, and this server has no record of having issued it",
                fix="if it is a real node, enrol it anew with trustplane server token create; otherwise find the thief",
            )
