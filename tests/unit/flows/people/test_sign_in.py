from __future__ import annotations

import asyncio
import json

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.console import PASSWORD, account
from tests.kit.people import MemoryPeople
from tests.kit.server_door import NOON
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.people.sign_in import AT_ONCE, MOST_WAITING, SignIn
from trustplane.people.account import Account, AccountName
from trustplane.people.attempts import OF_ONE_ACCOUNT


def people() -> MemoryPeople:
    found = MemoryPeople()
    asyncio.run(found.add_account(account()))
    return found


def events(of: MemoryPeople) -> list[dict[str, object]]:
    return [json.loads(body) for body in of.bodies]


def test_who_comes_who_fails_and_who_leaves_is_in_the_log_without_what_was_typed() -> None:
    async def scenario(of: MemoryPeople) -> None:
        flow = SignIn(of, VirtualClock(NOON))
        for name, password in (("ada", "wrong"), ("my secret", "x")):
            with pytest.raises(Refused, match="sign-in-failed"):
                await flow.sign_in(name, password, "10.0.0.1")
        fresh = await flow.sign_in("ada", PASSWORD, "10.0.0.1")
        assert (await flow.who(fresh.token)).name == AccountName("ada")
        await flow.sign_out(fresh.signed_in)
        with pytest.raises(Refused, match="not-signed-in"):
            await flow.who(fresh.token)

    of = people()
    asyncio.run(scenario(of))
    assert [(one["event"], one["account"]) for one in events(of)] == [
        ("sign-in-failed", "ada"),
        ("sign-in-failed", None),
        ("signed-in", "ada"),
        ("signed-out", "ada"),
    ]
    assert b"secret" not in b"".join(of.bodies)


def test_only_the_hash_of_a_token_is_kept_and_each_is_another() -> None:
    async def scenario(of: MemoryPeople) -> None:
        flow = SignIn(of, VirtualClock(NOON))
        one, other = [await flow.sign_in("ada", PASSWORD, "10.0.0.1") for _ in range(2)]
        assert one.token != other.token
        assert len(one.token) == 43
        assert one.token not in repr(one) + repr(of.open)

    asyncio.run(scenario(people()))


def test_a_crowd_at_once_gets_no_more_tries_than_the_limit_and_few_are_hashed_at_a_time() -> None:
    async def scenario(of: MemoryPeople) -> list[str]:
        flow = SignIn(of, VirtualClock(NOON))
        tries = [flow.sign_in("ada", "wrong", "10.0.0.1") for _ in range(60)]
        found = await asyncio.gather(*tries, return_exceptions=True)
        return [one.code for one in found if isinstance(one, Fault)]

    codes = asyncio.run(scenario(people()))
    assert len(codes) == 60
    assert codes.count("sign-in-failed") == OF_ONE_ACCOUNT
    assert codes.count("sign-in-busy") == 60 - MOST_WAITING
    assert AT_ONCE < MOST_WAITING


def test_a_session_is_not_opened_for_an_account_that_changed_while_its_password_was_checked() -> None:
    class Changing(MemoryPeople):
        async def account(self, name: AccountName) -> Account | None:
            found = await super().account(name)
            await self.remove_account(name)
            return found

    async def scenario(of: MemoryPeople) -> None:
        with pytest.raises(Refused, match="account-unknown"):
            await SignIn(of, VirtualClock(NOON)).sign_in("ada", PASSWORD, "10.0.0.1")
        assert not of.open

    asyncio.run(scenario(Changing({account().name: account()})))


def test_a_database_that_is_away_is_no_wrong_password() -> None:
    class Away(MemoryPeople):
        async def account(self, name: AccountName) -> Account | None:
            raise Unavailable(code="store-busy", what=f"{name}", why="full", fix="wait")

    async def scenario() -> None:
        with pytest.raises(Unavailable, match="store-busy"):
            await SignIn(Away(), VirtualClock(NOON)).sign_in("ada", PASSWORD, "10.0.0.1")

    asyncio.run(scenario())
