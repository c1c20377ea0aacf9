"""A candidate in a real sidecar: it judges every request, those that are refused too, and refuses none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.kit.envoy_bench import EnvoyBench
from tests.kit.policy_bench import Line, acme_book, document_of, enforcing, http, tls_as
from trustplane.main.envoy_bench import Member
from trustplane.policy import document
from trustplane.policy.access import Access, Grant, Verdict
from trustplane.policy.tree import EVERYONE
from trustplane.policy.tree import Path as Pattern
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.verdict.decision import Trial
from trustplane.verdict.metadata import judged

ACME = TrustDomain("acme.example")
WEB, CHECKOUT = (SpiffeId(ACME, ("ns", "shop", "sa", name)) for name in ("web", "checkout"))
WEB_CHARGES = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
ALL_CHARGE = '@id("all") permit (principal is Service, action == Action::"charge", resource);'
NOT_CHECKOUT = '@id("never") forbid (principal == Service::"shop/checkout", action, resource);'
CHARGE = http("POST", "/charge")
LATER = datetime(2999, 1, 1, tzinfo=UTC)

Scenario = Callable[[EnvoyBench, Member, Mapping[SpiffeId, Line]], Awaitable[None]]


def run(folder: Path, enforced: str, scenario: Scenario) -> None:
    async def whole() -> None:
        async with enforcing(folder, acme_book(enforced)) as (bench, member):
            lines = {one: Line(member.sidecar.ports.mesh, tls_as(bench, one)) for one in (WEB, CHECKOUT)}
            await scenario(bench, member, lines)
            for line in lines.values():
                line.close()

    asyncio.run(whole())


async def judge_by(bench: EnvoyBench, member: Member, number: int, policy: bytes) -> str:
    tried = Tried(member.sidecar.service, policy)
    member.candidate = Candidate(f"{number}-0123abcd", LATER, (tried,))
    bench.publish(member)
    await bench.settled(member)
    return member.candidate.id


async def verdict(bench: EnvoyBench, caller: SpiffeId, path: str, status: int) -> Trial | None:
    def wanted(line: Mapping[str, object]) -> bool:
        return (line["path"], line["peer_id"], line["status"]) == (path, str(caller), status)

    line = await bench.logged("payments", wanted)
    found = judged(json.dumps(line["rbac"]))
    assert found
    return found.trial


def test_a_candidate_judges_open_connections_and_refuses_nobody(socket_dir: Path) -> None:
    """Once it lets fewer in, once it forbids, once it lets in who is refused; then it ends."""

    async def scenario(bench: EnvoyBench, member: Member, lines: Mapping[SpiffeId, Line]) -> None:
        assert await lines[CHECKOUT].ask(http("POST", "/charge")) == 200
        assert await verdict(bench, CHECKOUT, "/charge", 200) is None

        fewer = await judge_by(bench, member, 1, document_of(acme_book(WEB_CHARGES)))
        member.log.write_text("")
        assert await lines[CHECKOUT].ask(CHARGE) == 200
        assert await lines[WEB].ask(CHARGE) == 200
        assert await verdict(bench, CHECKOUT, "/charge", 200) == Trial(fewer, Verdict(allowed=False, rule=None))
        assert await verdict(bench, WEB, "/charge", 200) == Trial(fewer, Verdict(allowed=True, rule="web"))

        forbidding = await judge_by(bench, member, 2, document_of(acme_book(ALL_CHARGE + NOT_CHECKOUT)))
        member.log.write_text("")
        assert await lines[CHECKOUT].ask(CHARGE) == 200
        assert await verdict(bench, CHECKOUT, "/charge", 200) == Trial(forbidding, Verdict(allowed=False, rule="never"))

        bench.publish(member, policy=document_of(acme_book(WEB_CHARGES)))
        await bench.settled(member)
        wider = await judge_by(bench, member, 3, document_of(acme_book(ALL_CHARGE)))
        member.log.write_text("")
        assert await lines[CHECKOUT].ask(CHARGE) == 403
        assert await verdict(bench, CHECKOUT, "/charge", 403) == Trial(wider, Verdict(allowed=True, rule="all"))

        member.candidate = NO_CANDIDATE
        bench.publish(member)
        await bench.settled(member)
        member.log.write_text("")
        assert await lines[WEB].ask(CHARGE) == 200
        assert await verdict(bench, WEB, "/charge", 200) is None

    run(socket_dir, ALL_CHARGE, scenario)


def test_a_candidate_that_envoy_refuses_keeps_nothing_that_is_enforced_from_it(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench, member: Member, lines: Mapping[SpiffeId, Line]) -> None:
        too_long = Grant("long", EVERYONE, Pattern(tuple("abc" * 40 for _ in range(60))))
        tried = Tried(member.sidecar.service, document.encode(Access((), (too_long,))))
        member.candidate = Candidate("1-0123abcd", LATER, (tried,))
        bench.publish(member)
        thing = (member.node, "extension/candidate-permits")
        await bench.uptake.until(lambda: bool(bench.uptake.held[thing].refusal))
        assert bench.uptake.held[thing].held != member.candidate.known_as(tried)
        member.sidecar = replace(member.sidecar, policy=document_of(acme_book(WEB_CHARGES)))
        bench.publish(member)
        route = bench.desired.sidecars[member.node].offer
        version = next(one.known_as for one in route if one.name == "inbound" and one.kind.name == "ROUTE")
        await bench.uptake.until(lambda: bench.uptake.held[member.node, "route/inbound"].held == version)
        assert await lines[CHECKOUT].ask(CHARGE) == 403
        assert await lines[WEB].ask(CHARGE) == 200

    run(socket_dir, ALL_CHARGE, scenario)
