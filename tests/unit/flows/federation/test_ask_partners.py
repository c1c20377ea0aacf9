"""What comes of what partners show: stored when it passed every rule, and no partner in the way of another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.partner import PARTNER, Partner, Speaker, federated
from trustplane.fault import Unavailable
from trustplane.flows.federation.ask_partners import WHILE_CHANGING, AskPartners
from trustplane.flows.federation.ask_partners import Partner as Asked
from trustplane.registry.federation import Relation
from trustplane.registry.repository import read
from trustplane.rotation.root_change import Order, Phase, begun
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.store.store import Store
from trustplane.trust.authority import AuthorityId
from trustplane.trust.partner import Rule, Shown

ACME = TrustDomain("acme.example")
OURS = Bundle(ACME, (TestCa.root(ACME).certificate,), sequence=7)
THEM = Speaker()
BAD = Speaker(Partner.named("contractor.example"))
NONE = Unavailable(code="endpoint-without-statement", what="404", why="not there", fix="wait")
OFF = Unavailable(code="endpoint-unreachable", what="gone", why="down", fix="wait")
SECOND = timedelta(seconds=1)
TERMS = THEM.partner.terms() + BAD.partner.terms(accepts="[/ns/contracts/]")
RELATIONS = read(federated(THEM.partner, BAD.partner, domain=f"federation:\n{TERMS}")).federation


@dataclass
class Bench:
    store: Store
    clock: VirtualClock
    shows: dict[TrustDomain, bytes | Exception | asyncio.Event] = field(default_factory=dict)
    asked: list[TrustDomain] = field(default_factory=list)
    relations: Mapping[TrustDomain, Relation] = field(default_factory=lambda: RELATIONS)
    asking: AskPartners = field(init=False)

    def __post_init__(self) -> None:
        self.asking = AskPartners(self.store, self.partners, self.published, self, "server-1", self.clock)

    def partners(self) -> Mapping[TrustDomain, Asked]:
        held = {PARTNER: THEM.bundle(), BAD.partner.name: BAD.bundle()}
        return {name: Asked(one, held[name], held[name]) for name, one in self.relations.items()}

    async def published(self) -> Bundle:
        return OURS

    async def statement(self, relation: Relation, trusted: Bundle | None, about: TrustDomain) -> bytes:
        name = relation.trust_domain
        assert about == ACME
        assert trusted is not None
        self.asked.append(name)
        answer = self.shows.get(name, OFF)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            raise OFF
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask(self) -> Shown:
        shown = await self.asking.ask(PARTNER)
        assert shown is not None
        assert shown in await self.store.shown()
        return shown


def play(folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with await Store.open(f"sqlite:///{folder / 'trustplane.db'}", clock) as store:
            await scenario(Bench(store, clock))

    asyncio.run(main())


def failing(shown: Shown) -> str:
    return shown.failure.finding.code if shown.failure else ""


def test_a_statement_that_passes_every_rule_is_stored(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.shows[PARTNER] = THEM.shows(OURS, behind=1)
        shown = await bench.ask()
        assert shown.statement == THEM.statement(OURS, behind=1)
        assert (shown.rule, shown.failure) == (Rule.STATEMENT, None)

    play(tmp_path, scenario)


WRONG: list[tuple[bytes | Exception, str]] = [
    (BAD.shows(OURS), "statement-not-vouched-for"),
    (THEM.shows(replace(OURS, sequence=8)), "statement-of-unpublished-bundle"),
    (THEM.shows(replace(OURS, x509_authorities=())), "statement-of-other-content"),
    (THEM.shows(OURS, at=VirtualClock().now() - timedelta(hours=1)), "statement-not-fresh"),
    (THEM.shows(OURS, at=VirtualClock().now() - SECOND), "statement-went-back"),
    (THEM.shows(replace(OURS, sequence=6)), "statement-sequence-went-back"),
    (b"{}", "bad-statement"),
    (NONE, "endpoint-without-statement"),
    (OFF, "endpoint-unreachable"),
    (ValueError("nobody foresaw this"), "statement-broke-reader"),
]


def test_anything_else_leaves_what_was_shown_before(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.shows[PARTNER] = THEM.shows(OURS)
        before = await bench.ask()
        for document, code in WRONG:
            bench.shows[PARTNER] = document
            after = await bench.ask()
            assert (after.statement, after.rule, failing(after)) == (before.statement, Rule.STATEMENT, code)

    play(tmp_path, scenario)


def test_what_a_domain_that_never_made_one_turns_out_to_be(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        for answer, rule in (
            (OFF, Rule.UNKNOWN),  # who cannot be heard or verified may make some
            (BAD.shows(OURS), Rule.UNKNOWN),
            (NONE, Rule.TIME),
            (b"<html>", Rule.TIME),
            (Partner().document(), Rule.TIME),
            (THEM.shows(OURS), Rule.STATEMENT),
        ):
            bench.shows[PARTNER] = answer
            shown = await bench.ask()
            assert shown.rule is rule
            assert (shown.failure is None) == (rule is not Rule.UNKNOWN)

    play(tmp_path, scenario)


def test_a_partner_that_hangs_is_in_nobodys_way_and_a_change_of_root_makes_it_asked_often(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.shows |= {BAD.partner.name: asyncio.Event(), PARTNER: THEM.shows(OURS)}
        await bench.asking.settle()
        running = asyncio.ensure_future(bench.asking.run())
        await asyncio.wait_for(_until(lambda: bench.asked.count(PARTNER) == 1), 30)
        await bench.clock.advance(WHILE_CHANGING * 3)
        assert bench.asked.count(PARTNER) == 1, "nothing is changing"
        change = begun(1, AuthorityId("0" * 64), Order("ann", "yearly"), bench.clock.now())
        change = await bench.store.save_root_change(change)
        await bench.asking.settle()
        await asyncio.wait_for(_until(lambda: bench.asked.count(PARTNER) > 3, bench.clock), 30)
        assert bench.asked.count(BAD.partner.name) == 1
        await bench.store.save_root_change(replace(change, phase=Phase.DONE))
        running.cancel()

    play(tmp_path, scenario)


async def _until(holds: Callable[[], bool], clock: VirtualClock | None = None) -> None:
    while not holds():
        await asyncio.sleep(0.01)
        if clock is not None:
            await clock.advance(SECOND)


def test_what_a_domain_showed_is_dropped_with_the_relation(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.shows[PARTNER] = THEM.shows(OURS)
        await bench.ask()
        bench.relations = {}
        await bench.asking.settle()
        assert await bench.store.shown() == ()
        assert await bench.asking.ask(PARTNER) is None

    play(tmp_path, scenario)


def test_of_several_replicas_one_asks(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        at = bench.clock.now()
        await bench.store.take_lease(f"uptake/{PARTNER}", "server-2", at + timedelta(minutes=1), at)
        bench.shows[PARTNER] = THEM.shows(OURS)
        await bench.asking.settle()
        running = asyncio.ensure_future(bench.asking.run())
        await asyncio.wait_for(_until(lambda: BAD.partner.name in bench.asked), 30)
        await bench.clock.advance(SECOND)
        assert PARTNER not in bench.asked
        running.cancel()

    play(tmp_path, scenario)
