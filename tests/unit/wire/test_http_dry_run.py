"""Candidates tried on live traffic, over HTTP: what is shown, what is asked, and who may ask it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.dry_runs import DENIED, FILES, GOOD, PAY, RUN, SHOWN
from tests.kit.server_door import NOON, WEB, MemoryDoor
from trustplane.verdict.dry_run_report import Report
from trustplane.verdict.promotion import Standing
from trustplane.wire.http_api import admin_application, public_application
from trustplane.wire.http_dry_run import MOST_DIFFERENCES


@pytest.fixture
def door() -> MemoryDoor:
    return MemoryDoor()


@pytest.fixture
def admin(door: MemoryDoor) -> AsgiClient:
    return AsgiClient(admin_application(door, CollectorRegistry(), VirtualClock(NOON)))


def test_before_the_first_there_is_none(admin: AsgiClient) -> None:
    assert admin.get("/v1/dry-run").json()["code"] == "dry-run-none"


def test_what_it_has_shown_is_told_in_full(door: MemoryDoor, admin: AsgiClient) -> None:
    door.standing = SHOWN
    shown = admin.get("/v1/dry-run").json()
    assert (shown["id"], shown["against"], shown["judged"], shown["ended"]) == ("7-0123abcd", 1, 5, None)
    assert [(one["service"], one["state"], one["away"]) for one in shown["sidecars"]] == [(str(PAY), "judges", False)]
    (denied,) = shown["newly_denied"]
    assert (denied["caller"], denied["operation"], denied["count"]) == (str(WEB), "charge", 5)
    assert (denied["before"], denied["after"], denied["sample"]) == ("all", None, "id-1")


def test_a_caller_that_is_a_service_of_ours_is_named(door: MemoryDoor, admin: AsgiClient) -> None:
    door.standing = SHOWN
    assert admin.get("/v1/dry-run").json()["newly_denied"][0]["caller_service"] is None
    assert admin.post("/v1/revisions", json={"files": dict(FILES)}).status_code == 200
    assert admin.get("/v1/dry-run").json()["newly_denied"][0]["caller_service"] == "shop/web"


def test_only_so_many_differences_are_told_and_that_there_are_more(door: MemoryDoor, admin: AsgiClient) -> None:
    many = Report((DENIED,) * (MOST_DIFFERENCES + 3), (), (), 0)
    door.standing = Standing(RUN, None, SHOWN.coverage, many)
    shown = admin.get("/v1/dry-run").json()
    assert (len(shown["newly_denied"]), shown["more"]) == (MOST_DIFFERENCES, 3)


def test_it_is_begun_and_ended_by_who_says_so(door: MemoryDoor, admin: AsgiClient) -> None:
    door.standing = SHOWN
    body = {"files": dict(FILES), "lasting_seconds": 3600}
    assert admin.post("/v1/dry-runs", json=body, headers={"Trustplane-Operator": "ann"}).status_code == 200
    assert admin.post("/v1/dry-run/stop", headers={"Trustplane-Operator": "bob"}).status_code == 200
    assert door.acts == [f"local:ann tries {len(FILES)} files for 1:00:00", "local:bob ends the dry run"]


def test_a_promotion_is_refused_with_every_reason(door: MemoryDoor, admin: AsgiClient) -> None:
    door.standing = SHOWN
    refused = admin.post("/v1/dry-run/promote", json={"after_seconds": 172800, "least": 6}).json()
    assert [one["code"] for one in refused["findings"]] == [
        "dry-run-too-short",
        "dry-run-unexpected-denial",
        "dry-run-not-exercised",
    ]
    assert not door.kept


def test_what_has_shown_enough_is_only_checked_or_applied(door: MemoryDoor, admin: AsgiClient) -> None:
    door.standing = GOOD
    checked = admin.post("/v1/dry-run/promote", json={"only_check": True}).json()
    assert (checked, door.kept) == ({"id": RUN.id, "applied": None}, [])
    promoted = admin.post("/v1/dry-run/promote", json={}).json()
    assert promoted["applied"]["revision"]["number"] == 1
    assert len(door.kept) == 1


@pytest.mark.parametrize("seconds", [-1, 1e18])
def test_a_length_that_is_none_is_refused(admin: AsgiClient, seconds: float) -> None:
    assert admin.post("/v1/dry-runs", json={"files": {}, "lasting_seconds": seconds}).json()["code"] == "bad-length"
    assert admin.post("/v1/dry-run/promote", json={"after_seconds": seconds}).json()["code"] == "bad-length"


def test_over_https_nothing_of_it_can_be_changed(door: MemoryDoor) -> None:
    public = AsgiClient(public_application(door, CollectorRegistry(), VirtualClock(NOON)))
    assert public.get("/v1/dry-run").json()["code"] == "no-bearer-token"
    for path in ("/v1/dry-runs", "/v1/dry-run/stop", "/v1/dry-run/promote"):
        assert public.post(path, json={}).json()["code"] == "unknown-path"
