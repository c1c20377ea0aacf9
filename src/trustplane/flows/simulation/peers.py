"""Other products' renewal rules, as their documents and sources state them, to run on the same fleet.

Only the rule is theirs: when a leaf is renewed and how a failure is retried. Server, network and capacity are those of
the simulation, and none of them waits for the time a server names. Read in August 2026: SPIRE ef8527e
(rotationutil.go, manager.go, backoff.go), Istio 86c9f01 (options.go), cert-manager 2d0d7f7 and its csi-lib, Linkerd's
proxy (certify.rs, env.rs), Consul's leaf certificates (leafcert).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random

from trustplane.flows.simulation.scenario import Rule
from trustplane.rotation.leaf import Ask, AskAt, Effect, Event, Failed, Issued, Revoked, Superseded, Ticked

ANSWER = timedelta(seconds=30)  # SPIRE's time-out of a call; the others are near it
POLL = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class PeerRule:
    """Renewal falls evenly between two shares of the lifetime. A failure waits `first`, times `factor`, up to `cap`.

    `jitter` is the share of a wait by which it is drawn longer or shorter; 1 is anything up to twice.
    """

    opens: float
    closes: float
    first: timedelta
    factor: float
    cap: timedelta
    jitter: float
    polls: bool = False


RULES: Mapping[Rule, PeerRule] = {
    # Half of life, give or take 10 % of that half, drawn anew at each poll; half as long again up to 48 polls.
    Rule.SPIRE: PeerRule(0.45, 0.55, POLL, 1.5, timedelta(minutes=4), 0.1, polls=True),
    # The controller's rule for Certificates: two thirds of life, exactly; an hour, doubling to 32.
    Rule.CERT_MANAGER: PeerRule(2 / 3, 2 / 3, timedelta(hours=1), 2, timedelta(hours=32), 0),
    # csi-lib, which csi-driver-spiffe uses for SVIDs in pods: half of life, exactly.
    Rule.CSI_DRIVER: PeerRule(0.5, 0.5, timedelta(seconds=30), 2, timedelta(minutes=5), 0.5),
    # 70 % of what is left on arrival, exactly; every failure waits the minimum refresh.
    Rule.LINKERD: PeerRule(0.7, 0.7, timedelta(seconds=10), 1, timedelta(seconds=10), 0),
    # Half of life, give or take 1 % of life; from 50 ms. The cap is not published; a minute is kind.
    Rule.ISTIO: PeerRule(0.49, 0.51, timedelta(milliseconds=50), 2, timedelta(minutes=1), 0),
    # Anywhere from 60 to 90 % of life, drawn once; a failure anywhere in the next 30 s.
    Rule.CONSUL: PeerRule(0.6, 0.9, timedelta(seconds=15), 1, timedelta(seconds=15), 1),
}


class PolledThreshold:
    """The poll at which a threshold drawn anew at every poll is first passed, as one draw from its distribution.

    `n` polls into the window, the chance to renew is the share of the window that is over. Drawing once from the
    product of those chances is the same as drawing at each poll, and a thousand times quicker.
    """

    def __init__(self, window: timedelta) -> None:
        polls = max(1, int(window / POLL))
        left = accumulate((1 - min(1.0, n / polls) for n in range(polls + 1)), lambda a, b: a * b)
        self._renewed_by = [1 - one for one in left]

    def draw(self, random: Random) -> timedelta:
        phase = random.random()  # polls of different agents fall differently into the window
        return POLL * max(0.0, bisect_left(self._renewed_by, random.random()) - phase)


class PeerLeaf:
    """One leaf under a peer's rule: the same events and effects as our own machine."""

    __slots__ = ("_asking", "_polled", "_random", "_rule", "_wait")

    def __init__(self, rule: PeerRule, polled: PolledThreshold | None, random: Random) -> None:
        self._rule = rule
        self._polled = polled
        self._random = random
        self._wait: timedelta | None = None
        self._asking = False

    def feed(self, event: Event, at: datetime) -> tuple[Effect, ...]:
        match event:
            case Issued():
                self._wait, self._asking = None, False
                return (AskAt(self._renewal(at, event.not_after - at)),)
            case Failed() if self._asking:
                self._asking = False
                return (AskAt(at + self._retry()),)
            case Ticked() | Superseded() | Revoked() if not self._asking:
                self._asking = True
                return (Ask(0, ANSWER),)
            case _:
                return ()

    def _renewal(self, at: datetime, life: timedelta) -> datetime:
        rule = self._rule
        if self._polled is not None:
            return at + life * rule.opens + self._polled.draw(self._random)
        return at + life * (rule.opens + (rule.closes - rule.opens) * self._random.random())

    def _retry(self) -> timedelta:
        rule = self._rule
        self._wait = rule.first if self._wait is None else min(rule.cap, self._wait * rule.factor)
        return self._wait * (1 + rule.jitter * (2 * self._random.random() - 1))
