"""Which node a certificate offered for enrolment stands for: one of the site's own, or an expired node SVID of ours.

A node whose SVID expired while no server could be reached is let back in by that SVID, proving that it holds its key,
for `GRACE` after expiry. Only the very certificates count that this trust domain recorded last for that node, byte for
byte: an older copy, a forgery by a stolen authority, a revoked or a banned node gets nothing (decisions/0131).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from trustplane.fault import Refused
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, agent_id, node_of
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.trust.revocation import Revocations

GRACE = timedelta(days=6)  # less than the week for which expired certificates are remembered
# The one before the newest too: the answer that brought the newest may never have reached its node.
NEWEST = 2


class SiteCertificates(Protocol):
    def node_of_chain(self, chain: Sequence[bytes], at: datetime) -> tuple[NodeName, x509.Certificate]: ...


class Certificates(Protocol):
    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        """The newest first."""
        ...

    async def revocations(self) -> Revocations: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """Not proved yet: possession of the certificate's key is for whoever holds the connection to check."""

    node: NodeName
    certificate: x509.Certificate
    evidence: str


class NodeEvidence:
    def __init__(self, trust_domain: TrustDomain, site: SiteCertificates, certificates: Certificates) -> None:
        self._trust_domain = trust_domain
        self._site = site
        self._certificates = certificates

    async def claim(self, chain: Sequence[bytes], at: datetime) -> Claim:
        offered = self._own_svid(chain)
        if offered is not None:
            await self._check(offered, at)
            return Claim(node_of(offered.spiffe_id), offered.leaf, f"expired-svid:{offered.serial:x}")
        node, certificate = self._site.node_of_chain(chain, at)
        return Claim(node, certificate, f"x509pop:{certificate.fingerprint(hashes.SHA256()).hex()}")

    def _own_svid(self, chain: Sequence[bytes]) -> X509Svid | None:
        """The chain as a node SVID of this trust domain; none when it is anything else."""
        try:
            svid = X509Svid.from_der(tuple(chain[:1]))
            return svid if agent_id(self._trust_domain, node_of(svid.spiffe_id)) == svid.spiffe_id else None
        except Refused:
            return None

    async def _check(self, offered: X509Svid, at: datetime) -> None:
        if at - offered.not_after > GRACE:
            raise _refused(offered, f"it expired more than {GRACE.days} days ago")
        known = await self._certificates.certificates_of(offered.spiffe_id, NEWEST)
        found = next((one for one in known if one.leaf == offered.der()[0]), None)
        if found is None or found.purpose is not Purpose.NODE:
            raise _refused(offered, "it is not the newest that was issued to this node")
        revocations = await self._certificates.revocations()
        if (
            any(one.serial == found.serial for one in revocations.certificates)
            or any(one.spiffe_id == found.spiffe_id for one in revocations.ids)
            or any(one.authority == found.authority for one in revocations.issuers)
        ):
            raise _refused(offered, "it, its node or its issuer was revoked")


def _refused(offered: X509Svid, why: str) -> Refused:
    node = node_of(offered.spiffe_id)
    return Refused(
        code="readmission-refused",
        what=f"node {node} is not let back in by its SVID {offered.serial:x}",
        why=why,
        fix=f"trustplane server token create {node}, and put the token where the agent's --join-token-file says",
    )
