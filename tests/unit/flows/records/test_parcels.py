"""The parcel of now is closed when all that was told is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.kit.clock import VirtualClock
from trustplane.flows.records.parcels import WINDOW, ParcelsInTurn
from trustplane.registry.parcels import ParcelId
from trustplane.spiffe.names import NodeName

Packed = tuple[int, tuple[str, ...]]


class Words:
    """Content, and a spool that is told more while it writes."""

    def __init__(self, interrupted: int) -> None:
        self.now: list[str] = []
        self.written: dict[int, tuple[str, ...]] = {}
        self.closed: list[int] = []
        self.meanwhile: Callable[[str], None] = self.now.append
        self._interrupted = interrupted

    def packed(self, parcel: ParcelId, since: datetime) -> Packed:
        del since
        return parcel.number, tuple(self.now)

    def begin(self) -> None:
        self.now.clear()

    def lose(self, count: int) -> None:
        raise AssertionError(count)

    async def write(self, parcel: Packed) -> int:
        if self._interrupted:
            self._interrupted -= 1
            self.meanwhile(f"meanwhile {self._interrupted}")
        self.written[parcel[0]] = parcel[1]
        return 0

    async def close(self, number: int) -> None:
        self.closed.append(number)


def told(interrupted: int) -> tuple[Words, ParcelsInTurn[Packed], VirtualClock]:
    words, clock = Words(interrupted), VirtualClock()
    turn = ParcelsInTurn[Packed](NodeName("node-a"), "a" * 32, words, words, clock)

    def tell(word: str) -> None:
        words.now.append(word)
        turn.changed()

    words.meanwhile = tell
    tell("first")
    return words, turn, clock


def test_what_is_told_while_it_is_written_is_in_the_parcel_that_is_closed() -> None:
    async def play() -> None:
        words, turn, _ = told(interrupted=2)
        await turn.close()
        assert (words.closed, words.written) == ([1], {1: ("first", "meanwhile 1", "meanwhile 0")})

    asyncio.run(play())


def test_while_proxies_go_on_telling_it_stays_open_and_nothing_is_lost() -> None:
    async def play() -> None:
        words, turn, clock = told(interrupted=5)
        await clock.advance(WINDOW + timedelta(seconds=1))
        await turn.keep()
        assert words.closed == []
        await turn.keep()
        assert words.closed == [1]
        assert len(words.written[1]) == 6

    asyncio.run(play())
