"""A policy on a real sidecar: presence, identities with several names, open connections, and generated requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.kit.envoy_bench import EnvoyBench
from tests.kit.policies import PAYMENTS, drawn_policies, drawn_request
from tests.kit.policy_bench import ENDED, Line, acme_book, document_of, enforcing, http, tls_as
from tests.kit.policy_verdicts import judged
from trustplane.fault import Refused
from trustplane.main.envoy_bench import Member
from trustplane.policy.book import Book
from trustplane.policy.comparison import access_to
from trustplane.policy.literals import MAX_LITERAL_BETWEEN_WILDCARDS, MAX_WILDCARDS
from trustplane.policy.oracle import Oracle
from trustplane.policy.tree import Request
from trustplane.spiffe.ids import SpiffeId, TrustDomain

ACME = TrustDomain("acme.example")
WEB, CHECKOUT = (SpiffeId(ACME, ("ns", "shop", "sa", name)) for name in ("web", "checkout"))
WEB_CHARGES = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
ALL_CHARGE = '@id("all") permit (principal is Service, action == Action::"charge", resource);'
CHARGE = http("POST", "/charge")


def test_class_14_a_policy_without_permits_lets_nobody_in(socket_dir: Path) -> None:
    async def scenario() -> None:
        nothing = acme_book('@id("no") forbid (principal, action == Action::"charge", resource);')
        async with enforcing(socket_dir, nothing) as (bench, member):
            line = Line(member.sidecar.ports.mesh, tls_as(bench, WEB))
            assert [await line.ask(http("PUT", "/x")), await line.ask(CHARGE)] == [403, 403]
            line.close()
            assert member.served == []
            logged = await bench.logged("payments", lambda one: one["path"] == "/charge")
            assert "matched_policy[no]" in str(logged["details"])

    asyncio.run(scenario())


def test_class_12_names_beside_the_spiffe_id_count_for_nothing(socket_dir: Path) -> None:
    """Envoy also compares DNS names with an identity, and takes any of several URIs."""

    async def scenario() -> None:
        async with enforcing(socket_dir, acme_book(WEB_CHARGES)) as (bench, member):
            port = member.sidecar.ports.mesh
            disguised = {
                "a DNS name": tls_as(bench, CHECKOUT, uris=[str(CHECKOUT)], dns=["spiffe.acme.example"]),
                "none at all": bench.client_tls(None),
                "another domain": tls_as(
                    bench, "spiffe://other.example/ns/shop/sa/web", uris=[str(WEB).replace("acme", "other")]
                ),
            }
            for who, tls in disguised.items():
                line = Line(port, tls)
                assert await line.ask(CHARGE) in {ENDED, 403}, who
                line.close()
            line = Line(port, tls_as(bench, WEB))
            assert await line.ask(CHARGE) == 200
            line.close()
            assert len(member.served) == 1

    asyncio.run(scenario())


def test_class_21_a_tightened_policy_binds_the_next_request_of_an_open_connection(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with enforcing(socket_dir, acme_book(ALL_CHARGE)) as (bench, member):
            line = Line(member.sidecar.ports.mesh, tls_as(bench, CHECKOUT))
            assert await line.ask(CHARGE) == 200
            await push(bench, member, acme_book(WEB_CHARGES))
            assert await line.ask(CHARGE) == 403
            await push(bench, member, acme_book(ALL_CHARGE))
            assert await line.ask(CHARGE) == 200
            line.close()

    asyncio.run(scenario())


def test_class_13_the_longest_pattern_that_is_accepted_is_one_that_envoy_takes(socket_dir: Path) -> None:
    parts = ("/" + "a" * 11, "b." * 6, "c+" * 6, "d" * 11, "e")
    pattern = "*".join(parts)
    assert sum(map(len, parts)) == MAX_LITERAL_BETWEEN_WILDCARDS
    assert len(parts) - 1 == MAX_WILDCARDS
    longest = acme_book(
        '@id("a") permit (principal == Service::"shop/web", action == Action::"any", resource)'
        f' when {{ context.path like "{pattern}" }};'
    )

    async def scenario() -> None:
        async with enforcing(socket_dir, longest) as (bench, member):
            line = Line(member.sidecar.ports.mesh, tls_as(bench, WEB))
            assert await line.ask(http("PUT", pattern.replace("*", "/x/"))) == 200
            assert await line.ask(http("PUT", pattern.replace("*", "/x/").replace(".", "y"))) == 403
            line.close()

    asyncio.run(scenario())


def test_class_18_a_range_of_ports_ends_where_it_says(socket_dir: Path) -> None:
    """Envoy leaves the last port of a range out. The mesh port is what counts, not the service's own."""

    async def scenario() -> None:
        async with enforcing(socket_dir, acme_book(WEB_CHARGES)) as (bench, member):
            port, own = member.sidecar.ports.mesh, member.sidecar.ports.app
            line = Line(port, tls_as(bench, WEB))
            for condition in (
                *(f"context.port == {one}" for one in (port - 1, port, port + 1, own)),
                *(f"context.port {sign} {port}" for sign in ("<", "<=", ">", ">=", "!=")),
                *(f"context.port < {port + 1} && context.port >= {one}" for one in (port, port + 1)),
            ):
                book = acme_book(WEB_CHARGES.replace(";", f" when {{ {condition} || context.port == 1 }};"))
                await push(bench, member, book)
                allowed = judged(book, Request(WEB, "POST", "/charge", port=port))
                assert await line.ask(CHARGE) == (200 if allowed else 403), condition
            line.close()

    asyncio.run(scenario())


async def push(bench: EnvoyBench, member: Member, book: Book) -> None:
    bench.publish(member, policy=document_of(book))
    await bench.settled(member)


@pytest.mark.parametrize(
    ("sets", "requests"),
    [pytest.param(6, 40), pytest.param(200, 50, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_cedar_our_tree_and_envoy_agree_about_generated_policies_and_requests(
    socket_dir: Path, sets: int, requests: int
) -> None:
    """Of the generated callers those that this mesh has: another domain's are refused in the handshake."""
    draw = Random(5)

    async def scenario() -> None:
        async with enforcing(socket_dir, acme_book(WEB_CHARGES)) as (bench, member):
            lines: dict[SpiffeId, Line] = {}
            verdicts: Counter[bool] = Counter()
            for _ in range(sets):
                book = drawn_book(draw)
                await push(bench, member, book)
                oracle = Oracle(book.state, book.state.services[PAYMENTS], book.policy_of(PAYMENTS).cedar)
                for request in drawn_requests(draw, member.sidecar.ports.mesh, requests):
                    if request.caller not in lines:
                        lines[request.caller] = Line(member.sidecar.ports.mesh, tls_as(bench, request.caller))
                    status = await lines[request.caller].ask(http(request.method, request.path, request.headers))
                    allowed = oracle.decide(request).allowed
                    shown = (book.policy_of(PAYMENTS).cedar, request)
                    assert access_to(book.state, PAYMENTS).decide(request).allowed is allowed, shown
                    assert status == (200 if allowed else 403), shown
                    verdicts[allowed] += 1
            for line in lines.values():
                line.close()
            assert verdicts.total() == sets * requests
            assert min(verdicts[True], verdicts[False]) > 0

    asyncio.run(scenario())


def drawn_book(draw: Random) -> Book:
    while True:
        try:
            return acme_book(drawn_policies(draw).replace("shop.example", "acme.example"))
        except Refused:
            continue  # a rule that never applies is refused, and another is drawn


def drawn_requests(draw: Random, port: int, count: int) -> list[Request]:
    found: list[Request] = []
    while len(found) < count:
        one = drawn_request(draw)
        if one.caller.trust_domain.name == "shop.example":
            found.append(Request(SpiffeId(ACME, one.caller.path), one.method, one.path, one.headers, port))
    return found
