"""A change of root in virtual time, decided by the code that decides in production.

The machine is `rotation.change_root`, its gates are `rotation.root_gates`, what it is told comes from
`flows.roots.survey_trust`, leaves are renewed by the machines of `flows.simulation.simulate` and brought forward by
`rotation.leaving`. Imagined are the network, the keys, and how long a look at so many takes. What nodes hold is kept
apart from what they said, and every certificate is held against what is true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from trustplane.flows.issuing.keep_revocations import window_for
from trustplane.flows.node.probe_sidecars import ASK_AGAIN
from trustplane.flows.node.probe_sidecars import STEP as PROBE_AGAIN
from trustplane.flows.roots.change_root import REST
from trustplane.flows.roots.change_root import STEP as LOOK_AGAIN
from trustplane.flows.simulation.root_scenario import RootFigures, RootScenario, TwoRoots
from trustplane.flows.simulation.simulate import START, Fleet, Happening
from trustplane.flows.simulation.uptake import SERVER, Common, Told
from trustplane.registry.view import LeavingIssuer
from trustplane.rotation.change_root import (
    Effect,
    Looked,
    MakeRoot,
    Noticed,
    PrepareIssuers,
    Publish,
    Remake,
    Retire,
    Switch,
    feed,
)
from trustplane.rotation.leaf import Event, Moved
from trustplane.rotation.leaving import turn
from trustplane.rotation.root_change import Order, ParticipantKind, Phase, Survey, begun
from trustplane.rotation.root_gates import waits
from trustplane.spiffe.bundle import Bundle
from trustplane.trust.authority import Authority, AuthorityState
from trustplane.xds.inbound import last_open

LOOK_AT_ONE = timedelta(microseconds=100)  # of a look at everyone; `docs/decisions/0423` says where it is from
LONGEST_REQUEST = timedelta(seconds=15)  # of services that say nothing of it
ORDER = Order("simulation", "simulated")
_LEAVING, _COMING = 0, 1
_LONGEST_PUSH, _LONGEST_RETURN = 2.0, 30.0  # seconds

Tell = Callable[[Phase, timedelta], None]


def simulate_root_change(scenario: RootScenario, roots: TwoRoots, tell: Tell = lambda *_: None) -> RootFigures:
    """Run it until the change is done, or the scenario's time is over. `tell` hears of each phase."""
    return _ChangingFleet(scenario, roots, tell).change_root()


class _ChangingFleet(Fleet):
    """`_held` is the version of the bundle that each node truly holds, `_below` the root of each leaf."""

    def __init__(self, scenario: RootScenario, roots: TwoRoots, tell: Tell) -> None:
        nodes, holders = scenario.fleet.nodes, scenario.fleet.workloads
        self._changing = scenario
        self._roots = roots
        self._asleep = [0] * nodes
        self._missed: list[tuple[int, Event]] = []
        self._below = bytearray(holders)
        self._held = [0] * nodes
        self._bundles = [_bundle(roots.leaving)]
        self._trusted = [frozenset({_LEAVING})]
        self._without = [0, holders]  # participants that do not trust each root
        self._last_leaf = [START + scenario.fleet.lifetime, START]
        self._signing = _LEAVING
        self._leaving: LeavingIssuer | None = None
        self._states = {each.id: each for each in (roots.leaving, replace(roots.leaving_issuer, owner=SERVER))}
        self._change = begun(1, roots.leaving.id, ORDER, START)
        self._told = Told(scenario, self._bundles[0], roots.leaving_issuer.id, START)
        self._told.last_leaf[roots.leaving_issuer.id] = self._last_leaf[_LEAVING]
        self._longest_connection = last_open(scenario.fleet.lifetime, LONGEST_REQUEST)
        self._quiet_until: datetime | None = None
        self._tell_phase = tell
        super().__init__(scenario.fleet, lambda _: None, sampled=False)
        services = holders - scenario.count(ParticipantKind.AGENT)
        self._changed = RootFigures(scenario, self._figures, START, window=window_for(services))
        self._changed.entered(Phase.PREPARE, START)

    def change_root(self) -> RootFigures:
        self._call_at(START, self._look)
        self.run()
        if not self._is_over:
            end = START + self._of.length
            self._changed.phases[-1].ends = end
            self._changed.waiting = waits(self._change, self._survey(end), end)
        return self._changed

    # The servers.

    def _look(self, at: datetime) -> None:
        if self._change.phase.is_over:
            self._is_over = True
            return
        took = LOOK_AT_ONE * self._of.workloads
        self._call_at(at + took + max(LOOK_AGAIN, took * REST), self._look)
        # The machine is a function of what it is told: what it answered to the same before, it would answer again.
        is_settled = self._quiet_until is not None and at < self._quiet_until and not self._told.is_news
        if not self._down and not is_settled:
            self._look_at_all(at)

    def _look_at_all(self, at: datetime) -> None:
        self._changed.looks += 1
        survey = self._survey(at)
        fed, effects = feed(self._change, Looked(survey), at)
        is_same = fed == self._change
        self._change = fed
        for effect in effects:
            self._do(effect, at)
        self._quiet_until = self._next_end(survey, at) if is_same and not effects else None

    def _next_end(self, survey: Survey, at: datetime) -> datetime:
        """Until then nothing follows from the time alone."""
        ends = [one.until for one in waits(self._change, survey, at) if one.until is not None]
        return min(ends, default=START + self._of.length)

    def _survey(self, at: datetime) -> Survey:
        authorities = tuple(self._states.values())
        common = Common(authorities, self._bundles[-1], self._change, self._longest_connection)
        survey = self._told.survey(common, at)
        if self._changing.has_gates:
            return survey
        return replace(survey, seen=(), last_leaf={}, longest_connection=timedelta(0))

    def _do(self, effect: Effect, at: datetime) -> None:
        roots = self._roots
        match effect:
            case MakeRoot():
                self._now_is(roots.coming, AuthorityState.STAGED)
            case PrepareIssuers():
                self._now_is(replace(roots.coming_issuer, owner=SERVER), AuthorityState.PREPARED)
            case Publish():
                self._now_is(roots.coming, AuthorityState.PREPARED)
                self._publish(_bundle(roots.leaving, roots.coming), frozenset({_LEAVING, _COMING}), at)
            case Switch():
                self._switch(at)
            case Remake():
                return  # where everyone's connections end by age, nobody is asked to make them anew
            case Retire():
                self._judge_retirement(at)
                self._now_is(roots.leaving, AuthorityState.RETIRED)
                self._now_is(replace(roots.leaving_issuer, owner=SERVER), AuthorityState.RETIRED)
                self._publish(_bundle(roots.coming), frozenset({_COMING}), at)
            case Noticed(phase):
                self._changed.entered(phase, at)
                self._tell_phase(phase, at - START)
                if phase.is_over:
                    # Without gates most of what goes wrong comes afterwards.
                    rest = timedelta(0) if self._changing.has_gates else self._changed.window
                    self._call_at(at + rest, self._look)

    def _now_is(self, authority: Authority, state: AuthorityState) -> None:
        self._states[authority.id] = replace(authority, state=state)

    def _publish(self, bundle: Bundle, trusted: frozenset[int], at: datetime) -> None:
        self._bundles.append(bundle)
        self._trusted.append(trusted)
        self._told.publish(bundle)
        self._push_to_all(at)

    def _switch(self, at: datetime) -> None:
        roots = self._roots
        self._signing = _COMING
        self._now_is(roots.leaving, AuthorityState.DRAINING)
        self._now_is(replace(roots.leaving_issuer, owner=SERVER), AuthorityState.DRAINING)
        self._now_is(roots.coming, AuthorityState.ACTIVE)
        self._now_is(replace(roots.coming_issuer, owner=SERVER), AuthorityState.ACTIVE)
        self._leaving = LeavingIssuer(roots.leaving_issuer.id.key_id, at, self._changed.window)
        self._call_at(turn(0, self._leaving), self._renew_server)
        self._push_to_all(at)

    def _renew_server(self, _: datetime) -> None:
        self._told.server_issuer = self._roots.coming_issuer.id

    def _issue(self, workload: int, at: datetime) -> None:
        root = self._signing
        issuer = (self._roots.leaving_issuer, self._roots.coming_issuer)[root].id
        ends = at + self._of.lifetime
        self._below[workload] = root
        self._last_leaf[root] = self._told.last_leaf[issuer] = ends
        if refusing := self._without[root]:
            self._changed.refused += 1
            self._changed.refusing = max(self._changed.refusing, refusing)
        super()._issue(workload, at)
        # An agent's own is known to who issued it; of the others it is heard when they are.
        node, place = divmod(workload, self._of.per_node)
        if place == 0 or self._is_reachable(node):
            self._hear_of_leaf(workload, at)

    def _hear_of_leaf(self, workload: int, at: datetime) -> None:
        root = self._below[workload]
        issuer = (self._roots.leaving_issuer, self._roots.coming_issuer)[root].id
        if self._told.leaf(workload, issuer) and root == _COMING and self._is_shown(workload):
            self._changed.proved(Phase.SWITCH, self._told.name(workload), 1, at)

    def _is_shown(self, holder: int) -> bool:
        return self._changing.kind(holder) is not ParticipantKind.WORKLOAD

    def _judge_retirement(self, at: datetime) -> None:
        """By what is true, not by what was told."""
        self._changed.orphaned = sum(
            root == _LEAVING and ends is not None and ends > at
            for root, ends in zip(self._below, self._not_after, strict=True)
        )
        self._changed.margin = at - (self._last_leaf[_LEAVING] + self._longest_connection)

    # The nodes.

    def _is_reachable(self, node: int) -> bool:
        return not self._down and not self._cut[node] and not self._asleep[node]

    def _is_lost(self) -> bool:
        return self._of.loss > 0 and self._random.random() < self._of.loss

    def _push_to_all(self, at: datetime) -> None:
        for node in range(self._of.nodes):
            self._soon(at, _LONGEST_PUSH, partial(self._pushed, node))

    def _soon(self, at: datetime, seconds: float, happening: Happening) -> None:
        self._call_at(at + timedelta(seconds=self._random.uniform(0.05, seconds)), happening)

    def _pushed(self, node: int, at: datetime) -> None:
        """An update comes, unless there is no stream: then it comes with the next one."""
        if not self._is_reachable(node):
            return
        if self._is_lost():
            self._soon(at, _LONGEST_RETURN, partial(self._pushed, node))
            return
        self._take_up(node)
        if self._leaving is not None:
            self._bring_forward(node, self._leaving, at)
        self._soon(at, 1.0, partial(self._report, node))
        self._call_at(at + PROBE_AGAIN * self._random.uniform(1, 3), partial(self._probe, node))

    def _take_up(self, node: int) -> None:
        before, now = self._trusted[self._held[node]], self._trusted[-1]
        size = len(self._told.holders(node))
        for root in before - now:
            self._without[root] += size
        for root in now - before:
            self._without[root] -= size
        self._held[node] = len(self._bundles) - 1

    def _bring_forward(self, node: int, leaving: LeavingIssuer, at: datetime) -> None:
        for workload in self._told.holders(node):
            if self._below[workload] == _LEAVING:
                self._feed(workload, Moved(turn(workload, leaving)), at)

    def _report(self, node: int, at: datetime) -> None:
        if not self._is_reachable(node):
            return
        if self._is_lost():
            self._soon(at, _LONGEST_RETURN, partial(self._report, node))
            return
        version, holders = self._held[node], self._told.holders(node)
        if self._told.bundle(node, version, at):
            phase = Phase.VERIFY_AGAIN if _LEAVING not in self._trusted[version] else Phase.PUBLISH
            self._changed.proved(phase, self._told.name(holders[-1]), len(holders), at)
        for workload in holders:
            self._hear_of_leaf(workload, at)

    def _probe(self, node: int, at: datetime) -> None:
        coming = self._roots.coming.id
        is_asked = len(self._trusted[self._held[node]]) > 1 and self._states[coming].state is AuthorityState.PREPARED
        if not is_asked or not self._is_reachable(node):
            return
        if self._is_lost():
            self._call_at(at + ASK_AGAIN, partial(self._probe, node))
            return
        sidecars = [one for one in self._told.holders(node) if self._changing.kind(one) is ParticipantKind.SIDECAR]
        if self._told.probed(node, coming) and sidecars:
            self._changed.proved(Phase.VERIFY, self._told.name(sidecars[-1]), len(sidecars), at)

    # Who is away.

    def _planned(self) -> list[tuple[datetime, Happening]]:
        planned = super()._planned()
        for one in self._changing.asleep:
            nodes = self._some_nodes(one.share)
            planned.append((START + one.at, partial(self._fall_asleep, nodes)))
            planned.append((START + one.until, partial(self._wake, nodes)))
        return planned

    def _fall_asleep(self, nodes: list[int], _: datetime) -> None:
        for node in nodes:
            self._asleep[node] += 1
            self._told.presence(node, is_connected=False)

    def _wake(self, nodes: list[int], at: datetime) -> None:
        for node in nodes:
            self._asleep[node] -= 1
        missed, self._missed = self._missed, []
        for workload, event in missed:
            self._feed(workload, event, at)  # kept again for who still sleeps
        self._back(nodes, at)

    def _feed(self, workload: int, event: Event, at: datetime) -> None:
        if self._asleep[workload // self._of.per_node]:
            self._missed.append((workload, event))
        else:
            super()._feed(workload, event, at)

    def _back(self, nodes: list[int], at: datetime) -> None:
        """Each connects again, is told what it missed, and tells what it holds."""
        for node in nodes:
            if self._is_reachable(node):
                self._told.presence(node, is_connected=True)
                self._soon(at, _LONGEST_RETURN, partial(self._pushed, node))

    def _cut_off(self, nodes: list[int], change: int, at: datetime) -> None:
        super()._cut_off(nodes, change, at)
        for node in nodes:
            if self._cut[node]:
                self._told.presence(node, is_connected=False)
        self._back(nodes, at)

    def _servers_return(self, at: datetime) -> None:
        super()._servers_return(at)
        self._back(list(range(self._of.nodes)), at)

    def _restart(self, nodes: list[int], at: datetime) -> None:
        super()._restart(nodes, at)
        self._back(nodes, at)


def _bundle(*roots: Authority) -> Bundle:
    certificates = tuple(each.certificate for each in roots if each.certificate is not None)
    return Bundle(roots[0].trust_domain, certificates)
