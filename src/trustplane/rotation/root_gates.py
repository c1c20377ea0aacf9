"""The gates of a change of root: whom and what each phase waits for, and what would unblock it.

A gate is open when it waits for nothing. What a participant proved opens it; time alone never does, it only adds to
what a phase waits for. What ends by itself is what has an end: a leaf, and a connection, whose age is bounded. Where
every connection is measured, proof opens that gate before the age does. The exception is another trust domain that can
show nothing: it is given time to fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from trustplane.rotation.root_change import Participant, ParticipantKind, Phase, RootChange, Seen, Survey
from trustplane.spiffe.names import ClusterName
from trustplane.trust.authority import AuthorityId, AuthorityState

# What an emergency buys its speed with.
EMERGENCY_GIVES_UP = (
    "participants that are away are not waited for: they refuse others, and are refused, until they come back",
    "certificates that are still valid are not waited for: whoever kept one without reading on is refused later",
    "open connections made with such certificates are not waited for: they last until their age ends them",
    "other trust domains without a fresh statement are not waited for: calls across fail until they have fetched",
)


class Lack(Enum):
    """What is not proven yet."""

    DOUBT = "contradicts what it acknowledged, or has stopped listening"
    ROOT = "has not taken up the bundle with both roots"
    PROBE = "has not let in a probe whose certificate chains to the new root"
    LEAF = "still shows an identity below the root that leaves"
    LIVE_LEAF = "certificates below the root that leaves are still valid"
    LINK = "was seen on a connection made with a certificate below the root that leaves"
    CONNECTION = "connections made with them may still be open"
    OLD_ROOT = "still trusts the root that left"
    ISSUERS = "a server has no issuing authority below the root to come"


@dataclass(frozen=True, slots=True)
class Waiting:
    """`participant` is None where no one can be named. `until`: when it ends by itself, if it does."""

    lack: Lack
    participant: Participant | None
    since: datetime | None
    until: datetime | None = None
    refusal: str = ""
    is_away: bool = False
    cluster: ClusterName | None = None
    told: str = ""

    @property
    def because(self) -> str:
        """What is not proven yet, or what another trust domain shows instead of a proof."""
        return self.told or self.lack.value

    @property
    def unblock(self) -> str:
        """What an operator can do."""
        if self.participant is None:
            return "nothing; it ends by itself" if self.until else "look at the servers' logs"
        if self.participant.kind is ParticipantKind.DOMAIN:
            return _unblocking_domain(self.participant.name.partition(" ")[2], is_timed=self.until is not None)
        if self.lack is Lack.DOUBT:
            node = self.participant.name.rpartition(" ")[2]
            return f"on {node}: look at that proxy's process (ps: state T is stopped); wake it or start it anew"
        if self.lack is Lack.CONNECTION and not self.is_away:
            return "nothing, if its requests end; how many are open: trustplane agent status, on its node"
        if self.refusal:
            return "its proxy refused what it was sent: see the refusal, and the end of the sidecar's log"
        return _unblocking(self.participant, is_away=self.is_away)


def _unblocking(participant: Participant, *, is_away: bool) -> str:
    node = participant.name.rpartition(" ")[2]
    match participant.kind:
        case ParticipantKind.LINK:
            return "nothing, it ends with the connection's age; if not, start that caller's sidecar anew"
        case ParticipantKind.SERVER:
            return f"start the server {node}, or waive it: trustplane rotate waive"
        case ParticipantKind.WORKLOAD if not is_away:
            return f"on {node}: look whether that process still reads its Workload API stream"
        case ParticipantKind.SIDECAR | ParticipantKind.ENVOY if not is_away:
            return f"on {node}: trustplane agent status, and the end of the proxy's log"
        case _:
            return f"on {node}: trustplane agent status; start or wake the agent"


def _unblocking_domain(name: str, *, is_timed: bool) -> str:
    if is_timed:
        return "nothing; it ends by itself"
    return f"trustplane federation status; then ask the operators of {name}, or waive it: trustplane rotate waive"


def waits(change: RootChange, survey: Survey, at: datetime) -> tuple[Waiting, ...]:
    """Whom and what this phase waits for now."""
    return tuple(_waits(change, survey, at)) if change.coming else ()


def _waits(change: RootChange, survey: Survey, at: datetime) -> Iterator[Waiting]:
    if change.phase is not Phase.PREPARE and not change.phase.is_over:
        yield from _lacking(change, survey, at, Lack.DOUBT)
    match change.phase:
        case Phase.PUBLISH:
            yield from _lacking(change, survey, at, Lack.ROOT)
        case Phase.SWITCH if change.coming and survey.roots.get(change.coming) is AuthorityState.ACTIVE:
            yield from _lacking(change, survey, at, Lack.LEAF)
        case Phase.VERIFY | Phase.SWITCH:
            yield from _unready(change, survey, at)
        case Phase.DRAIN | Phase.RETIRE:
            yield from _depending(change, survey, at)
        case Phase.VERIFY_AGAIN:
            yield from _lacking(change, survey, at, Lack.OLD_ROOT)
        case _:
            return


def last_leaf_of(change: RootChange, survey: Survey) -> datetime | None:
    """When the last leaf below the leaving root ends: what has ended is soon forgotten by all but the change."""
    known = (change.last_leaf, survey.last_leaf.get(change.leaving))
    return max((one for one in known if one is not None), default=None)


def was_never_used(root: AuthorityId, survey: Survey) -> bool:
    """Whether nothing in use can depend on it, as it has never signed but for probes."""
    return survey.roots.get(root) in {AuthorityState.STAGED, AuthorityState.PREPARED, None}


def _unready(change: RootChange, survey: Survey, at: datetime) -> Iterator[Waiting]:
    """Who has not proved that the root to come may sign; going back, it has signed before."""
    yield from _lacking(change, survey, at, Lack.ROOT)
    if not change.is_going_back:
        yield from _lacking(change, survey, at, Lack.PROBE)
    if change.coming not in survey.are_issuers_ready:
        yield Waiting(Lack.ISSUERS, None, change.since)


def _depending(change: RootChange, survey: Survey, at: datetime) -> Iterator[Waiting]:
    """What would break if the leaving root left now."""
    yield from _lacking(change, survey, at, Lack.LEAF)
    yield from _lacking(change, survey, at, Lack.ROOT)
    if was_never_used(change.leaving, survey) or change.is_emergency:
        return
    yield from _linked(change, survey, at)
    ends = last_leaf_of(change, survey)
    if ends is not None and at <= ends:
        yield Waiting(Lack.LIVE_LEAF, None, change.since, until=ends)
    # Whoever kept a leaf that others have replaced may have connected with it until it ended.
    replaced = change.replaced_at or at
    recycled = max(replaced, ends or replaced) + survey.longest_connection
    if at <= recycled:
        yield from _connected(change, survey, at, recycled)


def _connected(change: RootChange, survey: Survey, at: datetime, recycled: datetime) -> Iterator[Waiting]:
    """Sidecars that have not shown yet that no connection of before is left, and whatever nobody measures."""
    is_excused = excused(change, at)
    unmeasured = not survey.are_all_measured
    for one in survey.seen:
        if one.participant.kind not in _CONNECTING or is_excused(one):
            continue
        if one.remade is None:
            unmeasured = True
        elif not change.remake or change.remake not in one.remade:
            since = change.remade_from or change.since
            yield Waiting(Lack.CONNECTION, one.participant, since, is_away=one.is_away, cluster=one.cluster)
    if unmeasured:
        yield Waiting(Lack.CONNECTION, None, change.since, until=recycled)


_AGAIN_AFTER = timedelta(seconds=5)

# Agents and servers make their connections anew with each identity of theirs.
_CONNECTING = frozenset({ParticipantKind.SIDECAR, ParticipantKind.ENVOY, ParticipantKind.WORKLOAD})


def may_be_remade(change: RootChange, survey: Survey, at: datetime) -> bool:
    """Whether nothing but open connections is waited for, seen in use or not, so that what is connected anew from then
    on shows nothing of the leaving root; and whether anyone would show that it is done."""
    lacks = {one.lack for one in waits(change, survey, at)}
    is_all_of_connections = Lack.CONNECTION in lacks and lacks <= {Lack.CONNECTION, Lack.LINK}
    return is_all_of_connections and any(one.remade is not None for one in survey.seen)


def must_be_remade_again(change: RootChange, survey: Survey, at: datetime) -> bool:
    """Whether someone who is there has not shown it for so long that the order is given again, ever more rarely.

    A caller may follow the order before its callee does, which then takes the new connection for one of before.
    """
    if change.remade_from is None:
        return False
    last = change.remade_again or change.remade_from
    if at < last + max(_AGAIN_AFTER, last - change.remade_from):
        return False
    return any(
        one.lack is Lack.CONNECTION and one.participant is not None and not one.is_away
        for one in waits(change, survey, at)
    )


def _lacking(change: RootChange, survey: Survey, at: datetime, lack: Lack) -> Iterator[Waiting]:
    is_fit, is_excused = _judge(change, lack), excused(change, at)
    for one in survey.seen:
        due = _due(change, lack, one)
        is_said = one.doubt and lack is not Lack.DOUBT  # whatever else it lacks, that is the reason
        is_timely = due is None or at >= due
        if is_said or (is_fit(one) and is_timely) or is_excused(one):
            continue
        until = due if is_fit(one) else None
        yield replace(_wanting(lack, one), until=until)


def _wanting(lack: Lack, one: Seen) -> Waiting:
    return Waiting(
        lack,
        one.participant,
        one.since,
        refusal=one.doubt or one.refusal,
        is_away=one.is_away,
        cluster=one.cluster,
        told=one.told,
    )


def excused(change: RootChange, at: datetime) -> Callable[[Seen], bool]:
    """Whom nothing is waited for: by a waiver, or, if away, by its cluster's waiver or by an emergency.

    Who of a waived cluster is there is waited for all the same: it can prove what it holds, and breaks if it does not.
    """
    waived = change.waived(at)
    clusters = frozenset(one.name.partition(" ")[2] for one in waived if one.kind is ParticipantKind.CLUSTER)

    def is_excused(one: Seen) -> bool:
        if one.participant in waived:
            return True
        return one.is_away and (change.is_emergency or (one.cluster is not None and one.cluster.name in clusters))

    return is_excused


def _due(change: RootChange, lack: Lack, one: Seen) -> datetime | None:
    """From when on time has shown what nothing else can. None: it is no question of time, or not yet one."""
    if one.takes is None:
        return None
    match lack:
        case Lack.ROOT if not change.is_going_back:  # the root of before never left
            return (change.published_at or change.since) + one.takes
        case Lack.OLD_ROOT:
            return (change.left_at or change.since) + one.takes
        case _:
            return None


def _linked(change: RootChange, survey: Survey, at: datetime) -> Iterator[Waiting]:
    """Connections in use that depend on the leaving root; one that nobody sees may be there all the same."""
    waived = change.waived(at)
    named: set[Participant] = set()
    for one in survey.links:
        if one.is_seen and one.root == change.leaving and one.participant not in waived | named:
            named.add(one.participant)
            yield Waiting(Lack.LINK, one.participant, one.since)


def _judge(change: RootChange, lack: Lack) -> Callable[[Seen], bool]:
    coming, leaving = change.coming, change.leaving
    match lack:
        case Lack.DOUBT:
            return lambda one: not one.doubt
        case Lack.ROOT:
            return lambda one: coming in one.trusts
        case Lack.PROBE:
            return lambda one: one.accepts is None or coming in one.accepts
        case Lack.LEAF:
            return lambda one: leaving not in one.shows
        case _:
            return lambda one: leaving not in one.trusts
