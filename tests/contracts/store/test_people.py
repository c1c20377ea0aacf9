from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.records import NOW, opened
from tests.kit.console import account
from tests.kit.people import MemoryPeople
from trustplane.fault import Refused
from trustplane.people.account import AccountName, Role
from trustplane.people.session import IDLE, MOST_OF_ONE_ACCOUNT, Session
from trustplane.store.store import Store

ADA = replace(account(), created_at=NOW, changed_at=NOW)
BOB = replace(ADA, name=AccountName("bob"), role=Role.AUDITOR)
GRACE = replace(
    ADA, name=AccountName.foreign("grace@navy.example"), password=None, subject="https://id.example.org 248289761001"
)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def where(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    found: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return found


@asynccontextmanager
async def people(where: str) -> AsyncIterator[MemoryPeople | Store]:
    if not where:
        yield MemoryPeople()
        return
    async with await opened(where) as store:
        yield store


def session(number: int, of: str = "ada", after: timedelta = timedelta(0)) -> Session:
    return Session(number.to_bytes(32), AccountName(of), NOW + after, NOW + after, "10.0.0.1")


async def test_accounts_come_back_as_they_were_put_by_name(where: str) -> None:
    async with people(where) as kept:
        for one in (GRACE, BOB, ADA):
            await kept.add_account(one)
        assert list(await kept.accounts()) == [ADA, BOB, GRACE]
        assert await kept.account(BOB.name) == BOB
        assert await kept.account(AccountName("eve")) is None
        with pytest.raises(Refused, match="account-exists"):
            await kept.add_account(replace(ADA, role=Role.AUDITOR))
        assert await kept.account(ADA.name) == ADA


async def test_a_session_is_found_with_whose_it_is_until_it_is_ended(where: str) -> None:
    async with people(where) as kept:
        await kept.add_account(ADA)
        one = session(1)
        await kept.open_session(one, ADA)
        assert await kept.session(one.token_sha256) == (one, ADA)
        later = NOW + timedelta(minutes=5)
        await kept.use_session(one.token_sha256, later)
        assert await kept.session(one.token_sha256) == (replace(one, used_at=later), ADA)
        await kept.end_session(one.token_sha256)
        assert await kept.session(one.token_sha256) is None
        await kept.use_session(one.token_sha256, later)
        await kept.end_session(one.token_sha256)
        assert await kept.session(one.token_sha256) is None


@pytest.mark.parametrize("change", ["role", "password", "remove"])
async def test_whoever_loses_a_role_a_password_or_the_account_loses_every_session(where: str, change: str) -> None:
    async with people(where) as kept:
        for number, one in enumerate((ADA, BOB)):
            await kept.add_account(one)
            await kept.open_session(session(number, one.name.name), one)
        if change == "remove":
            await kept.remove_account(ADA.name)
        else:
            later = NOW + timedelta(seconds=1)
            changed = replace(ADA, role=Role.OPERATOR) if change == "role" else ADA
            await kept.change_account(replace(changed, changed_at=later))
        assert await kept.session(session(0).token_sha256) is None
        assert await kept.session(session(1).token_sha256) is not None


async def test_no_session_is_opened_for_an_account_that_changed_since_it_was_read(where: str) -> None:
    async with people(where) as kept:
        await kept.add_account(ADA)
        await kept.change_account(replace(ADA, changed_at=NOW + timedelta(seconds=1)))
        for one in (ADA, BOB):
            with pytest.raises(Refused, match="account-unknown"):
                await kept.open_session(session(1, one.name.name), one)
        assert await kept.session(session(1).token_sha256) is None


async def test_the_oldest_sessions_of_an_account_make_room_and_ended_ones_are_let_go(where: str) -> None:
    async with people(where) as kept:
        await kept.add_account(ADA)
        await kept.add_account(BOB)
        await kept.open_session(session(100, "bob"), BOB)
        for number in range(MOST_OF_ONE_ACCOUNT + 1):
            await kept.open_session(session(number, after=timedelta(seconds=number)), ADA)
        assert await kept.session(session(0).token_sha256) is None
        assert await kept.session(session(1).token_sha256) is not None
        await kept.open_session(session(50, after=IDLE), ADA)
        assert await kept.session(session(100).token_sha256) is None


@pytest.mark.parametrize("act", ["change", "remove"])
async def test_an_account_that_is_not_there_is_refused(where: str, act: str) -> None:
    async with people(where) as kept:
        with pytest.raises(Refused, match="account-unknown"):
            await (kept.change_account(ADA) if act == "change" else kept.remove_account(ADA.name))
