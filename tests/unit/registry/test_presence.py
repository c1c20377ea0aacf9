from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from trustplane.registry.presence import Attendance, Presence, ServerLife, attendance
from trustplane.spiffe.names import NodeName

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OWN, OTHER = NodeName("server-1"), NodeName("server-2")
A, B = NodeName("node-a"), NodeName("node-b")
LIVES = (
    ServerLife(OWN, "mine", NOON - 60 * SECOND, NOON + 30 * SECOND),
    ServerLife(OTHER, "theirs", NOON - 50 * SECOND, NOON + 20 * SECOND),
)


def told(*presences: Presence, here: Sequence[NodeName] = (), at: datetime = NOON) -> Attendance:
    return attendance(OWN, frozenset(here), LIVES, presences, at)


def of_other(node: NodeName, *, is_connected: bool = True, life: str = "theirs") -> Presence:
    return Presence(node, OTHER, life, is_connected, NOON - 40 * SECOND)


def test_what_a_living_server_wrote_is_believed() -> None:
    found = told(of_other(A), of_other(B, is_connected=False))
    assert found.connected == {A}
    assert found.away_since == {B: NOON - 40 * SECOND}
    assert found.servers == {OWN, OTHER}


def test_a_server_that_died_takes_its_agents_with_it_from_when_it_was_last_heard() -> None:
    later = NOON + 25 * SECOND
    found = told(of_other(A), at=later)
    assert found.connected == frozenset()
    assert found.away_since == {A: NOON + 20 * SECOND}
    assert found.servers_away_since == {OTHER: NOON + 20 * SECOND}


def test_a_server_that_started_anew_has_none_of_those_of_before() -> None:
    found = told(of_other(A, life="earlier"))
    assert found.away_since == {A: NOON - 50 * SECOND}
    assert not found.connected


def test_of_itself_a_server_knows_better_than_the_database() -> None:
    mine = Presence(A, OWN, "mine", is_connected=True, since=NOON - 40 * SECOND)
    assert told(mine).away_since == {A: NOON}, "it left, and that is not written yet"
    assert told(of_other(A, is_connected=False), here=[A]).connected == {A}
    assert OWN not in told(mine, at=NOON + 60 * SECOND).servers_away_since, "a server never counts itself as away"


def test_what_a_server_wrote_that_nobody_knows_any_more_is_not_believed() -> None:
    stranger = Presence(A, NodeName("server-9"), "x", is_connected=True, since=NOON - 40 * SECOND)
    assert told(stranger).away_since == {A: NOON - 40 * SECOND}
