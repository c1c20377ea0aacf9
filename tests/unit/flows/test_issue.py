"""Batches: each request its own answer, intent before the key, certificates before the answer."""

from __future__ import annotations

import asyncio
import json

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, NODE, NOON, WEB, MemoryRecords, RightsTable, authority_keys, leaf_key, profile
from trustplane.flows.issue import Issued, IssueX509, Request
from trustplane.flows.keep_authorities import Instance, KeepAuthorities
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.verify import verify_x509
from trustplane.trust.lifecycle import Lifetimes


async def a_server(records: MemoryRecords) -> KeepAuthorities:
    keep = KeepAuthorities(
        records, authority_keys(), Instance(ACME, NodeName("server-1")), Lifetimes(), VirtualClock(NOON)
    )
    await keep.start()
    return keep


def test_an_entitled_request_ends_in_an_svid_that_the_bundle_vouches_for() -> None:
    async def play() -> None:
        records = MemoryRecords()
        keep = await a_server(records)
        issue = IssueX509(records, keep.x509_signer, RightsTable.of(WEB), profile())
        (answer,) = await issue.issue(NODE, [Request(str(WEB), leaf_key().csr())], NOON)
        assert isinstance(answer, Issued)
        assert verify_x509(answer.svid, BundleSet.of(keep.bundle()), NOON) == WEB
        assert records.certificates[answer.serial].leaf == answer.chain[0]
        assert [json.loads(body)["event"] for body in records.bodies[-2:]] == ["x509-intent", "x509-outcome"]

    asyncio.run(play())
