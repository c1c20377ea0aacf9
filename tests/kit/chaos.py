"""What befalls servers, agents and the network between them, drawn by lot: the same seed draws the same again.

An agent is asleep (its connections stay open), a process is killed and started again later, two hosts are parted or one
is cut off from all. Envoys and the network among them are left alone: killing the one or parting the other loses
requests by itself.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Self

from tests.kit.mesh import Part
from trustplane.host.network_namespaces import Host, Network

LONGEST_PAUSE_SECONDS = 4.0
MOST_AT_ONCE = 3


@dataclass(frozen=True)
class Lot:
    """`kills`: a killed process takes seconds to come back, which a leaf of seconds does not outlast."""

    seed: int
    longest_seconds: float
    kills: bool


@dataclass(frozen=True)
class Place:
    """A server or an agent, and where it runs; an agent can be parted from the hosts of `servers`."""

    part: Part
    host: Host
    is_agent: bool
    servers: tuple[Host, ...] = ()


@dataclass(frozen=True)
class Blow:
    """What is done, and how it is undone."""

    kind: str
    falls: Callable[[], None]
    ends: Callable[[], None]


class Chaos:
    """Blows until the end of the `with`, when everything is well again. `may_go_on` is asked before each round."""

    def __init__(
        self, lot: Lot, places: tuple[Place, ...], net: Network, may_go_on: Callable[[], bool], phase: Callable[[], str]
    ) -> None:
        self._lot = lot
        self.done: Counter[str] = Counter()  # by kind and phase
        self.ended: list[str] = []  # the last words of who ended though nobody killed it
        self._spared: set[str] = set()  # parts that somebody else has in hand
        self._at_work = threading.Lock()
        self._places = places
        self._net = net
        self._may_go_on = may_go_on
        self._phase = phase
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "chaos")
        self._running: Future[None] | None = None

    def __enter__(self) -> Self:
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        assert self._running is not None
        self._running.result()

    @contextlib.contextmanager
    def sparing(self, part: Part) -> Iterator[None]:
        """Nothing befalls it meanwhile."""
        with self._at_work:
            self._spared.add(part.name)
            if not part.alive():
                part.start()
        try:
            yield
        finally:
            self._spared.discard(part.name)

    def _run(self) -> None:
        pauses, rounds = random.Random(self._lot.seed), count(1)
        while not self._stop.wait(pauses.uniform(0, LONGEST_PAUSE_SECONDS)):
            with self._at_work:
                if self._may_go_on():
                    self._round(random.Random(self._lot.seed * 10_000 + next(rounds)))

    def _round(self, dice: random.Random) -> None:
        """A few at once, each for a time of its own; nobody suffers two of them at once."""
        free = [one for one in self._places if one.part.name not in self._spared]
        victims = dice.sample(free, min(len(free), dice.randint(1, MOST_AT_ONCE)))
        for one in free:
            if not one.part.alive():
                self.ended.append(one.part.last_words())
                one.part.start()
        began = time.monotonic()
        blows = [(dice.uniform(0.2, self._lot.longest_seconds), self._drawn(one, dice)) for one in victims]
        fallen: list[tuple[float, Blow]] = []
        try:
            for span, blow in blows:
                blow.falls()
                fallen.append((span, blow))
                self.done[f"{blow.kind} in {self._phase()}"] += 1
        finally:
            for span, blow in sorted(fallen, key=lambda one: one[0]):
                self._stop.wait(max(began + span - time.monotonic(), 0))
                blow.ends()

    def _drawn(self, place: Place, dice: random.Random) -> Blow:
        apart = self._parted(place, dice.choice(place.servers)) if place.is_agent else _cut_off(place)
        kinds = [apart, *([_asleep(place)] if place.is_agent else []), *([_killed(place)] if self._lot.kills else [])]
        return dice.choice(kinds)

    def _parted(self, place: Place, other: Host) -> Blow:
        return Blow("parted", lambda: self._net.sever(place.host, other), lambda: self._net.mend(place.host, other))


def _cut_off(place: Place) -> Blow:
    return Blow("server cut off", place.host.cut, place.host.heal)


def _killed(place: Place) -> Blow:
    what = "agent killed" if place.is_agent else "server killed"
    return Blow(what, place.part.kill, place.part.start)


def _asleep(place: Place) -> Blow:
    pid = place.part.pid
    return Blow("agent asleep", lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGCONT))
