"""What a running Envoy says it holds: every door has the same rules, and nothing stands beside or behind them.

Read from its own configuration, not from ours, for all listeners of both directions.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kit.envoy_bench import EnvoyBench
from tests.kit.policy_bench import acme_book, document_of
from tests.kit.tmp_folder import short_folder
from trustplane.main.envoy_bench import LOOPBACK
from trustplane.registry.model import Probe
from trustplane.xds import rbac, revoked, shadow

CEDAR = """
@id("web-charge") permit (principal == Service::"shop/web", action == Action::"charge", resource);
@id("not-one") forbid (principal, action == Action::"one", resource);
"""
TYPE = "type.googleapis.com/envoy.extensions.filters."
HTTP = TYPE + "network.http_connection_manager.v3.HttpConnectionManager"
RBAC = TYPE + "http.rbac.v3.RBAC"
HARMLESS = {TYPE + "http.set_filter_state.v3.Config", TYPE + "http.router.v3.Router"}
LISTENING = "0A"
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """Of a sidecar in the middle: it is called by policy, is probed, and calls another."""

    listeners: tuple[Json, ...]
    routes: tuple[Json, ...]
    extensions: tuple[Json, ...]
    open_ports: frozenset[tuple[str, int]]
    mesh: int
    callee: int
    unknown_fields: int

    def managers(self, direction: str = "") -> list[Json]:
        chosen = [one for one in self.listeners if not direction or one["traffic_direction"] == direction]
        return [one for one in found(chosen, "@type") if one["@type"] == HTTP]


@pytest.fixture(scope="module")
def held() -> Iterator[Held]:
    with short_folder() as folder:
        yield asyncio.run(_held(folder))


async def _held(folder: Path) -> Held:
    async with EnvoyBench(folder) as bench:
        bench.add("ledger")
        member = bench.add("payments", calls=["ledger"], probes=(Probe("GET", "/healthz"),))
        bench.publish(member, policy=document_of(acme_book(CEDAR)))
        await bench.start()
        assert member.envoy is not None
        dump = [each for part in found(await member.envoy.admin.config(), "configs") for each in found(part, "name")]
        return Held(
            listeners=tuple(one for one in dump if "filter_chains" in one),
            routes=tuple(one for one in dump if "virtual_hosts" in one),
            extensions=tuple(
                one["typed_config"] for one in dump if one["name"] in shadow.FILTERS and "typed_config" in one
            ),
            open_ports=listening(member.envoy.pid),
            mesh=member.sidecar.ports.mesh,
            callee=member.sidecar.callees[0].listen,
            unknown_fields=sum((await member.envoy.admin.stats(r"unknown_fields")).values()),
        )


def found(content: object, key: str) -> Iterator[Json]:
    """Every message that has this field, wherever it stands."""
    match content:
        case Mapping():
            if key in content:
                yield content
            for value in content.values():
                yield from found(value, key)
        case list() | tuple():
            for value in content:
                yield from found(value, key)
        case _:
            return


def config_of(http_filter: Json) -> Json:
    """Of a filter whose configuration comes later: what it has until then, of the only kind it can be given."""
    if discovered := http_filter.get("config_discovery"):
        assert discovered["type_urls"] == [discovered["default_config"]["@type"]]
    config: Json = discovered["default_config"] if discovered else http_filter["typed_config"]
    return config


def kinds_before(manager: Json, number: int) -> set[str]:
    return {config_of(one)["@type"] for one in manager["http_filters"][:number]}


def listening(pid: int) -> frozenset[tuple[str, int]]:
    """The TCP sockets on which that process takes connections."""
    own = {one.readlink().name for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path(f"/proc/{pid}/net/tcp6").read_text().splitlines()[1:]]
    return frozenset(_address(row[1]) for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in own)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return socket.inet_ntoa(bytes.fromhex(host)[::-1]) if len(host) == 8 else host, int(port, 16)


def test_class_16_every_manager_reads_paths_and_headers_the_same_way(held: Held) -> None:
    assert len(held.managers()) == 2
    for one in held.managers():
        assert one["normalize_path"] is True
        assert one["merge_slashes"] is True
        assert one["path_with_escaped_slashes_action"] == "REJECT_REQUEST"
        assert one["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"
        assert one["use_remote_address"] is True
        assert not one.get("upgrade_configs")
        assert not one.get("http2_protocol_options", {}).get("allow_connect")


def test_class_16_every_way_in_has_both_filters_with_rules_that_are_there(held: Held) -> None:
    for one in held.managers("INBOUND"):
        rules = {each["name"]: config_of(each).get("rules") for each in one["http_filters"]}
        assert rules[rbac.FORBIDDEN] == {"action": "DENY"}
        let_in = rules[rbac.RBAC]
        assert let_in is not None
        assert let_in.get("policies", {}) == {}, "the listener itself lets nobody in"
        assert one["rds"]["route_config_name"] == "inbound", "and the rules come with the route"


def test_class_16_every_chain_of_the_way_in_asks_for_a_certificate(held: Held) -> None:
    chains = [each for one in held.listeners if one["traffic_direction"] == "INBOUND" for each in one["filter_chains"]]
    assert chains
    for one in chains:
        assert one["transport_socket"]["typed_config"]["require_client_certificate"] is True
        assert [each["name"] for each in one["filters"]] == ["http"]


def test_class_20_filters_stand_in_their_order_and_none_rewrites_after_them(held: Held) -> None:
    for one in held.managers():
        kinds = [config_of(each)["@type"] for each in one["http_filters"]]
        assert set(kinds) <= HARMLESS | {RBAC}
        assert kinds[-1] == TYPE + "http.router.v3.Router"
    for one in held.managers("INBOUND"):
        names = [each["name"] for each in one["http_filters"]]
        enforcing = [names.index(name) for name in (rbac.FORBIDDEN, rbac.RBAC, revoked.REVOKED)]
        assert enforcing == sorted(enforcing)
        assert kinds_before(one, enforcing[1]) == {RBAC}


def test_class_20_what_comes_apart_from_the_listener_can_only_judge(held: Held) -> None:
    """A candidate's filters refuse nobody: rules of theirs would be enforced before ours, and say so in our place."""
    for manager in held.managers("INBOUND"):
        later = [one["name"] for one in manager["http_filters"] if "config_discovery" in one]
        assert later == list(shadow.FILTERS) == [one["name"] for one in manager["http_filters"]][: len(later)]
        assert all("rules" not in config_of(one) for one in manager["http_filters"] if one["name"] in later)
    assert held.extensions
    assert all("rules" not in one for one in held.extensions)


def test_class_20_no_route_lifts_the_rules_and_none_changes_a_request(held: Held) -> None:
    (way_in,) = (one for one in held.routes if one["name"] == "inbound")
    (overrides,) = (each["typed_per_filter_config"] for each in found(way_in, "typed_per_filter_config"))
    for name, action in ((rbac.FORBIDDEN, "DENY"), (rbac.RBAC, "ALLOW"), (revoked.REVOKED, "DENY")):
        rules = overrides[name]["rbac"]["rules"]
        assert rules.get("action", "ALLOW") == action
    assert set(overrides[rbac.RBAC]["rbac"]["rules"]["policies"]) == {"web-charge", "probes"}
    assert set(overrides[rbac.FORBIDDEN]["rbac"]["rules"]["policies"]) == {"not-one"}
    changes = ("prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "host_rewrite_literal", "redirect")
    assert [each for key in changes for each in found(held.routes, key)] == []


def test_class_20_nothing_that_was_sent_is_unknown_to_the_proxy(held: Held) -> None:
    assert held.unknown_fields == 0


def test_class_23_a_sidecar_takes_connections_on_its_own_ports_and_no_other(held: Held) -> None:
    """Not on one for its administration, nor for the service. Who is on the node reaches both on loopback."""
    assert held.open_ports == {(LOOPBACK, held.mesh), (LOOPBACK, held.callee)}


def test_class_23_no_listener_takes_what_was_meant_for_another(held: Held) -> None:
    for one in held.listeners:
        assert not one.get("use_original_dst")
        assert not one.get("transparent")
        assert not one.get("listener_filters")
        assert "udp_listener_config" not in one, "no HTTP/3"
        assert one.get("default_filter_chain") is None
