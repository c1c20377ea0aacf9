from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from tests.contracts.store.records import (
    AGENT,
    HOLDING,
    HOUR,
    LEDGER_SERVICE,
    NODE,
    NOW,
    OTHER_NODE,
    TOKEN,
    WEB_SERVICE,
    code_of,
    opened,
)
from trustplane.registry.records import Hosting
from trustplane.registry.uptake import VIEW, Uptake, uptake
from trustplane.spiffe.names import NodeName

MOMENT = timedelta(microseconds=1)


async def test_a_token_is_redeemed_once(url: str) -> None:
    async with await opened(url) as store:
        await store.put_join_token(TOKEN)
        assert await store.redeem_join_token(TOKEN.token_sha256, NOW) == TOKEN
        assert await code_of(store.redeem_join_token(TOKEN.token_sha256, NOW)) == "join-token-spent"


async def test_of_fifty_racers_on_two_replicas_one_redeems_the_token(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        await one.put_join_token(TOKEN)
        racers = (
            code_of(store.redeem_join_token(TOKEN.token_sha256, NOW)) for store in (one, other) for _ in range(25)
        )
        assert Counter(await asyncio.gather(*racers)) == {"done": 1, "join-token-spent": 49}


async def test_a_token_expires_at_its_instant(url: str) -> None:
    async with await opened(url) as store:
        await store.put_join_token(TOKEN)
        assert await code_of(store.redeem_join_token(TOKEN.token_sha256, TOKEN.expires_at)) == "join-token-expired"
        assert await code_of(store.redeem_join_token(TOKEN.token_sha256, TOKEN.expires_at - MOMENT)) == "done"


async def test_an_unknown_token_is_refused(url: str) -> None:
    async with await opened(url) as store:
        assert await code_of(store.redeem_join_token(bytes(32), NOW)) == "join-token-unknown"


async def test_tokens_long_expired_are_forgotten_when_a_new_one_is_made(url: str) -> None:
    later = TOKEN.expires_at + timedelta(days=1)
    async with await opened(url) as store:
        await store.put_join_token(TOKEN)
        young = replace(TOKEN, token_sha256=bytes(32), created_at=later, expires_at=later + HOUR)
        await store.put_join_token(young)
        assert await code_of(store.redeem_join_token(TOKEN.token_sha256, later)) == "join-token-expired"
        other = hashlib.sha256(b"other").digest()
        await store.put_join_token(replace(young, token_sha256=other, created_at=later + MOMENT))
        assert await code_of(store.redeem_join_token(TOKEN.token_sha256, later)) == "join-token-unknown"
        assert await code_of(store.redeem_join_token(bytes(32), later)) == "done"


async def test_an_agent_comes_back_as_it_was_put_and_is_replaced(url: str) -> None:
    newer = replace(AGENT, address="192.0.2.9", serial=7, expires_at=NOW + 2 * HOUR)
    async with await opened(url) as store:
        assert await store.agent(NODE) is None
        await store.put_agent(AGENT)
        assert await store.agent(NODE) == AGENT
        await store.put_agent(replace(AGENT, node=OTHER_NODE))
        await store.put_agent(newer)
        assert await store.agents() == (newer, replace(AGENT, node=OTHER_NODE))


async def test_a_ban_outlives_an_enrolment_that_was_under_way(url: str) -> None:
    async with await opened(url) as store:
        await store.put_agent(AGENT)
        assert (await store.ban_agent(NODE)).banned
        await store.put_agent(replace(AGENT, address="192.0.2.9"))
        assert await store.agent(NODE) == replace(AGENT, address="192.0.2.9", banned=True)


async def test_only_an_enrolled_agent_can_be_banned(url: str) -> None:
    async with await opened(url) as store:
        assert await code_of(store.ban_agent(NodeName("nobody"))) == "agent-unknown"


async def test_hosting_is_replaced_as_a_set_and_what_stays_keeps_its_instant(url: str) -> None:
    async with await opened(url) as store:
        await store.put_hosting(NODE, frozenset({WEB_SERVICE}), NOW)
        await store.put_hosting(OTHER_NODE, frozenset({WEB_SERVICE}), NOW)
        await store.put_hosting(NODE, frozenset({WEB_SERVICE, LEDGER_SERVICE}), NOW + HOUR)
        web_there = Hosting(OTHER_NODE, WEB_SERVICE, NOW)
        assert await store.hosting() == (
            Hosting(NODE, LEDGER_SERVICE, NOW + HOUR),
            Hosting(NODE, WEB_SERVICE, NOW),
            web_there,
        )
        await store.put_hosting(NODE, frozenset(), NOW)
        assert await store.hosting() == (web_there,)


async def test_a_holding_is_replaced_by_node_participant_and_thing(url: str) -> None:
    held = replace(HOLDING, held="aa", since=NOW + HOUR)
    leaf = replace(HOLDING, thing="leaf", refusal="no such key")
    async with await opened(url) as store:
        await store.put_holdings([])
        await store.put_holdings([HOLDING, leaf])
        await store.put_holdings([replace(HOLDING, held="zz"), held])
        assert await store.holdings() == (held, leaf)


async def test_dropping_participants_leaves_those_of_other_nodes(url: str) -> None:
    elsewhere = replace(HOLDING, node=OTHER_NODE)
    other = replace(HOLDING, participant="sidecar:shop/ledger")
    async with await opened(url) as store:
        await store.put_holdings([HOLDING, elsewhere, other])
        await store.drop_participants(NODE, [HOLDING.participant, "never-seen"])
        await store.drop_participants(NODE, [])
        assert await store.holdings() == (other, elsewhere)


async def test_what_is_held_is_counted_where_it_is_kept_and_what_is_not_is_named(url: str) -> None:
    held, doubted = replace(HOLDING, thing="route", held="aa"), replace(HOLDING, thing="xds", held="aa", refusal="no")
    view = replace(HOLDING, participant="agent node-a", thing=VIEW, held="aa")
    secret = replace(held, node=OTHER_NODE, participant="sidecar:shop/other", thing="secret/web")
    async with await opened(url) as store:
        assert await store.uptake() == Uptake()
        everything = [HOLDING, held, doubted, view, secret]
        await store.put_holdings(everything)
        expected = uptake([one for one in everything if one.thing != VIEW])
        assert await store.uptake() == expected
        assert expected.otherwise == (HOLDING, doubted)
        assert await store.views_held() == (view,)
        about = await store.holdings_about(HOLDING.participant, "secret/web", 10)
        assert about == (HOLDING, doubted, held, secret)
        assert await store.holdings_about(HOLDING.participant, "secret/web", 2) == (HOLDING, doubted)


async def test_two_replicas_may_report_the_same_holdings_at_once(url: str) -> None:
    many = [replace(HOLDING, participant=f"p{n:03}") for n in range(100)]
    async with await opened(url) as one, await opened(url) as other:
        for _ in range(5):
            await asyncio.gather(one.put_holdings(many), other.put_holdings(many[::-1]), one.append_audit([b"x"], NOW))
        assert await one.holdings() == tuple(many)
