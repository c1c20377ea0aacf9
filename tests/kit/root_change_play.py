"""Transcripts of a change of root: `>>` tells the machine something, `<<` is all that it answers, and asserts so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trustplane.rotation.change_root import (
    Effect,
    Event,
    Looked,
    MakeRoot,
    Noticed,
    PrepareIssuers,
    Publish,
    Switch,
    feed,
)
from trustplane.rotation.root_change import (
    LinkBelow,
    Order,
    Participant,
    Phase,
    RootChange,
    Seen,
    Survey,
    begun,
)
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import AuthorityId, AuthorityState

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
AGE = timedelta(minutes=15)
LATE = NOON + HOUR + AGE
OLD, NEW = AuthorityId("0" * 64), AuthorityId("f" * 64)
AGENT, WEB = Participant("agent node-a"), Participant("sidecar shop/web on node-a")
LINK = Participant("link spiffe://acme.example/a -> spiffe://acme.example/b")
STAGED, PREPARED, ACTIVE = AuthorityState.STAGED, AuthorityState.PREPARED, AuthorityState.ACTIVE
DRAINING, RETIRED = AuthorityState.DRAINING, AuthorityState.RETIRED
OLDS, NEWS, BOTH = frozenset({OLD}), frozenset({NEW}), frozenset({OLD, NEW})
ORDER = Order("ann", "yearly rotation")


def the_agent(trusts: frozenset[AuthorityId] = OLDS, shows: frozenset[AuthorityId] = OLDS) -> Seen:
    return Seen(AGENT, trusts, None, shows, NOON)


def the_sidecar(
    trusts: frozenset[AuthorityId] = OLDS,
    accepts: frozenset[AuthorityId] = frozenset(),
    shows: frozenset[AuthorityId] = OLDS,
) -> Seen:
    return Seen(WEB, trusts, accepts, shows, NOON)


def a_survey(
    *seen: Seen,
    roots: Mapping[AuthorityId, AuthorityState],
    ready: frozenset[AuthorityId] = BOTH,
    last_leaf: datetime = NOON + HOUR,
) -> Looked:
    return Looked(Survey(roots, ready, seen, {OLD: last_leaf}, AGE))


NOTHING_MADE = a_survey(the_agent(), the_sidecar(), roots={OLD: ACTIVE})
MADE = a_survey(the_agent(), the_sidecar(), roots={OLD: ACTIVE, NEW: STAGED}, ready=OLDS)
READY = a_survey(the_agent(), the_sidecar(), roots={OLD: ACTIVE, NEW: STAGED})
PUBLISHED = {OLD: ACTIVE, NEW: PREPARED}
NOBODY_TOOK_IT_UP = a_survey(the_agent(), the_sidecar(), roots=PUBLISHED)
ONE_TOOK_IT_UP = a_survey(the_agent(BOTH), the_sidecar(), roots=PUBLISHED)
ALL_TOOK_IT_UP = a_survey(the_agent(BOTH), the_sidecar(BOTH), roots=PUBLISHED)
PROVEN = a_survey(the_agent(BOTH), the_sidecar(BOTH, NEWS), roots=PUBLISHED)
SWITCHED = {OLD: DRAINING, NEW: ACTIVE}
OLD_LEAVES = a_survey(the_agent(BOTH, OLDS), the_sidecar(BOTH, NEWS, OLDS), roots=SWITCHED)
ONE_NEW_LEAF = a_survey(the_agent(BOTH, NEWS), the_sidecar(BOTH, NEWS, OLDS), roots=SWITCHED)
NEW_LEAVES = a_survey(the_agent(BOTH, NEWS), the_sidecar(BOTH, NEWS, NEWS), roots=SWITCHED)
LEFT = {OLD: RETIRED, NEW: ACTIVE}
STILL_BOTH = a_survey(the_agent(BOTH, NEWS), the_sidecar(NEWS, NEWS, NEWS), roots=LEFT)
ALL_NEW = a_survey(the_agent(NEWS, NEWS), the_sidecar(NEWS, NEWS, NEWS), roots=LEFT)


@dataclass
class Play:
    change: RootChange = field(default_factory=lambda: begun(1, OLD, ORDER, NOON))
    at: datetime = NOON
    answer: tuple[Effect, ...] = ()

    def __rshift__(self, told: Event | datetime) -> Play:
        if isinstance(told, datetime):
            self.at = told
        else:
            self.change, self.answer = feed(self.change, told, self.at)
        return self

    def __lshift__(self, expected: Effect | Phase | None) -> Play:
        wanted: tuple[Effect, ...] = ()
        if expected is not None:
            wanted = (Noticed(expected) if isinstance(expected, Phase) else expected,)
        assert self.answer == wanted
        return self

    def __bool__(self) -> bool:
        return True


def at_the_switch() -> Play:
    return (
        Play()
        >> NOTHING_MADE
        << MakeRoot()
        >> MADE
        << PrepareIssuers(NEW)
        >> READY
        << Publish(NEW)
        >> NOBODY_TOOK_IT_UP
        << Phase.PUBLISH
        >> ALL_TOOK_IT_UP
        << Phase.VERIFY
        >> PROVEN
        << Phase.SWITCH
    )


def draining() -> Play:
    return at_the_switch() >> PROVEN << Switch(OLD, NEW) >> OLD_LEAVES << None >> NEW_LEAVES << Phase.DRAIN


def link_below(root: AuthorityId | None, *, is_seen: bool = True) -> LinkBelow:
    return LinkBelow(LINK, "caller", "5f0c", root, NodeName("node-a"), NOON, is_seen=is_seen)
