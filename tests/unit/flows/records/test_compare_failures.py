"""What the failures that a server keeps have in common, and after which change they began."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.compared_fleet import ACME, CALLEE, CALLER, NODES, NOW, MemoryFleet, desired, failure
from tests.kit.handshakes import AT, EXPIRED, PLAINTEXT
from trustplane.change.rollout import Rollout
from trustplane.cli.fleet_text import fleet_text
from trustplane.flows.clock_skew import Skew
from trustplane.flows.records.compare_failures import MOST_RECORDS, CompareFailures
from trustplane.handshake.failure import NOBODY, Claims, Side
from trustplane.handshake.fleet.sidecars import ON_ITS_WAY
from trustplane.handshake.reported import Held
from trustplane.handshake.setup import Setup
from trustplane.handshake.stored import Stored, stored
from trustplane.registry.records import Revision
from trustplane.spiffe.names import NodeName, probe_id
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


def nameless(server: NodeName, minutes: float, text: str = EXPIRED) -> Stored:
    """The callee's record of a caller that ended the handshake before it showed a certificate, from an address that
    is no node's."""
    one = failure(NODES[0], server, minutes)
    record = replace(one.reported.failure, theirs=NOBODY, text=text, peer=f"192.0.2.1:{int(minutes * 100)}")
    return stored(server, replace(one.reported, failure=record))


def test_a_callers_further_tries_are_no_link_of_their_own() -> None:
    """Each caller's own record is one of three tries, and nothing says whose the other two are."""
    pairs = [(client, NODES[3], 10 + at) for at, client in enumerate(NODES)]
    tries = [nameless(NODES[3], at + more) for _, _, at in pairs for more in (0.01, 0.02)]
    found = compared(MemoryFleet([*(failure(*one) for one in pairs), *tries]))
    assert (found.failures, found.failing_links, found.links) == (30, 10, 100)


def test_who_calls_without_a_name_for_another_cause_is_a_stray() -> None:
    pairs = [failure(client, NODES[3], 10) for client in NODES]
    found = compared(MemoryFleet([*pairs, nameless(NODES[3], 11, PLAINTEXT), nameless(NODES[4], 12)]))
    assert (found.failing_links, found.links) == (12, 102)


def test_a_probe_that_is_refused_is_no_link() -> None:
    one = failure(NODES[0], NODES[3], 10)
    claims = Claims(str(probe_id(ACME, NODES[3])))
    probe = stored(NODES[3], replace(one.reported, failure=replace(one.reported.failure, theirs=claims)))
    assert compared(MemoryFleet([probe])).failures == 0
    stray = stored(
        NODES[3], replace(one.reported, failure=replace(one.reported.failure, theirs=Claims("spiffe://a/b")))
    )
    assert compared(MemoryFleet([stray])).failing_links == 1


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


def fitted(fleet: MemoryFleet, east: Setup, west: Setup, minutes: float = 0) -> MemoryFleet:
    for node in NODES:
        fleet.became(node, AT + timedelta(minutes=minutes), east if node in EAST else west)
    return fleet


OLD, NEW = Setup("1.39.3", "0.9.1", "a" * 64, 17), Setup("1.40.0", "0.9.1", "b" * 64, 18)


def test_the_envoy_of_callers_is_known_also_where_they_work() -> None:
    broken = [failure(client, server, 31) for client in EAST for server in NODES]
    found = compared(fitted(MemoryFleet(broken), replace(NEW, envoy="1.39.3"), NEW))
    assert ("client Envoy", "1.39.3") in names(found)
    first = found.findings[0]
    assert (first.failing_links, first.links, found.links) == (50, 50, 100)


def test_a_bundle_that_some_nodes_still_hold_is_named() -> None:
    broken = [failure(client, server, 31, held=Held("a" * 64, "", 18)) for client in NODES for server in EAST]
    found = compared(fitted(MemoryFleet(broken), replace(NEW, bundle="a" * 64), NEW))
    assert ("server bundle", "a" * 12) in names(found)


def test_an_upgrade_is_a_rollout_of_its_own() -> None:
    broken = [failure(client, server, 31, Side.CLIENT) for client in EAST for server in NODES]
    fleet = fitted(fitted(MemoryFleet(broken), OLD, OLD), replace(OLD, envoy="1.40.0"), OLD, 30.5)
    found = compared(fleet)
    assert ("client Envoy", "1.40.0") in names(found)
    assert found.findings[0].since == ("upgrade to Envoy 1.40.0",)


def test_what_everybody_was_while_some_failed_explains_nothing() -> None:
    """All of them had revision 17 when these failed, and 18 later."""
    then = {"build": (1, 39, 3), "held": Held("a" * 64, "", 17)}
    some = [failure(NODES[at], NODES[(at * 3) % 10], 10 + at, **then) for at in range(10)]  # type: ignore[arg-type] # each by its name
    fleet = fitted(fitted(MemoryFleet(some), OLD, OLD), NEW, NEW, 25)
    assert compared(fleet).findings == ()


def test_what_may_not_have_reached_the_server_is_not_compared() -> None:
    """Records of a revision that working sidecars have too, and have not told yet."""
    just_now = 50 - ON_ITS_WAY.total_seconds() / 120
    some = [failure(NODES[at], NODES[(at * 3) % 10], just_now) for at in range(10)]
    assert compared(fitted(MemoryFleet(some), OLD, OLD)).findings == ()


def test_links_of_a_node_that_came_late_are_no_evidence_before_it() -> None:
    """Half of the mesh came at minute 40, and what is wrong with it has been wrong since: no change is behind that."""
    change = Revision(18, "d", {}, "ada", AT + timedelta(minutes=25))
    some = [failure(client, server, 40.2 + at / 9) for client in EAST for at, server in enumerate(EAST)]
    fleet = MemoryFleet(some, applied=[change])
    fleet.hosted = dict.fromkeys(EAST, AT + timedelta(minutes=40))
    found = compared(fleet)
    assert found.findings
    assert all(not one.since for one in found.findings)


def test_without_failures_there_is_nothing_to_say() -> None:
    found = compared(MemoryFleet())
    assert (found.failures, found.findings, found.why_not_more) == (0, (), "")
