"""A change of root against any history: whoever is shown a valid certificate trusts its root, and it comes to an end.

The world here is what is true; the machine is told only what was reported, late, twice, or not at all. Servers crash
between what they store and what they do, two of them act on one record, and clocks are set back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.kit.root_change_peers import NOON, Connection, Leaf, Peer
from trustplane.fault import Refused
from trustplane.registry.view import AGAIN
from trustplane.rotation.change_root import (
    Effect,
    Event,
    Excused,
    GoneBack,
    Looked,
    MakeRoot,
    Paused,
    PrepareIssuers,
    Publish,
    Remake,
    Resumed,
    Retire,
    Switch,
    feed,
)
from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Seen, Survey, Waiver, begun
from trustplane.trust.authority import AuthorityId, AuthorityState

LEAF_LIFE = timedelta(seconds=60)
LONGEST_CONNECTION = timedelta(seconds=45)
WAIVER_LIFE = timedelta(seconds=40)
NEVER = NOON + timedelta(days=10_000)
PUBLISHED = {AuthorityState.PREPARED, AuthorityState.ACTIVE, AuthorityState.DRAINING}
FIRST = AuthorityId(f"{0:064x}")
seconds = st.sampled_from([1, 10, 30, 70]).map(lambda number: timedelta(seconds=number))
someone = st.integers(0, 5)


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.behind = timedelta(0)
        self.roots = {FIRST: AuthorityState.ACTIVE}
        self.ready = {FIRST}
        self.last_leaf: dict[AuthorityId, datetime] = {}
        self.copies: list[tuple[Participant, Leaf]] = []
        self.connections: list[Connection] = []
        self.order = ""  # what nodes are told
        self.are_all_measured = False
        self.peers: list[Peer] = []
        self.history: list[RootChange] = []
        self.undone: list[tuple[RootChange, Effect]] = []
        self.waived: set[Participant] = set()

    @initialize(urgent=st.sampled_from([False, False, False, True]), all_drain=st.booleans())
    def the_first_change_begins(self, urgent: bool, all_drain: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        self.are_all_measured = all_drain
        for _ in range(3):
            self.add_peer(drains=all_drain)
        self.history.append(begun(1, FIRST, Order("ann", "why", is_emergency=urgent), self.clock))

    @property
    def is_urgent(self) -> bool:
        """Ever: what an emergency gives up is not there afterwards either."""
        return any(one.is_emergency for one in self.history)

    @property
    def clock(self) -> datetime:
        return self.now - self.behind

    @property
    def published(self) -> frozenset[AuthorityId]:
        return frozenset(root for root, state in self.roots.items() if state in PUBLISHED)

    @property
    def change(self) -> RootChange | None:
        return self.history[-1] if self.history and not self.history[-1].phase.is_over else None

    def peer(self, number: int) -> Peer:
        return self.peers[number % len(self.peers)]

    def issue(self, name: Participant) -> Leaf:
        root = next(root for root, state in self.roots.items() if state is AuthorityState.ACTIVE)
        leaf = Leaf(root, self.clock + LEAF_LIFE)
        self.last_leaf[root] = max(self.last_leaf.get(root, leaf.ends), leaf.ends)
        if leaf.ends > self.now:  # a clock that is far behind issues what is over already
            self.copies.append((name, leaf))
        return leaf

    def add_peer(self, *, drains: bool) -> None:
        kind = "sidecar shop/web on" if drains else "workload web on"
        name = Participant(f"{kind} node-{len(self.peers)}")
        self.peers.append(Peer(name, self.published, self.issue(name), drains=drains))

    def survey(self) -> Survey:
        seen = tuple(
            replace(
                one.heard
                or Seen(
                    one.name,
                    frozenset(),
                    frozenset(),
                    frozenset(),
                    None,
                    remade=frozenset() if one.drains else None,
                ),
                is_away=not one.awake,
            )
            for one in self.peers
        )
        ready, last = frozenset(self.ready), dict(self.last_leaf)
        return Survey(dict(self.roots), ready, seen, last, LONGEST_CONNECTION, self.are_all_measured)

    def store(self, change: RootChange, event: Event) -> None:
        """What one replica reads, feeds and stores; what is to be done lies in its memory."""
        fed, effects = feed(change, event, self.clock)
        stored = replace(fed, version=change.version + 1)
        self.history[-1] = stored
        self.undone += [(stored, effect) for effect in effects]

    def do(self, change: RootChange, effect: Effect) -> None:
        is_newest = self.history[-1] == change
        match effect:
            case MakeRoot():
                self.make_root()
            case PrepareIssuers(root):
                self.ready.add(root)
            case Publish(root):
                if self.roots[root] is AuthorityState.STAGED:
                    self.roots[root] = AuthorityState.PREPARED
            case Switch(leaving, coming):
                if is_newest and self.roots[coming] in {AuthorityState.PREPARED, AuthorityState.DRAINING}:
                    self.switch(leaving, coming)
            case Remake(order):
                self.order = order.partition(AGAIN)[0]
            case Retire(root):
                if is_newest and self.roots[root] not in {AuthorityState.ACTIVE, AuthorityState.RETIRED}:
                    self.retire(root)
            case _:
                return

    def make_root(self) -> None:
        if AuthorityState.STAGED not in self.roots.values():
            self.roots[AuthorityId(f"{len(self.roots):064x}")] = AuthorityState.STAGED

    def switch(self, leaving: AuthorityId, coming: AuthorityId) -> None:
        awake = [one for one in self.peers if one.awake or not self.is_urgent]
        unready = [one.name for one in awake if coming not in one.trusts and one.name not in self.waived]
        assert not unready, f"{unready} would refuse what the new root signs"
        assert coming in self.ready, "nobody could sign"
        self.roots.update({leaving: AuthorityState.DRAINING, coming: AuthorityState.ACTIVE})

    def retire(self, root: AuthorityId) -> None:
        if self.is_urgent:
            self.roots[root] = AuthorityState.RETIRED
            return
        alive = [name for name, leaf in self.copies if leaf.root == root and leaf.ends > self.now]
        assert not set(alive) - self.waived, f"leaves of {alive} still depend on it"
        open_now = [one for one in self.connections if one.root == root and one.until > self.now]
        assert not [one for one in open_now if one.at not in self.waived], "a connection does"
        self.roots[root] = AuthorityState.RETIRED

    @precondition(lambda self: self.change is None and len(self.history) < 3)
    @rule()
    def a_change_begins(self) -> None:
        root = next(root for root, state in self.roots.items() if state is AuthorityState.ACTIVE)
        self.history.append(begun(len(self.history) + 1, root, Order("ann", "why"), self.clock))

    @precondition(lambda self: self.change is not None)
    @rule()
    def a_server_looks(self) -> None:
        assert self.change is not None
        self.store(self.change, Looked(self.survey()))

    @precondition(lambda self: self.change is not None)
    @rule()
    def a_server_looks_and_acts(self) -> None:
        self.a_server_looks()
        self.it_acts()

    @precondition(lambda self: self.undone)
    @rule(which=st.integers(0, 10), twice=st.booleans())
    def a_server_acts_late(self, which: int, twice: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        change, effect = self.undone[which % len(self.undone)]
        self.do(change, effect)
        if not twice:
            self.undone.remove((change, effect))

    @rule()
    def every_server_crashes(self) -> None:
        self.undone.clear()

    @rule(number=someone)
    def a_push_arrives(self, number: int) -> None:
        peer = self.peer(number)
        if peer.awake:
            peer.take_up(self.published)

    @rule(number=someone)
    def one_begins_or_ends_to_lie(self, number: int) -> None:
        peer = self.peer(number)
        peer.lies = not peer.lies

    @rule(number=someone)
    def an_order_arrives(self, number: int) -> None:
        peer = self.peer(number)
        if peer.awake:
            peer.order = self.order

    @rule(number=someone, some=st.integers(0, 2))
    def connections_of_before_end(self, number: int, some: int) -> None:
        """Not all at once: the requests on them take their time. What is left is looked at then."""
        peer = self.peer(number)
        if peer.drains and peer.awake:
            self.end_connections(peer, some)
            peer.say()

    def end_connections(self, peer: Peer, some: int) -> None:
        def is_of_before(one: Connection) -> bool:
            return one.at == peer.name and one.order != peer.order

        for one in [one for one in self.connections if is_of_before(one)][:some]:
            self.connections.remove(one)
        if peer.order and not any(map(is_of_before, self.connections)):
            peer.shown |= {peer.order}

    @rule(number=someone)
    def a_leaf_is_renewed(self, number: int) -> None:
        peer = self.peer(number)
        if peer.awake:
            peer.leaf = self.issue(peer.name)
            peer.say()

    @rule(number=someone)
    def a_probe_is_made(self, number: int) -> None:
        peer = self.peer(number)
        signers = {root for root in self.ready if self.roots[root] is AuthorityState.PREPARED}
        if peer.awake:
            peer.accepts |= signers & peer.trusts
            peer.say()

    @rule(number=someone, again=st.booleans())
    def a_report_arrives(self, number: int, again: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        peer = self.peer(number)
        if peer.unheard:
            peer.heard = peer.unheard[0] if again else peer.unheard.pop(0)

    @rule(rounds=st.integers(1, 4), much=st.integers(0, 10).map(lambda number: timedelta(seconds=number)))
    def all_goes_well_for_a_while(self, rounds: int, much: timedelta) -> None:
        """With whoever is awake; without such times few histories would get far."""
        for _ in range(rounds):
            self.all_goes_well()
            self.time_passes(much)

    def all_goes_well(self) -> None:
        for peer in self.peers:
            if peer.awake:
                peer.leaf = self.issue(peer.name)
                peer.take_up(self.published)
                peer.accepts |= peer.trusts
                peer.order = self.order
                if peer.drains:
                    self.end_connections(peer, len(self.connections))
                peer.say(self.published)
                peer.heard, peer.unheard = peer.unheard[-1], []
        for where in range(len(self.peers)):
            self.a_connection_is_made(0, where)  # with the oldest of all valid leaves
        if self.change is not None:
            self.a_server_looks_and_acts()

    @rule(number=someone)
    def one_falls_asleep_or_wakes(self, number: int) -> None:
        peer = self.peer(number)
        peer.awake = not peer.awake

    @precondition(lambda self: len(self.peers) < 5)
    @rule(drains=st.booleans())
    def one_more_comes(self, drains: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        self.add_peer(drains=drains)

    @rule(number=st.integers(0, 50), where=someone)
    def a_connection_is_made(self, number: int, where: int) -> None:
        """With any leaf that is valid, also one that its owner has replaced."""
        if self.copies:
            name, leaf = self.copies[number % len(self.copies)]
            if name not in self.waived:
                at = self.peer(where)
                until = self.now + LONGEST_CONNECTION
                self.connections.append(Connection(leaf.root, until, at.name, at.order))

    @precondition(lambda self: self.copies)
    @rule(rounds=st.integers(0, 6))
    def the_last_leaf_is_used_to_its_last_second(self, rounds: int) -> None:
        """By whoever kept it, everywhere: no connection that depends on its root is open for longer."""
        draining = [one for one in self.copies if self.roots[one[1].root] is AuthorityState.DRAINING]
        name, leaf = max(draining or self.copies, key=lambda one: one[1].ends)
        self.time_passes(max(leaf.ends - self.now - timedelta(seconds=1), timedelta(0)))
        if name not in self.waived:
            until = self.now + LONGEST_CONNECTION
            self.connections += [Connection(leaf.root, until, one.name, one.order) for one in self.peers]
        self.time_passes(timedelta(seconds=2))
        for _ in range(rounds):
            self.all_goes_well()

    @rule(much=seconds)
    def time_passes(self, much: timedelta) -> None:
        self.now += much
        self.copies = [(name, leaf) for name, leaf in self.copies if leaf.ends > self.now]
        self.connections = [one for one in self.connections if one.until > self.now]

    @rule(much=seconds)
    def the_servers_clock_is_set_back(self, much: timedelta) -> None:
        self.behind += much

    @rule()
    def the_servers_clock_is_set_right(self) -> None:
        self.behind = timedelta(0)

    @precondition(lambda self: self.change is not None)
    @rule(event=st.sampled_from([Paused(), Resumed(), Resumed(), GoneBack()]))
    def an_operator_acts(self, event: Event) -> None:
        assert self.change is not None
        try:
            self.store(self.change, event)
        except Refused:
            late = {Phase.RETIRE, Phase.VERIFY_AGAIN}
            assert isinstance(event, GoneBack)
            assert self.change.is_going_back or self.change.phase in late

    @precondition(lambda self: self.change is not None)
    @rule(number=someone)
    def one_is_waived(self, number: int) -> None:
        assert self.change is not None
        name = self.peer(number).name
        waiver = Waiver(name, "gone", "team", "ann", self.clock, self.clock + WAIVER_LIFE)
        self.waived.add(name)
        self.store(self.change, Excused(waiver))

    @invariant()
    def who_shows_a_valid_certificate_is_trusted_by_all(self) -> None:
        for name, leaf in self.copies if not self.is_urgent else ():
            for peer in self.peers:
                if leaf.ends > self.now and {name, peer.name}.isdisjoint(self.waived):
                    assert leaf.root in peer.trusts, f"{peer.name} would refuse {name} in {self.history}"

    @invariant()
    def one_root_signs(self) -> None:
        assert list(self.roots.values()).count(AuthorityState.ACTIVE) == 1

    def it_acts(self) -> None:
        while self.undone:
            self.do(*self.undone.pop())

    def teardown(self) -> None:
        """Whatever happened: once everyone is awake, it comes to its end by itself."""
        self.undone.clear()
        self.behind = timedelta(0)
        if self.change is not None:
            self.store(self.change, Resumed())
        for _ in range(100):
            if self.change is None:
                break
            for peer in self.peers:
                peer.awake, peer.lies = True, False
            self.all_goes_well()
            self.who_shows_a_valid_certificate_is_trusted_by_all()
            self.time_passes(timedelta(seconds=8))
        assert self.change is None, self.history[-1]
        assert all(one.phase in {Phase.DONE, Phase.ABORTED} for one in self.history)


HISTORIES = 3 * settings().max_examples

TestChangeOfRoot = World.TestCase
TestChangeOfRoot.settings = settings(max_examples=HISTORIES, stateful_step_count=60, deadline=None)
