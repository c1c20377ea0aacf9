"""The one open link, and lines to other servers beside it."""

from __future__ import annotations

import asyncio

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, Domain, Line, away
from trustplane.fault import Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.node_identity import ClosableLink, KeepLink
from trustplane.flows.node.node_link import SERVER_NOT_TRUSTED, NodeIdentity
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.x509_svid import KeyedSvid


class Doors:
    """Addresses that can be connected to or not, and the links made."""

    def __init__(self) -> None:
        self.domain = Domain()
        self.clock = VirtualClock()
        self.shut: set[str] = set()
        self.tried: list[str] = []
        self.made: list[tuple[str, NodeIdentity, Line]] = []
        self.slow: asyncio.Event | None = None
        self.identity: Feed[NodeIdentity | None] = Feed(None)
        self.strange: set[str] = set()
        self.strangers = 0
        self.links = KeepLink(["a:1", "b:1", "c:1"], self._connect, self.identity, self._met_strangers)

    def _met_strangers(self) -> None:
        self.strangers += 1

    def become(self) -> NodeIdentity:
        key = LeafKey.generate(KeyKind.P256)
        svid, renew_at, document = Line(self.domain, self.clock).node_identity(key.csr())
        identity = NodeIdentity(KeyedSvid(svid, key.pkcs8()), renew_at, document)
        self.identity.publish(identity)
        return identity

    async def _connect(self, address: str, identity: NodeIdentity, bundle: Bundle) -> ClosableLink:
        assert bundle.trust_domain == ACME
        self.tried.append(address)
        if self.slow is not None:
            await self.slow.wait()
        if address in self.shut:
            raise away()
        if address in self.strange:
            raise Unavailable(code=SERVER_NOT_TRUSTED, what="not trusted", why="another root", fix="look")
        self.made.append((address, identity, Line(self.domain, self.clock)))
        return self.made[-1][2]


def test_a_node_without_an_identity_has_no_link() -> None:
    with pytest.raises(Unavailable) as caught:
        asyncio.run(Doors().links.dial())
    assert caught.value.code == "not-enrolled"


def test_addresses_are_tried_in_turn_and_the_one_that_answers_is_stayed_with() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        doors.shut = {"a:1"}
        link = await doors.links.dial()
        assert (doors.tried, doors.links.address) == (["a:1", "b:1"], "b:1")
        doors.shut.clear()
        assert await doors.links.dial() is link
        await doors.links.drop(link)
        assert doors.made[0][2].closed
        await doors.links.dial()
        assert doors.links.address == "c:1"

    asyncio.run(play())


def test_when_no_address_answers_each_was_tried_once() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        doors.shut = {"a:1", "b:1", "c:1"}
        with pytest.raises(Unavailable):
            await doors.links.dial()
        assert doors.tried == ["a:1", "b:1", "c:1"]
        assert doors.links.address is None

    asyncio.run(play())


@pytest.mark.parametrize(("strange", "said"), [({"a:1", "c:1"}, 1), ({"a:1"}, 0), (set[str](), 0)])
def test_when_nobody_can_be_had_and_one_is_a_stranger_that_is_said(strange: set[str], said: int) -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        doors.strange = strange
        doors.shut = {"b:1"} if strange == {"a:1", "c:1"} else set()
        await asyncio.gather(doors.links.dial(), return_exceptions=True)
        assert doors.strangers == said
        assert (doors.links.address is None) == bool(said)

    asyncio.run(play())


def test_who_dials_at_once_shares_one_link() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        first, second = await asyncio.gather(doors.links.dial(), doors.links.dial())
        assert first is second
        assert len(doors.made) == 1

    asyncio.run(play())


def test_a_new_identity_gets_a_link_of_its_own_and_the_old_one_is_closed() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        old = await doors.links.dial()
        newest = doors.become()
        assert await doors.links.dial() is not old
        assert doors.made[0][2].closed
        assert doors.made[1][1] is newest

    asyncio.run(play())


def test_who_waited_to_dial_uses_the_identity_of_now() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        doors.slow = asyncio.Event()
        dialling = [asyncio.create_task(doors.links.dial()) for _ in range(2)]
        await asyncio.sleep(0)
        newest = doors.become()
        doors.slow.set()
        await asyncio.gather(*dialling)
        assert [identity for _, identity, line in doors.made if not line.closed] == [newest]

    asyncio.run(play())


def test_dropping_a_link_of_before_leaves_the_open_one() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        old = await doors.links.dial()
        doors.become()
        newest = await doors.links.dial()
        await doors.links.drop(old)
        assert await doors.links.dial() is newest
        assert doors.links.address == "a:1"

    asyncio.run(play())


def test_a_dial_that_is_given_up_leaves_the_way_free() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        doors.slow = asyncio.Event()
        dialling = asyncio.create_task(doors.links.dial())
        await asyncio.sleep(0)
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        doors.slow.set()
        assert await doors.links.dial() is not None

    asyncio.run(play())


def test_a_line_to_another_server_is_one_more_link_and_is_closed_again() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        async with doors.links.line(0) as first:
            pass
        async with doors.links.line(1) as second, doors.links.line(4) as same:
            assert len({id(first), id(second), id(same)}) == 3
            assert await doors.links.dial() is first
        assert doors.tried == ["a:1", "b:1", "b:1"]
        assert [line.closed for _, _, line in doors.made] == [False, True, True]

    asyncio.run(play())


def test_a_line_to_a_server_that_is_away_asks_no_other() -> None:
    async def play() -> None:
        doors = Doors()
        doors.become()
        doors.shut = {"b:1"}
        with pytest.raises(Unavailable):
            async with doors.links.line(1):
                raise AssertionError
        assert doors.tried == ["b:1"]

    asyncio.run(play())
