"""An expired node is let back in by its newest SVIDs, and by nothing older, forged, revoked or too late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from tests.kit.ca import TestCa
from tests.kit.sidecars import ACME, authority, keyed
from trustplane.fault import Refused
from trustplane.flows.issuing.readmit import GRACE, Claim, NodeEvidence
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, agent_id, default_id
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.trust.authority import AuthorityId
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedCertificate, RevokedId, RevokedIssuer

NODE = NodeName("node-a")
AGENT = agent_id(ACME, NODE)
EXPIRED = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOON = EXPIRED + timedelta(hours=5)
ISSUER = AuthorityId("ab" * 32)
CAUSE = Cause(Reason.KEY_COMPROMISE, "", "op", SOON)


class NoSite:
    def node_of_chain(self, chain: Sequence[bytes], at: datetime) -> tuple[NodeName, x509.Certificate]:
        del chain, at
        raise Refused(code="node-certificate-refused", what="not ours", why="no CA was named", fix="name one")


@dataclass
class Bench:
    ca: TestCa = field(default_factory=authority)
    issued: list[IssuedCertificate] = field(default_factory=list)
    revoked: Revocations = field(default_factory=Revocations)

    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        return [one for one in reversed(self.issued) if one.spiffe_id == spiffe_id][:limit]

    async def revocations(self) -> Revocations:
        return self.revoked

    def issue(self, spiffe_id: SpiffeId = AGENT, purpose: Purpose = Purpose.NODE, age: int = 0) -> X509Svid:
        not_after = EXPIRED - timedelta(hours=age)
        start = not_after - timedelta(hours=1)
        svid = keyed(self.ca, spiffe_id, not_before=start, not_after=not_after).svid
        record = IssuedCertificate(
            svid.serial, spiffe_id, purpose, NODE, "trustplane@1", ISSUER, start, not_after, not_after, start,
            svid.der()[0],
        )  # fmt: skip
        self.issued.append(record)
        return svid

    def claim(self, svid: X509Svid, at: datetime = SOON) -> Claim:
        return asyncio.run(NodeEvidence(ACME, NoSite(), self).claim(svid.der(), at))

    def refuses(self, svid: X509Svid, code: str = "readmission-refused", at: datetime = SOON) -> bool:
        with pytest.raises(Refused) as refused:
            self.claim(svid, at)
        assert code != "readmission-refused" or "trustplane server token create node-a" in refused.value.finding.fix
        return refused.value.code == code


def test_the_newest_svid_of_a_node_lets_it_back_in() -> None:
    bench = Bench()
    svid = bench.issue()
    claim = bench.claim(svid)
    assert (claim.node, claim.certificate) == (NODE, svid.leaf)
    assert claim.evidence == f"expired-svid:{svid.serial:x}"


def test_the_one_before_does_too_because_the_newest_may_not_have_arrived_and_no_older_one() -> None:
    bench = Bench()
    oldest, before, _newest = bench.issue(age=2), bench.issue(age=1), bench.issue()
    assert bench.claim(before).node == NODE
    assert bench.refuses(oldest)


def test_the_grace_ends() -> None:
    bench = Bench()
    svid = bench.issue()
    assert bench.claim(svid, EXPIRED + GRACE).node == NODE
    assert bench.refuses(svid, at=EXPIRED + GRACE + timedelta(seconds=1))


def test_a_certificate_that_was_never_recorded_is_refused_even_with_a_known_serial() -> None:
    bench = Bench()
    svid = bench.issue()
    forged = keyed(bench.ca, AGENT, serial=svid.serial, not_before=svid.not_before, not_after=svid.not_after).svid
    assert bench.refuses(forged)


@pytest.mark.parametrize(
    "revoked",
    [
        lambda svid: Revocations(
            certificates=(RevokedCertificate(svid.serial, AGENT, ISSUER, "00", svid.not_after, CAUSE),)
        ),
        lambda _svid: Revocations(ids=(RevokedId(AGENT, CAUSE),)),
        lambda _svid: Revocations(issuers=(RevokedIssuer(ISSUER, CAUSE),)),
    ],
)
def test_what_was_revoked_does_not_come_back(revoked: object) -> None:
    bench = Bench()
    svid = bench.issue()
    assert callable(revoked)
    bench.revoked = revoked(svid)
    assert bench.refuses(svid)


def test_a_workloads_svid_and_another_domains_are_no_node_svid() -> None:
    bench = Bench()
    web = bench.issue(default_id(ACME, ServiceName("shop", "web")), Purpose.WORKLOAD)
    assert bench.refuses(web, "node-certificate-refused")
    foreign = bench.issue(agent_id(TrustDomain("other.example"), NODE))
    assert bench.refuses(foreign, "node-certificate-refused")


def test_a_record_of_another_purpose_does_not_count() -> None:
    bench = Bench()
    svid = bench.issue()
    bench.issued = [replace(one, purpose=Purpose.WORKLOAD) for one in bench.issued]
    assert bench.refuses(svid)
