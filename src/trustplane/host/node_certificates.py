"""Which certificates may enrol a node: those of the CAs the operator named, as the node their common name says.

X.509 proof of possession is for machines that already have a certificate, from a TPM's manufacturer or a site's own CA.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification

from trustplane.fault import Refused
from trustplane.spiffe.names import NodeName

MAX_CHAIN = 5
MAX_CERTIFICATE_BYTES = 16 * 1024
MAX_CA_FILE_BYTES = 1024 * 1024


class NodeCertificateCas:
    """No CA named: no certificate is accepted."""

    def __init__(self, cas: Sequence[x509.Certificate]) -> None:
        self._store = verification.Store(list(cas)) if cas else None

    @classmethod
    def from_file(cls, path: Path | None) -> NodeCertificateCas:
        if path is None:
            return cls(())
        try:
            with path.open("rb") as file:
                return cls(x509.load_pem_x509_certificates(file.read(MAX_CA_FILE_BYTES)))
        except (OSError, ValueError) as error:
            raise Refused(
                code="node-ca-unreadable",
                what=f"{path} is not a file of CA certificates",
                why=str(error),
                fix="name a PEM file with the certificates of the CAs whose certificates may enrol nodes",
            ) from None

    def node_of_chain(self, chain: Sequence[bytes], at: datetime) -> tuple[NodeName, x509.Certificate]:
        if self._store is None:
            raise _refuse("this server accepts no certificates for enrolment")
        if not 1 <= len(chain) <= MAX_CHAIN or any(len(one) > MAX_CERTIFICATE_BYTES for one in chain):
            raise _refuse(f"a chain has 1 to {MAX_CHAIN} certificates of at most {MAX_CERTIFICATE_BYTES} bytes")
        try:
            leaf, *intermediates = [x509.load_der_x509_certificate(one) for one in chain]
            # An operator's CA need not issue for TLS, so its leaves need not look like the web's.
            anything = verification.ExtensionPolicy.permit_all()
            verifier = (
                verification.PolicyBuilder()
                .store(self._store)
                .time(at.replace(tzinfo=None))
                .extension_policies(ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=anything)
                .build_client_verifier()
            )
            verifier.verify(leaf, intermediates)
            key, names = leaf.public_key(), leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        except (ValueError, UnsupportedAlgorithm, verification.VerificationError) as error:
            raise _refuse(f"the certificate is not accepted: {str(error)[:300]}") from None
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise _refuse("the certificate's key is neither ECDSA nor RSA")
        if len(names) != 1:
            raise _refuse(f"its subject has {len(names)} common names; the one there must be names the node")
        return NodeName(str(names[0].value)), leaf


def _refuse(why: str) -> Refused:
    return Refused(
        code="node-certificate-refused",
        what="the certificate offered cannot enrol a node",
        why=why,
        fix="give the server --node-certificates-ca, and the node a certificate of that CA with its name as CN",
    )
