"""A cluster is told of as one when it is cut off, and a waiver of it reaches no further than that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from trustplane.rotation.change_root import Excused, Looked, Noticed, feed
from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Seen, Survey, Waiver, begun
from trustplane.rotation.root_clusters import ClusterProgress, by_cluster
from trustplane.rotation.root_gates import waits
from trustplane.spiffe.names import ClusterName
from trustplane.trust.authority import AuthorityId, AuthorityState

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OLD, NEW = AuthorityId("0" * 64), AuthorityId("f" * 64)
EAST, WEST = ClusterName("east"), ClusterName("west")
CHANGE = replace(begun(1, OLD, Order("ann", "yearly"), NOON), coming=NEW, phase=Phase.PUBLISH)
BOTH, OLDS = frozenset({OLD, NEW}), frozenset({OLD})


def seen(name: str, cluster: ClusterName | None, *, trusts: frozenset[AuthorityId] = OLDS, away: bool = False) -> Seen:
    since = NOON - 2 * MINUTE if away else None
    return Seen(Participant(name), trusts, None, OLDS, NOON - MINUTE, is_away=away, cluster=cluster, away_since=since)


def survey(*everyone: Seen) -> Survey:
    roots = {OLD: AuthorityState.ACTIVE, NEW: AuthorityState.PREPARED}
    return Survey(roots, BOTH, everyone, {}, MINUTE)


def told(*everyone: Seen, change: RootChange = CHANGE) -> dict[str, ClusterProgress]:
    looked = survey(*everyone)
    return {str(one.name): one for one in by_cluster(looked.seen, waits(change, looked, NOON))}


def waived(cluster: ClusterName) -> RootChange:
    waiver = Waiver(Participant(f"cluster {cluster}"), "flooded", "ops", "ann", NOON, NOON + MINUTE)
    return feed(CHANGE, Excused(waiver), NOON)[0]


HERE = seen("agent east-1", EAST, trusts=BOTH)
LATE = seen("sidecar shop/web on east-1", EAST)
GONE = seen("agent west-1", WEST, away=True)
ALSO_GONE = seen("sidecar shop/pay on west-1", WEST, away=True)


def test_each_cluster_has_its_own_progress_and_those_without_one_come_last() -> None:
    found = told(GONE, HERE, LATE, seen("agent node-a", None))
    assert list(found) == ["east", "west", "None"]
    assert [(one.ready, one.participants) for one in found.values()] == [(1, 2), (0, 1), (0, 1)]


def test_a_cluster_is_cut_off_when_all_of_its_agents_are_away_and_since_the_last_left() -> None:
    west = told(HERE, GONE, ALSO_GONE)["west"]
    assert west.is_cut_off
    assert west.since == NOON - 2 * MINUTE
    assert 'trustplane rotate waive "cluster west"' in west.unblock
    assert not told(GONE, seen("agent west-2", WEST))["west"].is_cut_off
    assert not told(HERE, LATE)["east"].unblock


def test_without_a_cluster_nobody_is_spoken_of_together() -> None:
    assert not told(seen("agent node-a", None, away=True))["None"].is_cut_off


def test_a_waived_cluster_is_not_waited_for_while_it_is_away() -> None:
    change = waived(WEST)
    assert told(HERE, GONE, ALSO_GONE, change=change)["west"].ready == 2
    everyone = survey(HERE, GONE, ALSO_GONE)
    assert feed(change, Looked(everyone), NOON)[1] == (Noticed(Phase.VERIFY),)
    assert waits(change, everyone, NOON + MINUTE), "it ends"


def test_who_of_a_waived_cluster_is_there_is_waited_for_all_the_same() -> None:
    back = seen("agent west-2", WEST)
    (waiting,) = waits(waived(WEST), survey(GONE, back), NOON)
    assert waiting.participant == back.participant


def test_a_waiver_of_one_cluster_excuses_nobody_of_another_nor_of_none() -> None:
    lost = seen("agent node-a", None, away=True)
    assert len(waits(waived(EAST), survey(GONE, lost), NOON)) == 2
