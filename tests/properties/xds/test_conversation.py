"""Whatever a proxy asks, accepts and refuses, in whatever order: when all is quiet it holds what it should.

Histories mix changes of the desired state, requests, answers that arrive late, stale nonces, refusals and reconnects,
in both dialects. A version above `BAD` is refused by the proxy each time.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trustplane.xds.conversation import Conversation, Dialect, Effect, Ended, Held, Offered, Requested, RetryDue
from trustplane.xds.resources import Kind, Offer, Resource, typed
from trustplane.xds.topic import Answer

NAMES = ("a", "b", "c")
BAD = 7
WHOLE = (Kind.CLUSTER, Kind.LISTENER)
NAMED = (Kind.SECRET, Kind.ROUTE)
KINDS = (*WHOLE, *NAMED)  # what comes apart is asked for by name as these are
contents = st.dictionaries(st.sampled_from(NAMES), st.integers(0, BAD + 2), max_size=3)


def resource(kind: Kind, name: str, content: int) -> Resource:
    return Resource(kind, name, typed(kind.value, name=name, content=content))


class History(RuleBasedStateMachine):
    dialect: ClassVar[Dialect]

    def __init__(self) -> None:
        super().__init__()
        self.offer: Offer | None = None
        self.has: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}  # what the proxy runs
        self.version = dict.fromkeys(KINDS, "")
        self.nonce = dict.fromkeys(KINDS, "")
        self.names: dict[Kind, set[str]] = {kind: set() for kind in NAMED}
        self.asked_again: set[tuple[Kind, str]] = set()
        self.reported: dict[str, Held] = {}
        self.way: deque[Answer] = deque()
        self.bad: set[str] = set()
        self.connect()

    def connect(self) -> None:
        self.conversation = Conversation(self.dialect)
        self.way.clear()
        self.reported.clear()
        self.asked_again.clear()
        self.nonce = dict.fromkeys(KINDS, "")
        # A state-of-the-world proxy names what it holds by one version for all; a new stream may have to repeat it.
        self.fresh = set(KINDS) if self.dialect is Dialect.STATE else set()
        if self.offer is not None:
            self.feed(Offered(self.offer))
        for kind in WHOLE:
            self.feed(Requested(kind, known=dict(self.has[kind]), version=self.version[kind]))
        for kind in NAMED:
            if self.names[kind]:
                self.ask(kind, *self.names[kind])

    def ask(self, kind: Kind, *subscribe: str, unsubscribe: tuple[str, ...] = ()) -> None:
        if self.dialect is Dialect.DELTA:
            known = {name: self.has[kind][name] for name in subscribe if name in self.has[kind]}
            known = {} if self.asked_again else known
            self.feed(Requested(kind, subscribe=subscribe, unsubscribe=unsubscribe, known=known))
        else:
            names = tuple(sorted(self.names[kind]))
            self.feed(Requested(kind, self.nonce[kind], subscribe=names, version=self.version[kind]))

    def feed(self, event: Requested | Offered | RetryDue) -> None:
        self.take(self.conversation.feed(event))

    def take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Answer():
                    self.check(effect)
                    self.fresh.discard(effect.kind)
                    self.way.append(effect)
                case Held():
                    self.reported[effect.thing] = effect
                case Ended():
                    raise AssertionError(effect)

    def check(self, answer: Answer) -> None:
        assert self.offer is not None, "nothing is answered before there is an offer"
        carried = {one.name: one.version for one in answer.resources}
        runs = self.has[answer.kind]
        if self.dialect is Dialect.DELTA:
            again = {name for name, version in carried.items() if runs.get(name) == version}
            assert not {name for name in again if (answer.kind, name) not in self.asked_again}
            left = set(runs) - set(answer.removed) | set(carried)
        else:
            assert carried != runs or answer.kind in self.fresh, "what the proxy holds is not sent again"
            left = set(carried)
        assert left, "a proxy that is given nothing deletes all it has"
        gone = set(runs) - left
        if answer.kind is Kind.CLUSTER and gone and answer.kind not in self.fresh:
            for user in (Kind.LISTENER, Kind.ROUTE):
                wanted = self.wanted(user, self.offer)
                assert {name: self.has[user].get(name) for name in wanted} == wanted

    def wanted(self, kind: Kind, offer: Offer) -> dict[str, str]:
        names = set(offer.of(kind)) if kind in WHOLE else self.names[kind]
        return {name: one.version for name, one in offer.of(kind).items() if name in names}

    def deliver(self) -> None:
        """The proxy takes the oldest answer on its way, and says so."""
        answer = self.way.popleft()
        kind = answer.kind
        self.nonce[kind] = answer.nonce
        carried = {one.name: one.version for one in answer.resources}
        if self.bad & set(carried.values()):
            reply = self.reply(kind, answer.nonce, "it is bad")
        else:
            kept = {} if self.dialect is Dialect.STATE else self.has[kind]
            self.has[kind] = {name: kept[name] for name in kept if name not in answer.removed} | carried
            if kind in NAMED:
                self.has[kind] = {n: v for n, v in self.has[kind].items() if n in self.names[kind]}
            self.version[kind] = answer.version
            reply = self.reply(kind, answer.nonce)
        self.asked_again -= {(kind, name) for name in carried}
        self.feed(reply)

    def reply(self, kind: Kind, nonce: str, refusal: str | None = None) -> Requested:
        if self.dialect is Dialect.DELTA:
            return Requested(kind, nonce, refusal)
        names = tuple(sorted(self.names.get(kind, ())))
        return Requested(kind, nonce, refusal, names, version=self.version[kind])

    @rule(clusters=contents, listeners=contents, secrets=contents, routes=contents, first=st.integers(0, BAD - 1))
    def publish(
        self,
        clusters: dict[str, int],
        listeners: dict[str, int],
        secrets: dict[str, int],
        routes: dict[str, int],
        first: int,
    ) -> None:
        chosen = {
            Kind.CLUSTER: {"a": first} | clusters,
            Kind.LISTENER: {"a": first} | listeners,
            Kind.SECRET: secrets,
            Kind.ROUTE: routes,
        }
        self.offer = Offer(
            tuple(resource(kind, name, number) for kind, made in chosen.items() for name, number in made.items())
        )
        self.bad |= {
            resource(kind, name, number).version
            for kind, made in chosen.items()
            for name, number in made.items()
            if number > BAD
        }
        self.feed(Offered(self.offer))

    @rule(kind=st.sampled_from(NAMED), name=st.sampled_from(NAMES))
    def subscribe(self, kind: Kind, name: str) -> None:
        if self.dialect is Dialect.STATE and name in self.names[kind]:
            return
        if name in self.names[kind]:
            self.asked_again.add((kind, name))
        self.names[kind].add(name)
        self.ask(kind, name)

    @rule(kind=st.sampled_from(NAMED), name=st.sampled_from(NAMES))
    def unsubscribe(self, kind: Kind, name: str) -> None:
        if name in self.names[kind] and (len(self.names[kind]) > 1 or self.dialect is Dialect.DELTA):
            self.names[kind].discard(name)
            self.has[kind].pop(name, None)
            self.ask(kind, unsubscribe=(name,))

    @precondition(lambda self: self.way)
    @rule()
    def answer_arrives(self) -> None:
        self.deliver()

    @rule(kind=st.sampled_from(KINDS), refusal=st.none() | st.just("no"))
    def stale_answer(self, kind: Kind, refusal: str | None) -> None:
        if self.nonce[kind]:
            self.feed(self.reply(kind, "no such nonce", refusal))

    @rule()
    def retry(self) -> None:
        self.feed(RetryDue())

    @rule()
    def reconnect(self) -> None:
        self.connect()

    @invariant()
    def nothing_is_sent_twice_at_once(self) -> None:
        kinds = [answer.kind for answer in self.way]
        assert len(kinds) == len(set(kinds))

    def teardown(self) -> None:
        for _ in range(200):
            if not self.way:
                break
            self.deliver()
        assert not self.way, "it never comes to rest"
        if self.offer is None:
            return
        for kind in KINDS:
            wanted = self.wanted(kind, self.offer)
            if self.dialect is Dialect.DELTA:
                self.check_each(kind, wanted)
            elif not self.bad & set(wanted.values()):
                self.check_all(kind, wanted)

    def check_each(self, kind: Kind, wanted: dict[str, str]) -> None:
        for name, version in wanted.items():
            told = self.reported.get(f"{kind.name.lower()}/{name}")
            assert told is not None
            assert told.desired == version
            if version in self.bad:
                assert told.held != version
                assert told.refusal == "it is bad"
            else:
                assert self.has[kind].get(name) == version == told.held

    def check_all(self, kind: Kind, wanted: dict[str, str]) -> None:
        runs = self.has[kind]
        assert {name: runs.get(name) for name in wanted} == wanted


class DeltaHistory(History):
    dialect = Dialect.DELTA


class StateHistory(History):
    dialect = Dialect.STATE


bounded = settings(stateful_step_count=40)
TestDelta = DeltaHistory.TestCase
TestDelta.settings = bounded
TestState = StateHistory.TestCase
TestState.settings = bounded
