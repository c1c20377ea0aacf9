"""Class 15: a bad rule, a refusal, a server that is away, a beginning without rules, an old proxy: nothing is open.

What was enforced before goes on to be enforced, on open connections and on new ones; where nothing was, nobody gets in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from google.protobuf.message import Message

from tests.kit.envoy_bench import DESCRIPTOR_CACHE, EnvoyBench
from tests.kit.policy_bench import ENDED, Line, Standing, acme_book, document_of, http, standing, tls_as
from tests.kit.tmp_folder import short_folder
from tests.kit.tree import ROOT
from trustplane.fault import Broken, Refused
from trustplane.host.envoy import find_envoy
from trustplane.main.envoy_bench import LOOPBACK, Member
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.xds_messages import XdsMessages
from trustplane.xds.guards import published
from trustplane.xds.resources import Kind, Offer, Resource

CEDAR = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
TIGHTER = '@id("web") permit (principal == Service::"shop/web", action == Action::"refund", resource);'
WEB, CHECKOUT = (f"spiffe://acme.example/ns/shop/sa/{name}" for name in ("web", "checkout"))
CHARGE = http("POST", "/charge")
ROUTE = "route/inbound"
UNKNOWN_FIELD = b"\xfa\x3f\x01x"  # number 1023, one byte long: no build has it
Change = Callable[[Resource], Resource]


@pytest.fixture(scope="module")
def shop() -> Iterator[Standing]:
    with standing(acme_book(CEDAR)) as one:
        yield one


@asynccontextmanager
async def unchanged(shop: Standing) -> AsyncIterator[None]:
    """Over the open connections of before, and over new ones, the same verdicts before and after."""
    held = {caller: shop.line(caller) for caller in (WEB, CHECKOUT)}
    assert await verdicts(held) == {WEB: 200, CHECKOUT: 403}
    yield
    fresh = {caller: shop.line(caller) for caller in held}
    assert await verdicts(held) == await verdicts(fresh) == {WEB: 200, CHECKOUT: 403}
    for one in (*held.values(), *fresh.values()):
        one.close()


async def verdicts(lines: Mapping[str, Line]) -> dict[str, int]:
    return {caller: await line.ask(CHARGE) for caller, line in lines.items()}


def altered(offer: Offer, change: Change, kind: Kind = Kind.ROUTE) -> Offer:
    (one,) = offer.of(kind).values()
    return Offer((*(other for other in offer if other is not one), change(one)))


def with_policies(route: Resource, policies: object) -> Resource:
    host = dict(route.content["virtual_hosts"][0])  # type: ignore[index] # JSON of ours
    rules = {"@type": host["typed_per_filter_config"]["envoy.filters.http.rbac"]["@type"], "rbac": {"rules": policies}}
    host["typed_per_filter_config"] = {**host["typed_per_filter_config"], "envoy.filters.http.rbac": rules}
    return replace(route, content={**route.content, "virtual_hosts": [host]})


def refusal_of(bench: EnvoyBench, member: Member) -> str:
    """What its Envoy said against its rules."""
    found = bench.uptake.held.get((member.node, ROUTE))
    return found.refusal if found else ""


def one_bad_rule(route: Resource) -> Resource:
    """All may charge, says the first; the second is a pattern that no regular expression is."""
    anyone: object = [{"any": True}]
    policies = {
        "anyone": {"permissions": anyone, "principals": anyone},
        "bad": {"permissions": [{"url_path": {"path": {"safe_regex": {"regex": "("}}}}], "principals": anyone},
    }
    return with_policies(route, {"action": "ALLOW", "policies": policies})


def test_class_15_one_bad_rule_and_the_proxy_keeps_all_the_rules_of_before(shop: Standing) -> None:
    async def scenario() -> None:
        bench, node = shop.bench, shop.member.node
        async with unchanged(shop):
            bad = altered(bench.desired.sidecars[node].offer, one_bad_rule)
            bench.desired.publish(node, published(bad, bench.at))
            await bench.uptake.until(lambda: "missing )" in refusal_of(bench, shop.member))
            assert bench.uptake.held[node, ROUTE].held != bench.uptake.held[node, ROUTE].desired
        bench.publish(shop.member)
        await bench.settled(shop.member)

    shop.run(scenario())


def test_class_15_rules_that_are_absent_do_not_pass_the_guards(shop: Standing) -> None:
    offer = shop.bench.desired.sidecars[shop.member.node].offer
    for rules in ({}, {"action": "ALLOW"}, {"action": "DENY", "policies": {}}):
        with pytest.raises(Refused) as refusal:
            published(altered(offer, lambda route, rules=rules: with_policies(route, rules)), shop.bench.at)  # type: ignore[misc] # bound at once
        assert {one.code for one in refusal.value.findings} == {"xds-config-unsafe"}


def test_class_15_a_document_with_a_word_that_is_not_known_is_not_enforced_in_part(shop: Standing) -> None:
    async def scenario() -> None:
        async with unchanged(shop):
            document = document_of(shop.book).replace(b'"method"', b'"methods"')
            with pytest.raises(Broken) as fault:
                shop.bench.publish(replace(shop.member), policy=document)
            assert fault.value.finding.code == "policy-document-unreadable"

    shop.run(scenario())


def test_class_15_a_server_that_is_away_changes_no_verdict_and_what_came_meanwhile_binds_when_it_is_back(
    shop: Standing,
) -> None:
    async def scenario() -> None:
        bench = shop.bench
        async with unchanged(shop):
            await bench.stop_ads()
            async with unchanged(shop):
                pass
            line = shop.line(WEB)
            assert await line.ask(CHARGE) == 200
            bench.publish(shop.member, policy=document_of(acme_book(TIGHTER)))
            assert await line.ask(CHARGE) == 200
            await bench.start_ads()
            await bench.settled(shop.member)
            assert await line.ask(CHARGE) == 403
            line.close()
            await shop.push(shop.book)

    shop.run(scenario())


class Newer(XdsMessages):
    """As of a build that has a word more: whoever does not know it would be sent it all the same."""

    more = False

    def encoded(self, one: Resource) -> Message:
        found = super().encoded(one)
        if self.more and one.kind is Kind.ROUTE:
            copy = type(found)()
            copy.CopyFrom(found)
            copy.value += UNKNOWN_FIELD  # type: ignore[attr-defined] # a protobuf Any
            return copy
        return found


def test_class_15_a_word_that_the_proxy_does_not_know_is_refused_not_left_out(shop: Standing) -> None:
    async def scenario() -> None:
        bench = shop.bench
        messages = Newer(bench.descriptors)
        bench.messages, before = messages, bench.messages
        await bench.stop_ads()
        await bench.start_ads()
        await bench.settled(shop.member)
        async with unchanged(shop):
            messages.more = True
            bench.publish(shop.member, policy=document_of(acme_book(TIGHTER)))
            await bench.uptake.until(lambda: "unknown" in refusal_of(bench, shop.member))
        bench.messages = before
        await bench.stop_ads()
        await bench.start_ads()
        await shop.push(shop.book)

    shop.run(scenario())


async def knocked(bench: EnvoyBench, member: Member) -> int:
    line = Line(member.sidecar.ports.mesh, tls_as(bench, WEB))
    status = await line.ask(CHARGE)
    line.close()
    return status


def test_class_15_before_its_first_rules_a_proxy_takes_nobody_in() -> None:
    """First it knows nothing, then it is given a listener whose rules it must refuse, then the rules."""

    async def scenario() -> None:
        with short_folder() as folder:
            async with EnvoyBench(folder) as bench:
                member = bench.add("payments")
                member.sidecar = replace(member.sidecar, policy=document_of(acme_book(CEDAR)))
                good = published(bench.offer(member), bench.at)
                server = await asyncio.start_server(
                    lambda _, writer: writer.close(), LOOPBACK, member.sidecar.ports.app
                )
                await bench.start_envoy(member)
                assert await knocked(bench, member) == ENDED
                bench.desired.publish(member.node, published(altered(good.offer, one_bad_rule), bench.at))
                await bench.uptake.until(lambda: "missing )" in refusal_of(bench, member))
                assert await knocked(bench, member) in {ENDED, 403, 404}
                bench.publish(member)
                await bench.settled(member)
                line = Line(member.sidecar.ports.mesh, tls_as(bench, CHECKOUT))
                assert await line.ask(CHARGE) == 403
                line.close()
                server.close()
                assert member.served == []

    asyncio.run(scenario())


@pytest.mark.parametrize("build", ["1.36.2", "1.38.3"])
def test_class_15_an_old_envoy_is_given_nothing_and_lets_nobody_in(build: str) -> None:
    """Even by an agent that knows only the words of a newer one."""

    async def scenario() -> None:
        with short_folder() as folder:
            async with EnvoyBench(folder, ROOT / ".cache" / "envoy" / build / "envoy") as bench:
                bench.messages = XdsMessages(Descriptors.of(find_envoy(None), DESCRIPTOR_CACHE))
                await bench.stop_ads()
                await bench.start_ads()
                member = bench.add("payments")
                bench.publish(member, policy=document_of(acme_book(CEDAR)))
                await bench.start_envoy(member)
                thing = (member.node, "listener/inbound")
                await bench.uptake.until(lambda: thing in bench.uptake.held)
                assert "xds-proxy-too-old" in bench.uptake.held[thing].refusal
                assert await knocked(bench, member) == ENDED

    asyncio.run(scenario())
