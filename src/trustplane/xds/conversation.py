"""One xDS stream as a machine: events of the stream and of our desired state in, answers and findings out.

It promises: nothing is answered before there is an offer; listeners and clusters are never answered with an empty
whole; what the proxy holds is not sent again unasked; a cluster is withdrawn only when the listeners and routes that
might still use it have been taken up; and when all is quiet the proxy holds what it should, or said why not.
Both dialects, delta and state of the world, are spoken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from trustplane.fault import Refused
from trustplane.xds.resources import Kind, Offer, Resource
from trustplane.xds.topic import WILDCARD, Answer, Topic, accept, refuse, whole_version

MAX_NAMES = 1000
MAX_REFUSAL_CHARACTERS = 2000


class Dialect(Enum):
    DELTA = "delta"
    STATE = "state of the world"


class Unknown(Enum):
    """What becomes of a request for a name we do not offer."""

    WAITS = "it may be offered later"
    ENDS = "the stream ends"


@dataclass(frozen=True, slots=True)
class Requested:
    """One request as it came. State of the world: `subscribe` is all names, `version` the last one taken up."""

    kind: Kind
    nonce: str = ""
    refusal: str | None = None
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """The desired state changed."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class RetryDue:
    """What was refused may work now: a port may be free again."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream ended."""


Event = Requested | Offered | RetryDue | Closed


@dataclass(frozen=True, slots=True)
class Held:
    """What the proxy holds of a thing against what it should; empty is nothing. `refusal` is its last refusal."""

    thing: str
    desired: str
    held: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream must be ended with this answer."""

    fault: Refused


Effect = Answer | Held | Ended


class Conversation:
    def __init__(self, dialect: Dialect, unknown: Unknown = Unknown.WAITS) -> None:
        self._dialect = dialect
        self._unknown = unknown
        self._offer: Offer | None = None
        self._topics = {kind: Topic(kind) for kind in Kind}
        self._reported: dict[tuple[Kind, str], Held] = {}
        self._answers = 0
        self._closed = False

    @property
    def refusing(self) -> bool:
        """Whether the proxy refuses something that a retry might bring home."""
        return any(topic.refused or topic.refused_whole for topic in self._topics.values())

    @property
    def on_its_way(self) -> frozenset[str]:
        """The nonces of what was sent and is not answered yet."""
        return frozenset(topic.on_its_way.nonce for topic in self._topics.values() if topic.on_its_way is not None)

    def feed(self, event: Event) -> tuple[Effect, ...]:
        if self._closed:
            return ()
        match event:
            case Requested():
                self._ask(self._topics[event.kind], event)
            case Offered():
                self._offer = event.offer
            case RetryDue():
                for topic in self._topics.values():
                    topic.retry()
            case Closed():
                self._closed = True
                return ()
        return tuple(self._effects())

    def _effects(self) -> Iterator[Effect]:
        ending = self._must_end()
        if ending is not None:
            self._closed = True
            yield Ended(ending)
            return
        if self._offer is None:
            return
        for topic in self._topics.values():
            answer = self._due(topic, self._offer)
            if answer is not None:
                topic.sent(answer)
                yield answer
        yield from self._findings(self._offer)

    def _ask(self, topic: Topic, request: Requested) -> None:
        match self._dialect:
            case Dialect.DELTA:
                self._ask_delta(topic, request)
            case Dialect.STATE:
                self._ask_state(topic, request)

    def _ask_delta(self, topic: Topic, request: Requested) -> None:
        if topic.on_its_way is not None and request.nonce == topic.on_its_way.nonce:
            self._answered(topic, request.refusal)
        if not topic.asked:
            topic.asked = True
            topic.wildcard = not request.subscribe
            topic.held.update(request.known)
        if WILDCARD in request.subscribe:
            topic.wildcard = True
        if WILDCARD in request.unsubscribe:
            topic.wildcard = False
        for name in set(request.unsubscribe) - {WILDCARD}:
            topic.names.discard(name)
            topic.forget(name)
        for name in set(request.subscribe) - {WILDCARD}:
            topic.names.add(name)
            if name not in request.known:
                topic.forget(name)  # asking again for a name asks for its content again

    def _ask_state(self, topic: Topic, request: Requested) -> None:
        if topic.last_nonce and request.nonce != topic.last_nonce:
            return  # an answer to something older than our last answer; a newer request is on its way
        if topic.on_its_way is not None and request.nonce == topic.on_its_way.nonce:
            taken_up = request.version == topic.on_its_way.version
            self._answered(topic, request.refusal if request.refusal or taken_up else "the version was not taken up")
        names = set(request.subscribe) - {WILDCARD}
        if not topic.asked:
            topic.asked = True
            topic.wildcard = not names
            topic.claimed = request.version
        for name in topic.names - names:
            topic.forget(name)
        topic.names = names

    def _answered(self, topic: Topic, refusal: str | None) -> None:
        whole = self._dialect is Dialect.STATE
        if refusal is None:
            accept(topic, whole=whole)
        else:
            refuse(topic, refusal[:MAX_REFUSAL_CHARACTERS], whole=whole)

    def _due(self, topic: Topic, offer: Offer) -> Answer | None:
        if not topic.asked or topic.on_its_way is not None:
            return None
        match self._dialect:
            case Dialect.DELTA:
                return self._due_delta(topic, offer)
            case Dialect.STATE:
                return self._due_state(topic, offer)

    def _due_delta(self, topic: Topic, offer: Offer) -> Answer | None:
        wanted = topic.wanted(offer)
        changed = topic.changed(wanted)
        gone = topic.gone(wanted) if self._may_withdraw(topic, offer) else []
        while topic.suspects:
            name = topic.suspects.pop(0)
            if name in changed:
                return self._answer(topic, offer.digest, {name: changed[name]})
            if name in gone:
                return self._answer(topic, offer.digest, {}, (name,))
        if not changed and not gone:
            return None
        return self._answer(topic, offer.digest, changed, tuple(gone))

    def _due_state(self, topic: Topic, offer: Offer) -> Answer | None:
        whole = topic.wanted(offer)
        topic.believe(whole)
        if not self._may_withdraw(topic, offer):
            whole |= {name: one for name, one in topic.retained.items() if name in topic.held and name not in whole}
        version = whole_version(whole)
        if not whole or not topic.lags(whole) or topic.refused_whole == version:
            return None
        return self._answer(topic, version, whole)

    def _may_withdraw(self, topic: Topic, offer: Offer) -> bool:
        users = (self._topics[kind] for kind in (Kind.LISTENER, Kind.ROUTE))
        return topic.kind is not Kind.CLUSTER or all(user.settled(offer) for user in users)

    def _answer(
        self, topic: Topic, version: str, resources: Mapping[str, Resource], removed: tuple[str, ...] = ()
    ) -> Answer:
        self._answers += 1
        return Answer(topic.kind, str(self._answers), version, tuple(resources.values()), removed)

    def _must_end(self) -> Refused | None:
        for topic in self._topics.values():
            if len(topic.names) > MAX_NAMES:
                return _too_many(topic.kind)
            if self._unknown is Unknown.ENDS and self._offer is not None and (names := topic.unknown(self._offer)):
                return _not_offered(topic.kind, names)
        return None

    def _findings(self, offer: Offer) -> Iterator[Held]:
        for kind, topic in self._topics.items():
            if not topic.asked:
                continue
            seen = frozenset(name for reported, name in self._reported if reported is kind)
            for name, desired, held, refusal in topic.states(offer, seen):
                found = Held(f"{kind.name.lower()}/{name}", desired, held, refusal)
                if self._reported.get((kind, name)) == found:
                    continue
                self._reported[kind, name] = found
                yield found
                if not desired and not held:
                    del self._reported[kind, name]
            topic.tidy()


def _too_many(kind: Kind) -> Refused:
    return Refused(
        code="xds-too-many-names",
        what=f"one stream asked for more than {MAX_NAMES} {kind.name.lower()}s",
        why="what comes from outside is bounded",
        fix="ask for fewer names",
    )


def _not_offered(kind: Kind, names: list[str]) -> Refused:
    return Refused(
        code="xds-name-unknown",
        what=f"there is no {kind.name.lower()} named {', '.join(f'{name:.200}' for name in names[:5])}",
        why="this process is entitled to no such identity, or the bundle is not trusted here",
        fix="ask for one of its SPIFFE IDs, a trust domain's ID, default, ROOTCA or ALL",
    )
