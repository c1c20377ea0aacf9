"""What proxies decided, asked over HTTP."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.server_door import NODE, NOON, MemoryDoor
from trustplane.policy.access import Verdict
from trustplane.registry.parcels import Losses
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath, Trial
from trustplane.verdict.tally import Sample, Tally
from trustplane.wire.http_api import admin_application
from trustplane.wire.http_traffic import decision_of
from trustplane.wire.http_traffic_shapes import TrafficShape

WEB = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
PAY = ServiceName("shop", "pay")
DENIED = Verdict(allowed=False, rule=None)
SEEN = DecisionKind(
    PAY,
    WEB,
    "GET",
    SeenPath("/a", folded=True),
    9081,
    "read",
    DENIED,
    Trial("1-0badcafe", Verdict(allowed=True, rule="r")),
)
OTHER = DecisionKind(ServiceName("shop", "web"), None, "GET", SeenPath("/"), 1, None, DENIED)


def asked(door: MemoryDoor, query: str = "") -> TrafficShape:
    client = AsgiClient(admin_application(door, CollectorRegistry(), VirtualClock(NOON)))
    answer = client.get(f"/v1/traffic{query}")
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=TrafficShape)


def door() -> MemoryDoor:
    sample = Sample(NOON, "id-1")
    decided = {SEEN: Tally(7, NOON - timedelta(hours=1), NOON, sample), OTHER: Tally(1, NOON, NOON)}
    return MemoryDoor(decided=decided, lost={NODE: Losses(3, 4)})


def test_a_decision_comes_back_as_it_was() -> None:
    shape = asked(door())
    assert dict(map(decision_of, shape.decisions)) == door().decided
    assert [(one.node, one.dropped, one.folded) for one in shape.losses] == [("node-a", 3, 4)]
    assert not shape.more


def test_one_service_and_as_many_as_are_asked_for() -> None:
    assert [one.service for one in asked(door(), "?service=shop/web").decisions] == ["shop/web"]
    shape = asked(door(), "?limit=1")
    assert ([one.count for one in shape.decisions], shape.more) == ([7], True)


def test_a_service_that_is_none_is_refused() -> None:
    client = AsgiClient(admin_application(door(), CollectorRegistry(), VirtualClock(NOON)))
    assert client.get("/v1/traffic?service=../etc").status_code == 400
    assert client.get("/v1/traffic?seconds=99999999").status_code == 400
