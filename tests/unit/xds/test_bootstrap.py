"""What a sidecar is started with."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePath

import pytest

from tests.kit.sidecars import WEB
from trustplane.fault import Refused
from trustplane.xds.bootstrap import Sockets, bootstrap, drain_time

SOCKETS = Sockets(PurePath("/run/tp/ads.sock"), PurePath("/run/tp/web/admin.sock"))


def test_the_node_is_the_service_and_everything_else_comes_over_delta_ads_on_a_unix_socket() -> None:
    made = json.loads(json.dumps(bootstrap(WEB.service, SOCKETS)))
    assert made["node"]["id"] == "shop/web"
    assert made["node"]["metadata"] == {"trustplane": {"admin": "/run/tp/web/admin.sock"}}
    assert made["dynamic_resources"]["ads_config"]["api_type"] == "DELTA_GRPC"
    assert json.dumps({"pipe": {"path": "/run/tp/ads.sock"}}) in json.dumps(made["static_resources"])


def test_its_agent_is_told_where_its_administration_is() -> None:
    made = bootstrap(WEB.service, SOCKETS)
    assert made["node"] == {
        "id": "shop/web",
        "cluster": "shop",
        "metadata": {"trustplane": {"admin": "/run/tp/web/admin.sock"}},
    }


def test_there_is_no_tcp_address_in_it() -> None:
    made = json.dumps(bootstrap(WEB.service, SOCKETS))
    assert "socket_address" not in made
    assert "/run/tp/web/admin.sock" in made


@pytest.mark.parametrize("path", ["/" + "x" * 107, "relative/ads.sock"])
def test_a_path_no_socket_can_have_is_refused_with_the_fix(path: str) -> None:
    with pytest.raises(Refused) as refusal:
        Sockets(PurePath(path), SOCKETS.admin)
    assert refusal.value.code == "socket-path-unusable"
    assert "shorter" in refusal.value.finding.fix


def test_the_longest_path_a_socket_can_have_is_taken() -> None:
    longest = PurePath("/" + "x" * 106)
    assert Sockets(longest, SOCKETS.admin).ads == longest


def test_a_drain_outlasts_the_longest_request_in_either_direction() -> None:
    slow = replace(WEB.callees[0], longest_request=timedelta(minutes=2))
    assert drain_time(WEB) > WEB.longest_request
    assert drain_time(replace(WEB, callees=(slow,))) > timedelta(minutes=2)


def test_a_sidecar_looks_for_a_restarted_agent_every_two_seconds_or_sooner() -> None:
    made = json.loads(json.dumps(bootstrap(WEB.service, SOCKETS)))
    (service,) = made["dynamic_resources"]["ads_config"]["grpc_services"]
    assert service["envoy_grpc"]["retry_policy"]["retry_back_off"]["max_interval"] == "2s"
