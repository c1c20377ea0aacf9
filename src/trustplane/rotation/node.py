"""The renewals of all leaves of one node: which are to be asked for now, and in which calls.

It promises: each leaf goes by a `LeafRenewal` of its own; what is asked at one address goes together in calls of
bounded size, nearest expiry first; one call is under way in each lane. A leaf that is about to expire is given less
time for its answer, so it has a lane of its own and is not held up by a call with more patience.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from trustplane.rotation.leaf import (
    LONGEST_ANSWER,
    TICKED,
    Ask,
    AskAt,
    Deferred,
    Event,
    Failed,
    Issued,
    Kept,
    LeafRenewal,
    Moved,
    Notice,
    Noticed,
    Phase,
    Revoked,
    Superseded,
)

Key = TypeVar("Key", bound=Hashable)

_FIRST = datetime.min.replace(tzinfo=UTC)


class Lane(NamedTuple):
    address: int
    hurried: bool


@dataclass(frozen=True, slots=True)
class Call(Generic[Key]):
    """Ask for these at that lane's address now; without an answer `within` that time, it has failed."""

    lane: Lane
    keys: tuple[Key, ...]
    within: timedelta


class NodeRenewals(Generic[Key]):
    """`salt` differs between nodes; leaves that failed in one call come back in one call."""

    def __init__(self, addresses: int, salt: int) -> None:
        self._addresses = addresses
        self._salt = salt
        self._leaves: dict[Key, LeafRenewal] = {}
        self._due: dict[Key, datetime | None] = {}  # none: not told the time yet
        self._questions: dict[Key, Ask] = {}  # asked by their machines, in no call yet
        self._under_way: set[Lane] = set()
        self._noticed: list[tuple[Key, Notice]] = []

    def __contains__(self, key: object) -> bool:
        return key in self._leaves

    @property
    def late(self) -> int:
        return sum(leaf.late for leaf in self._leaves.values())

    def begin(self, key: Key, kept: Kept | None = None) -> None:
        self._leaves[key] = LeafRenewal(self._salt, self._addresses, kept)
        self._due[key] = None

    def keep_only(self, keys: Collection[Key]) -> None:
        for key in [key for key in self._leaves if key not in keys]:
            del self._leaves[key]
            self._due.pop(key, None)
            self._questions.pop(key, None)

    def kept(self, key: Key) -> Kept | None:
        return self._leaves[key].kept

    def want(self, key: Key, event: Superseded | Revoked | Moved, at: datetime) -> None:
        """Another leaf is wanted, or sooner."""
        if isinstance(event, Superseded) and key in self._questions:
            return  # what has not been sent yet is answered with a leaf of the new kind
        self._feed(key, event, at)

    def issued(self, key: Key, leaf: Issued, at: datetime) -> Kept | None:
        """What is to be kept of it; none when it went meanwhile, or another is wanted already."""
        self.answered(key, leaf, at)
        renewal = self._leaves.get(key)
        return renewal.kept if renewal is not None and renewal.phase is Phase.FRESH else None

    def answered(self, key: Key, event: Issued | Failed | Deferred, at: datetime) -> None:
        """What came of a call, unless the leaf went meanwhile."""
        if key in self._leaves:
            self._feed(key, event, at)

    def tick(self, at: datetime) -> None:
        for key in tuple(self._due):
            self._feed(key, TICKED, at)

    def calls(self, most: int) -> list[Call[Key]]:
        """Those to be made now, of `most` leaves each. Say `over` when one has ended."""
        lanes: dict[Lane, list[Key]] = {}
        for key, ask in self._questions.items():
            lane = Lane(ask.address, ask.within < LONGEST_ANSWER)
            if lane not in self._under_way:
                lanes.setdefault(lane, []).append(key)
        return [self._call(lane, keys, most) for lane, keys in lanes.items()]

    def _call(self, lane: Lane, keys: list[Key], most: int) -> Call[Key]:
        first = tuple(sorted(keys, key=self._expiry)[:most])
        self._under_way.add(lane)
        return Call(lane, first, min(self._questions.pop(key).within for key in first))

    def over(self, call: Call[Key]) -> None:
        self._under_way.discard(call.lane)

    def next_at(self) -> datetime | None:
        """When `tick` will change something, by itself."""
        return min((due for due in self._due.values() if due is not None), default=None)

    def notices(self) -> Iterable[tuple[Key, Notice]]:
        """What operators should know since this was asked last."""
        noticed, self._noticed = self._noticed, []
        return noticed

    def _expiry(self, key: Key) -> datetime:
        return self._leaves[key].not_after or _FIRST

    def _feed(self, key: Key, event: Event, at: datetime) -> None:
        for effect in self._leaves[key].feed(event, at):
            match effect:
                case Ask():
                    self._questions[key] = effect
                    self._due.pop(key, None)
                case AskAt():
                    self._due[key] = effect.at
                case Noticed():
                    self._noticed.append((key, effect.notice))
