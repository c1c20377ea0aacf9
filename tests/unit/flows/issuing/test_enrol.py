"""A node is let in by evidence that counts once, stays the node it is, and is let in no more once banned."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_channel import CaIssuer, MemoryNodes
from tests.kit.node_line import NODE, Domain, away
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.issuing.enrol import MAX_TOKEN_LIFE, TOKEN_PREFIX, EnrolNodes
from trustplane.flows.issuing.issue import Issued
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.spiffe.names import NodeName

HOUR = timedelta(hours=1)
HERE = "10.0.0.7"


class Failing(CaIssuer):
    down: Fault | None = None

    async def issue_node(self, node: NodeName, csr_der: bytes, at: object) -> Issued | Fault:
        return self.down or await super().issue_node(node, csr_der, at)  # type: ignore[arg-type] # an instant


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.nodes = MemoryNodes()
        self.issuer = Failing(Domain())
        self.enrol = EnrolNodes(self.nodes, self.nodes, self.nodes, self.issuer, self.clock)

    async def token(self, life: timedelta = HOUR) -> str:
        return (await self.enrol.create_token(NODE, life, "ada")).text

    async def with_token(self, text: str) -> Issued:
        return await self.enrol.with_token(text, csr(), HERE)

    def journal(self) -> list[str]:
        return [json.loads(body)["event"] for body in self.nodes.journal]


def csr() -> bytes:
    return LeafKey.generate(KeyKind.P256).csr()


async def code_of(call: object) -> str:
    with pytest.raises(Fault) as caught:
        await call  # type: ignore[misc] # a coroutine
    return caught.value.code


def test_a_token_makes_its_node_and_is_spent_by_that() -> None:
    async def play() -> None:
        bench = Bench()
        text = await bench.token()
        issued = await bench.with_token(text)
        known = bench.nodes.known[NODE]
        assert (known.node, known.address, known.evidence) == (NODE, HERE, "join-token")
        assert (known.serial, known.expires_at) == (issued.serial, issued.not_after)
        assert await code_of(bench.with_token(text)) == "join-token-spent"

    asyncio.run(play())


def test_of_a_token_only_a_digest_is_kept_and_its_text_can_be_searched_for() -> None:
    async def play() -> None:
        bench = Bench()
        text = await bench.token()
        assert text.startswith(TOKEN_PREFIX)
        assert len(text) >= len(TOKEN_PREFIX) + 43
        assert text not in repr(bench.nodes.tokens)
        assert text.encode() not in b"".join(bench.nodes.journal)

    asyncio.run(play())


@pytest.mark.parametrize("life", [timedelta(0), timedelta(seconds=-1), MAX_TOKEN_LIFE + timedelta(seconds=1)])
def test_a_token_lives_neither_not_at_all_nor_for_long(life: timedelta) -> None:
    assert asyncio.run(code_of(Bench().token(life))) == "bad-token-life"


def test_an_expired_token_makes_nothing() -> None:
    async def play() -> None:
        bench = Bench()
        text = await bench.token()
        await bench.clock.advance(HOUR)
        assert await code_of(bench.with_token(text)) == "join-token-spent"
        assert bench.nodes.known == {}

    asyncio.run(play())


def test_a_crash_after_a_token_was_spent_costs_a_new_token_and_never_makes_two_nodes() -> None:
    async def play() -> None:
        bench = Bench()
        text = await bench.token()
        bench.issuer.down = away()
        with pytest.raises(Unavailable):
            await bench.with_token(text)
        bench.issuer.down = None
        assert await code_of(bench.with_token(text)) == "join-token-spent"
        await bench.with_token(await bench.token())
        assert len(bench.nodes.known) == 1

    asyncio.run(play())


def test_an_admission_is_on_record_before_anything_is_signed() -> None:
    async def play() -> None:
        bench = Bench()
        bench.issuer.down = away()
        with pytest.raises(Unavailable):
            await bench.with_token(await bench.token())
        assert bench.journal() == ["token-created", "node-admitted"]

    asyncio.run(play())


def test_a_renewal_keeps_what_the_node_was_let_in_by_and_when() -> None:
    async def play() -> None:
        bench = Bench()
        await bench.enrol.with_certificate(NODE, "x509pop:aa", csr(), HERE)
        first = bench.nodes.known[NODE]
        await bench.clock.advance(HOUR)
        issued = await bench.enrol.renew(NODE, csr(), "10.0.0.8")
        now = bench.nodes.known[NODE]
        assert (now.evidence, now.enrolled_at) == ("x509pop:aa", first.enrolled_at)
        assert (now.serial, now.address) == (issued.serial, "10.0.0.8")

    asyncio.run(play())


def test_a_node_that_never_enrolled_cannot_renew() -> None:
    bench = Bench()
    assert asyncio.run(code_of(bench.enrol.renew(NODE, csr(), HERE))) == "agent-unknown"


def test_a_banned_node_gets_nothing_by_any_evidence_and_stays_banned() -> None:
    async def play() -> None:
        bench = Bench()
        await bench.with_token(await bench.token())
        bench.nodes.ban(NODE)
        text = await bench.token()
        for call in (
            bench.with_token(text),
            bench.enrol.with_certificate(NODE, "x509pop:aa", csr(), HERE),
            bench.enrol.renew(NODE, csr(), HERE),
            bench.enrol.heard_from(NODE, HERE),
            bench.enrol.require(NODE),
        ):
            assert await code_of(call) == "agent-banned"
        assert bench.nodes.known[NODE].banned

    asyncio.run(play())


def test_a_ban_does_not_advise_what_cannot_help() -> None:
    async def play() -> None:
        bench = Bench()
        await bench.with_token(await bench.token())
        bench.nodes.ban(NODE)
        with pytest.raises(Refused) as caught:
            await bench.enrol.require(NODE)
        assert "token create" not in caught.value.finding.fix

    asyncio.run(play())


def test_a_node_is_written_again_only_when_it_speaks_from_elsewhere() -> None:
    async def play() -> None:
        bench = Bench()
        await bench.with_token(await bench.token())
        written = bench.journal()
        await bench.enrol.heard_from(NODE, HERE)
        assert bench.journal() == written
        await bench.enrol.heard_from(NODE, "10.0.0.9")
        assert bench.nodes.known[NODE].address == "10.0.0.9"
        assert bench.journal() == [*written, "node-admitted"]

    asyncio.run(play())
