"""Which connections were made before trust changed: told apart by name, and counted by Envoy's own figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.kit.sidecars import HERE, WEB, authority, bundles_of, keyed
from trustplane.registry.connections import Connections, WhenTrustChanges
from trustplane.registry.view import Callee, Sidecar, Withdrawn
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.generations import MAX_FORMER, former
from trustplane.xds.inbound import last_open
from trustplane.xds.open_connections import drains, generations_of, open_connections
from trustplane.xds.resources import Kind
from trustplane.xds.snapshot import Snapshot, snapshot

OLD, NEW = authority(), authority()
DRAIN = Connections(None, WhenTrustChanges.DRAIN)
DRAINING = replace(WEB, connections=DRAIN)
OUTBOUND = "outbound/shop/pay"


def made(
    sidecar: Sidecar = DRAINING,
    svid: KeyedSvid | None = None,
    bundles: BundleSet | None = None,
    withdrawn: Withdrawn | None = None,
    before: tuple[str, ...] = (),
) -> Snapshot:
    svid, bundles = svid or keyed(OLD, WEB.spiffe_id), bundles or bundles_of(OLD)
    return snapshot(sidecar, svid, bundles, HERE, withdrawn or Withdrawn(), former=before)


def cluster(one: Snapshot) -> dict[str, Any]:
    return dict(one.of(Kind.CLUSTER)[OUTBOUND].content)


def generation(one: Snapshot) -> str:
    return generations_of(one)[0]


def test_by_age_nothing_is_named_and_one_chain_takes_all() -> None:
    one = made(WEB)
    listener: Any = one.of(Kind.LISTENER)["inbound"].content
    assert [chain["name"] for chain in listener["filter_chains"]] == ["mtls"]
    assert "filter_chain_matcher" not in listener
    assert "alt_stat_name" not in cluster(one)
    assert generations_of(one) == ()
    assert not drains(one)


def test_new_connections_get_the_newest_chain_and_those_of_before_keep_theirs_unchanged() -> None:
    first = made()
    second = made(bundles=bundles_of(OLD, NEW), before=generations_of(first))
    chains: Any = second.of(Kind.LISTENER)["inbound"].content
    newest, kept = chains["filter_chains"]
    assert chains["filter_chain_matcher"]["on_no_match"]["action"]["typed_config"]["value"] == newest["name"]
    assert [kept] == first.of(Kind.LISTENER)["inbound"].content["filter_chains"]
    assert generations_of(second) == (generation(second), generation(first))
    assert drains(second)


@pytest.mark.parametrize(
    "changed",
    [
        made(bundles=bundles_of(OLD, NEW)),
        made(svid=keyed(NEW, WEB.spiffe_id), bundles=bundles_of(NEW)),
        made(withdrawn=Withdrawn(remake="1")),
    ],
    ids=["a root is published", "a leaf has another issuer", "an order to make connections anew"],
)
def test_whatever_changes_trust_begins_a_generation_both_ways(changed: Snapshot) -> None:
    assert generation(changed) != generation(made())
    assert cluster(changed)["alt_stat_name"] != cluster(made())["alt_stat_name"]


def test_an_order_that_is_given_again_makes_what_is_called_anew_and_not_what_is_let_in() -> None:
    once, again = (made(withdrawn=Withdrawn(remake=order)) for order in ("1", "1+2"))
    assert generation(once) == generation(again)
    assert cluster(once)["alt_stat_name"] != cluster(again)["alt_stat_name"]


def test_a_renewed_leaf_begins_no_generation() -> None:
    assert generation(made()) == generation(made(svid=keyed(OLD, WEB.spiffe_id)))


def test_another_domains_bundle_makes_only_connections_to_it_anew() -> None:
    other, newer = authority("other.example"), authority("other.example")
    callee = Callee(None, SpiffeId.parse("spiffe://other.example/pay"), 7002, (), timedelta(seconds=5))
    federated = replace(DRAINING, callees=(*DRAINING.callees, callee))
    before, after = (made(federated, bundles=bundles_of(OLD, one)) for one in (other, newer))
    assert generation(before) == generation(after)
    names = [
        {one.name: one.content.get("alt_stat_name") for one in each.of(Kind.CLUSTER).values()}
        for each in (before, after)
    ]
    assert {name for name in names[0] if names[0][name] != names[1][name]} == {"outbound/spiffe://other.example/pay"}


def test_either_end_can_ask_for_it() -> None:
    theirs = replace(WEB, callees=tuple(replace(one, connections=DRAIN) for one in WEB.callees))
    assert "@" in str(cluster(made(theirs))["alt_stat_name"])
    assert generations_of(made(theirs)) == ()
    assert not drains(made(theirs))


def test_former_generations_are_bounded_and_go_when_none_of_theirs_is_left() -> None:
    assert former("c", ["b", "a"]) == ("b", "a")
    assert former("c", ["c", "b", "a"], gone=["b"]) == ("a",)
    assert former("", ["b", "a"]) == ()
    assert len(former("x", [str(one) for one in range(20)])) == MAX_FORMER


def counts(one: Snapshot, inbound: int, outbound: int) -> dict[str, int]:
    return {
        f"http.inbound@{generation(one)}.downstream_cx_active": inbound,
        f"cluster.{cluster(one)['alt_stat_name']}.upstream_cx_active": outbound,
    }


QUIET = {"listener_manager.total_listeners_warming": 0, "cluster_manager.warming_clusters": 0}


def test_what_is_open_is_told_apart_by_generation() -> None:
    first = made()
    second = made(bundles=bundles_of(OLD, NEW), before=generations_of(first))
    found = open_connections({**QUIET, **counts(first, 2, 3), **counts(second, 5, 7)}, second)
    assert (found.count, found.before, found.is_taken_up) == (17, 5, True)
    assert found.former == {generation(first): 2}
    plain = {"http.inbound.downstream_cx_active": 1, "http.inbound.x.downstream_cx_active": 100}
    assert open_connections({**QUIET, **plain, **counts(second, 0, 0)}, second).before == 1


@pytest.mark.parametrize("missing", range(4))
def test_what_is_missing_or_warming_proves_nothing(missing: int) -> None:
    one = made()
    whole = {**QUIET, **counts(one, 0, 0)}
    assert open_connections(whole, one).is_taken_up
    del whole[list(whole)[missing]]
    assert not open_connections(whole, one).is_taken_up
    for name in QUIET:
        assert not open_connections({**QUIET, **counts(one, 0, 0), name: 1}, one).is_taken_up


def test_a_connection_lasts_as_its_service_says_and_the_younger_end_has_its_way() -> None:
    def ages(own: timedelta | None, theirs: timedelta | None) -> object:
        callees = tuple(replace(one, connections=Connections(theirs)) for one in WEB.callees)
        content = cluster(made(replace(WEB, connections=Connections(own), callees=callees)))
        (options,) = content["typed_extension_protocol_options"].values()
        return options["common_http_protocol_options"]["max_connection_duration"]

    minute, day = timedelta(minutes=1), timedelta(days=1)
    assert ages(None, None) == "900.000s"
    assert ages(minute, None) == ages(None, minute) == ages(minute, day) == "60.000s"
    assert ages(day, None) == "86400.000s"


def test_a_connection_that_is_old_still_ends_its_last_request() -> None:
    """Age 60 s and 10 s of grace, 5 s in which it still takes requests, 20 s for the last one, 1 s to close."""
    assert last_open(timedelta(hours=1), timedelta(seconds=15), timedelta(minutes=1)) == timedelta(seconds=96)
