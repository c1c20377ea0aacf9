"""What the failures that a server keeps have in common, and after which change they began."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.compared_fleet import CALLEE, CALLER, NODES, NOW, MemoryFleet, desired, failure
from tests.kit.handshakes import AT
from trustplane.change.rollout import Rollout
from trustplane.cli.fleet_text import fleet_text
from trustplane.flows.clock_skew import Skew
from trustplane.flows.records.compare_failures import MOST_RECORDS, CompareFailures
from trustplane.handshake.failure import Side
from trustplane.registry.records import Revision
from trustplane.wire.http_fleet import FleetShape, fleet_shape

HOUR = timedelta(hours=1)
EAST = NODES[:5]


def compared(fleet: MemoryFleet) -> FleetShape:
    found = asyncio.run(CompareFailures(fleet, desired, fleet, VirtualClock(NOW)).compare(HOUR))
    return fleet_shape(found.ranking, found.left_out, found)


def names(found: FleetShape) -> list[tuple[str, str]]:
    return [(one.dimension, one.value) for one in found.findings[0].values]


def test_a_node_whose_clock_is_wrong_is_named_by_both() -> None:
    broken = NODES[3]
    fleet = MemoryFleet([failure(client, broken, 1) for client in NODES])
    fleet.off = {node: Skew(timedelta(0), timedelta(0), AT) for node in NODES}
    fleet.off[broken] = Skew(timedelta(hours=2), timedelta(0), AT)
    found = compared(fleet)
    assert {("server node", "east-3"), ("server clock", "off by more than 5 s")} <= set(names(found))
    first = found.findings[0]
    assert (first.failing_links, first.links, found.links) == (10, 10, 100)
    assert first.causes == {"leaf-expired": 10}


def test_both_sides_records_of_one_connection_are_one_failure() -> None:
    pairs = [(client, NODES[3]) for client in NODES]
    fleet = MemoryFleet([failure(*ends, 1, side) for ends in pairs for side in Side])
    assert compared(fleet).failures == len(pairs)


def test_a_version_is_told_with_the_rollout_that_brought_it() -> None:
    rollout = Rollout("github", "pipeline/812", "1.37.2", frozenset({CALLER}), frozenset(EAST), AT + 0.5 * HOUR)
    before = Rollout("github", "pipeline/790", "1.36.0", frozenset({CALLER}), frozenset(), AT - 48 * HOUR)
    broken = [failure(client, server, 31) for client in EAST for server in NODES]
    fleet = MemoryFleet(broken, [rollout, before])
    found = compared(fleet)
    assert ("client version", "1.37.2") in names(found)
    assert found.findings[0].since == ("1.37.2 (github pipeline/812)",)
    text = fleet_text(found)
    assert text.startswith("All 50 failures are ")
    assert "since 1.37.2 (github pipeline/812)" in text
    assert "client version 1.37.2" in text


def test_an_applied_revision_that_broke_some_of_everything_is_found_by_time() -> None:
    some = [
        failure(client, server, 40)
        for client in NODES
        for server in NODES
        if (NODES.index(client) * 3 + NODES.index(server) * 7) % 5 == 0
    ]
    fleet = MemoryFleet(some, applied=[Revision(18, "d", {}, "ada", AT + 0.65 * HOUR)])
    found = compared(fleet)
    assert names(found) == [("change", "revision 18")]
    assert fleet_text(found).startswith("All 20 failures began after revision 18 (expected by chance ")


def test_what_no_change_touches_is_not_blamed_on_one() -> None:
    elsewhere = Rollout("github", "pipeline/1", "9", frozenset(), frozenset({NODES[9]}), AT)
    strange = Rollout("github", "pipeline/2", "9", frozenset({CALLEE}), frozenset(), AT - 48 * HOUR)
    found = compared(MemoryFleet([failure(client, NODES[3], 1) for client in NODES], [elsewhere, strange]))
    assert found.findings[0].since == ()
    assert [one.name for one in found.changes] == ["9 (github pipeline/1)"]


def test_a_stray_client_has_no_name_but_its_address() -> None:
    stray = failure(NODES[0], NODES[3], 1)
    unknown = MemoryFleet([stray])
    found = compared(unknown)
    assert (found.failures, found.findings) == (1, ())
    assert "too few" in found.why_not_more


def test_more_records_than_are_looked_at_are_told() -> None:
    fleet = MemoryFleet([failure(NODES[0], NODES[3], 10 + one / MOST_RECORDS) for one in range(MOST_RECORDS + 5)])
    found = compared(fleet)
    assert found.left_out == 5
    assert found.since is not None
    assert found.since > AT + timedelta(minutes=10)


def test_a_change_from_before_the_first_sidecar_is_not_blamed() -> None:
    early = [Revision(1, "d", {}, "ada", AT - timedelta(minutes=5))]
    broken = [failure(client, NODES[3], 40) for client in NODES]
    found = compared(MemoryFleet(broken, applied=early))
    assert ("server node", "east-3") in names(found)
    assert all(not one.since for one in found.findings)


def test_without_failures_there_is_nothing_to_say() -> None:
    found = compared(MemoryFleet())
    assert (found.failures, found.findings, found.why_not_more) == (0, (), "")
