from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.server_door import NOON
from trustplane.console.live import MOST_OF_ONE_ACCOUNT, MOST_STREAMS, TICK, Live
from trustplane.fault import Unavailable
from trustplane.people.account import AccountName, Role
from trustplane.people.session import Session, SignedIn


def signed_in(name: str = "ada") -> SignedIn:
    return SignedIn(Session(b"0" * 32, AccountName(name), NOON, NOON, "127.0.0.1"), Role.VIEWER)


class Sessions:
    def __init__(self) -> None:
        self.alive = True

    async def is_alive(self, token_sha256: bytes) -> bool:
        del token_sha256
        return self.alive


async def never() -> AsyncIterator[object]:
    await asyncio.Event().wait()
    yield None


async def first(events: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(events), 10)


def test_who_comes_back_with_the_newest_id_hears_nothing_until_something_changes() -> None:
    async def scenario() -> None:
        clock = VirtualClock(NOON)
        live = Live(Sessions().is_alive, clock)
        running = asyncio.create_task(live.run(never()))
        events = await live.stream(signed_in(), live.version)
        assert await first(events) == b"retry: 2000\n\n"
        heard = asyncio.create_task(first(events))
        await clock.advance(TICK - timedelta(seconds=1))
        assert not heard.done()
        await clock.advance(timedelta(seconds=1))
        assert f"event: changed\nid: {live.version}\n".encode() in await heard
        running.cancel()

    asyncio.run(scenario())


def test_who_missed_something_hears_so_at_once() -> None:
    async def scenario() -> None:
        live = Live(Sessions().is_alive, VirtualClock(NOON))
        events = await live.stream(signed_in(), "another.7")
        await first(events)
        assert b"event: changed" in await first(events)

    asyncio.run(scenario())


def test_a_stream_ends_with_its_session_and_with_the_server() -> None:
    async def scenario() -> None:
        sessions = Sessions()
        live = Live(sessions.is_alive, VirtualClock(NOON))
        one, other = await live.stream(signed_in(), ""), await live.stream(signed_in(), live.version)
        await first(one)
        await first(other)
        sessions.alive = False
        assert b"event: ended" in await first(one)
        live.close()
        with pytest.raises(StopAsyncIteration):
            await first(other)
        with pytest.raises(StopAsyncIteration):
            await first(one)
        assert live.streams == 0

    asyncio.run(scenario())


def test_streams_are_few_for_one_account_and_for_all() -> None:
    async def scenario() -> None:
        live = Live(Sessions().is_alive, VirtualClock(NOON))
        ours = [await live.stream(signed_in(), "") for _ in range(MOST_OF_ONE_ACCOUNT)]
        with pytest.raises(Unavailable, match="too many pages"):
            await live.stream(signed_in(), "")
        for number in range(MOST_STREAMS - MOST_OF_ONE_ACCOUNT):
            await live.stream(signed_in(f"other{number}"), "")
        with pytest.raises(Unavailable, match="too many pages"):
            await live.stream(signed_in("last"), "")
        await first(ours[0])
        await ours[0].aclose()  # type: ignore[attr-defined] # it is a generator
        assert live.streams == MOST_STREAMS - 1

    asyncio.run(scenario())
