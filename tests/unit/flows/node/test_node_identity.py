"""A node earns its identity once, keeps it, renews it by itself, and says what it needs when it cannot."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, AGENT, NODE, Domain, Line, away, running
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.node_identity import Answer, KeepNodeIdentity
from trustplane.flows.node.node_link import SERVER_NOT_TRUSTED, NodeIdentity
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.registry.view import LeavingIssuer, NodeView, TrustedBundle, Withdrawn
from trustplane.rotation.leaving import signer_key_id
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.bundle_document import encode
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, agent_id
from trustplane.spiffe.x509_svid import KeyedSvid

SECOND = timedelta(seconds=1)
NOW = timedelta(0)


def spent() -> Refused:
    return Refused(code="join-token-spent", what="the token was used", why="once", fix="another")


class MemoryFile:
    def __init__(self) -> None:
        self.kept: NodeIdentity | None = None
        self.full = False

    def load(self) -> NodeIdentity | None:
        return self.kept

    def save(self, identity: NodeIdentity) -> None:
        if self.full:
            raise Unavailable(code="identity-not-saved", what="not written", why="disk full", fix="make room")
        self.kept = identity


class Bench:
    """A node, its file, and the doors it enrols and renews at."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.domain = Domain()
        self.line = Line(self.domain, self.clock)
        self.file = MemoryFile()
        self.evidence: list[Fault] = []  # what the next enrolments answer with
        self.enrolments = 0
        self.shown: list[NodeIdentity | None] = []  # the identities of before, at each of them
        self.enrolled_as = AGENT
        self.node = KeepNodeIdentity(AGENT, self.file, self._enrol, LeafKey.generate, self.clock)

    async def _enrol(self, csr: bytes, known: NodeIdentity | None) -> Answer:
        self.enrolments += 1
        self.shown.append(known)
        if self.evidence:
            raise self.evidence.pop(0)
        return self.line.node_identity(csr, self.enrolled_as)

    def keep(self, own: SpiffeId = AGENT) -> NodeIdentity:
        """An identity on the disk, earned just now."""
        key = LeafKey.generate(KeyKind.P256)
        svid, renew_at, document = self.line.node_identity(key.csr(), own)
        self.file.kept = NodeIdentity(KeyedSvid(svid, key.pkcs8()), renew_at, document)
        return self.file.kept

    async def obtained(self) -> NodeIdentity:
        obtaining = asyncio.create_task(self.node.obtain(Random(7)))
        await self.clock.advance(timedelta(minutes=10))
        return await obtaining

    def fault(self) -> str | None:
        return self.node.last_fault.code if self.node.last_fault else None

    def now(self) -> NodeIdentity:
        assert self.node.identity.value is not None
        return self.node.identity.value


def test_a_node_without_an_identity_enrols_and_keeps_what_it_earned() -> None:
    bench = Bench()
    earned = asyncio.run(bench.obtained())
    assert earned.keyed.svid.spiffe_id == AGENT
    assert bench.file.kept == earned == bench.now()


def test_a_restarted_node_uses_what_it_kept() -> None:
    bench = Bench()
    kept = bench.keep()
    assert asyncio.run(bench.obtained()) is kept
    assert bench.enrolments == 0


def test_enrolment_waits_for_a_server_however_long_that_takes() -> None:
    bench = Bench()
    bench.evidence = [away() for _ in range(5)]
    assert asyncio.run(bench.obtained()).keyed.svid.spiffe_id == AGENT
    assert bench.enrolments == 6


def test_refused_evidence_ends_the_enrolment_with_the_reason() -> None:
    bench = Bench()
    bench.evidence = [spent()]
    with pytest.raises(Refused) as caught:
        asyncio.run(bench.obtained())
    assert caught.value.code == "join-token-spent"


def test_an_expired_identity_and_spent_evidence_name_the_command_that_helps_and_wait_for_it() -> None:
    bench = Bench()
    expired = bench.keep()
    bench.evidence = [spent() for _ in range(99)]

    async def play() -> None:
        await bench.clock.advance(timedelta(hours=1))
        async with running(bench.node.run(bench.line.dial, Random(7))):
            await bench.clock.advance(timedelta(minutes=1))
            fault = bench.node.last_fault
            assert fault is not None
            assert [one.code for one in fault.findings] == ["node-identity-expired", "join-token-spent"]
            assert f"trustplane server token create {NODE}" in fault.finding.fix
            assert bench.shown == [expired] * bench.enrolments
            bench.evidence.clear()
            await bench.clock.advance(timedelta(seconds=31))
            assert bench.now().keyed.svid.serial != expired.keyed.svid.serial
            assert bench.fault() is None

    asyncio.run(play())


@pytest.mark.parametrize("kept", [False, True])
def test_the_identity_of_another_node_is_refused(kept: bool) -> None:  # noqa: FBT001 - where it comes from
    bench = Bench()
    other = agent_id(ACME, NodeName("node-b"))
    if kept:
        bench.keep(other)
    else:
        bench.enrolled_as = other
    with pytest.raises(Refused) as caught:
        asyncio.run(bench.obtained())
    assert caught.value.code == "identity-of-another-node"
    assert bench.node.identity.value is None


def test_a_full_disk_costs_no_identity_and_it_is_saved_once_there_is_room() -> None:
    async def play() -> None:
        bench = Bench()
        bench.file.full = True
        async with running(bench.node.run(bench.line.dial, Random(7))):
            await bench.clock.advance(SECOND)
            assert bench.now().keyed.svid.spiffe_id == AGENT
            assert bench.fault() == "identity-not-saved"
            bench.file.full = False
            await bench.clock.advance(timedelta(minutes=2))
            assert bench.file.kept == bench.now()
            assert bench.fault() is None
            assert bench.enrolments == 1

    asyncio.run(play())


def test_it_is_renewed_when_due_and_saved() -> None:
    async def play() -> None:
        bench = Bench()
        first = bench.keep()
        async with running(bench.node.run(bench.line.dial, Random(7))):
            await bench.clock.advance(bench.line.renew_after)
            assert bench.now().keyed.svid.serial != first.keyed.svid.serial
            assert bench.now().keyed.svid.leaf.public_key() != first.keyed.svid.leaf.public_key()
            assert bench.file.kept == bench.now()
            assert bench.enrolments == 0

    asyncio.run(play())


def test_while_the_link_is_down_it_is_tried_again_until_the_server_is_back() -> None:
    async def play() -> None:
        bench = Bench()
        first = bench.keep()
        bench.line.down = away()
        async with running(bench.node.run(bench.line.dial, Random(7))):
            await bench.clock.advance(bench.line.renew_after + timedelta(minutes=1))
            assert bench.now() is first
            assert bench.fault() == "server-away"
            bench.line.down = None
            await bench.clock.advance(timedelta(seconds=31))
            assert bench.now() is not first
            assert bench.fault() is None

    asyncio.run(play())


def test_one_that_expired_while_no_server_answered_is_earned_anew_as_soon_as_new_evidence_is_there() -> None:
    async def play() -> None:
        bench = Bench()
        first = bench.keep()
        bench.line.down = away()
        bench.evidence = [spent() for _ in range(99)]
        async with running(bench.node.run(bench.line.dial, Random(7))):
            await bench.clock.advance(bench.line.life + timedelta(seconds=31))
            assert bench.fault() == "node-identity-expired"
            bench.evidence.clear()
            await bench.clock.advance(timedelta(seconds=31))
            assert bench.now().keyed.svid.not_after > first.keyed.svid.not_after

    asyncio.run(play())


def no_root_known() -> Unavailable:
    return Unavailable(code=SERVER_NOT_TRUSTED, what="not trusted", why="another root", fix="look")


def test_who_slept_through_a_change_of_root_says_what_helps_and_comes_back_by_new_evidence() -> None:
    async def play() -> None:
        bench = Bench()
        first = bench.keep()
        bench.evidence = [no_root_known(), spent()]
        async with running(bench.node.run(bench.line.dial, Random(7))):
            for told in (["node-left-behind", SERVER_NOT_TRUSTED], ["node-left-behind", "join-token-spent"]):
                bench.node.know_no_server()
                await bench.clock.advance(timedelta(seconds=31))
                fault = bench.node.last_fault
                assert fault is not None
                assert [one.code for one in fault.findings] == told
                assert bench.now() is first
            bench.node.know_no_server()
            await bench.clock.advance(timedelta(seconds=31))
            assert bench.now().keyed.svid.serial != first.keyed.svid.serial
            assert bench.fault() is None

    asyncio.run(play())


def test_each_time_no_server_is_known_costs_one_enrolment() -> None:
    async def play() -> None:
        bench = Bench()
        bench.keep()
        bench.evidence = [away() for _ in range(9)]
        async with running(bench.node.run(bench.line.dial, Random(7))):
            bench.node.know_no_server()
            await bench.clock.advance(timedelta(minutes=2))
            assert bench.enrolments == 1

    asyncio.run(play())


def test_a_server_whose_clock_is_behind_is_not_asked_without_pause() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.renew_after = timedelta(minutes=-1)
        async with running(bench.node.run(bench.line.dial, Random(7))):
            await bench.clock.advance(timedelta(minutes=1))
            assert bench.line.node_renewals <= 2

    asyncio.run(play())


def test_the_newest_bundle_is_kept_unless_no_server_could_be_known_by_it() -> None:
    async def play() -> None:
        bench = Bench()
        views: Feed[NodeView | None] = Feed(None)
        first = bench.keep()
        await bench.node.obtain(Random(7))

        async def told(document: bytes) -> bytes:
            views.publish(NodeView(1, (), (), (TrustedBundle(ACME, document, "x"),)))
            await bench.clock.advance(NOW)
            assert bench.file.kept is not None
            assert bench.file.kept == bench.now()
            return bench.now().bundle_document

        async with running(bench.node.remember(views)):
            newest = encode(bench.domain.bundle(sequence=9))
            assert newest != first.bundle_document
            assert await told(newest) == newest
            assert await told(b"{") == newest
            assert await told(encode(Bundle(ACME, (), ()))) == newest

    asyncio.run(play())


def test_it_is_renewed_early_when_its_authority_leaves() -> None:
    async def play() -> None:
        bench = Bench()
        first = bench.keep()
        views: Feed[NodeView | None] = Feed(None)
        async with running(bench.node.run(bench.line.dial, Random(7))), running(bench.node.remember(views)):
            await bench.clock.advance(SECOND)
            leaving = LeavingIssuer(signer_key_id(first.keyed.svid), bench.clock.now(), 2 * SECOND)
            bench.line.domain.issuing = bench.line.domain.root.intermediate()
            views.publish(NodeView(1, (), (), (), Withdrawn(leaving=(leaving,))))
            await bench.clock.advance(2 * SECOND)
            assert bench.line.node_renewals == 1
            assert bench.now() is not first

    asyncio.run(play())
