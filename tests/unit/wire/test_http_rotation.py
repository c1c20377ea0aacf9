"""Changes of root over HTTP: what an operator may say, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.server_door import JWT_AUTHORITY, NODE, NOON, MemoryDoor
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.registry.partner_probes import Outcome, ShownProbe
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import Participant, Phase, Seen
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ClusterName
from trustplane.trust.authority import AuthorityId
from trustplane.wire import http_rotation
from trustplane.wire.http_api import admin_application, public_application

NEW = AuthorityId("cd" * 32)
AGENT = Participant("agent node-a")
SIDECAR = Participant("sidecar shop/web on node-a")
HELD = Holding(NODE, "sidecar shop/web", "secret/spiffe://acme.example", "aa", "aa", "", NOON)
DIFFERS = Holding(NODE, "agent node-a", "bundle", "aa", "bb", "", NOON)
NOTHING: frozenset[AuthorityId] = frozenset()


@pytest.fixture
def door() -> MemoryDoor:
    return MemoryDoor()


@pytest.fixture
def admin(door: MemoryDoor) -> AsgiClient:
    return AsgiClient(admin_application(door, CollectorRegistry(), VirtualClock(NOON)))


def publishing(door: MemoryDoor) -> None:
    """A change that is published, with a sidecar that has taken it up and an agent that has not."""
    (change,) = door.changes
    door.changes[:] = [replace(change, coming=NEW, phase=Phase.PUBLISH)]
    seen = (
        Seen(AGENT, NOTHING, None, NOTHING, NOON - timedelta(hours=1), is_away=True),
        Seen(SIDECAR, frozenset({NEW}), frozenset({NEW}), NOTHING, NOON),
    )
    door.surveyed = Surveyed(replace(door.surveyed.survey, seen=seen), (HELD, DIFFERS))


def test_before_the_first_change_there_is_none(admin: AsgiClient) -> None:
    assert admin.get("/v1/rotation").json()["rotation"] is None
    assert admin.get("/v1/rotations").json() == {"more": False, "rotations": []}
    assert admin.post("/v1/rotation/pause").json()["code"] == "no-rotation"


def test_a_change_is_begun_with_a_reason_and_said_by_whom(admin: AsgiClient) -> None:
    begun = admin.post("/v1/rotations", json={"reason": "yearly"}, headers={"Trustplane-Operator": "ann"}).json()
    assert (begun["number"], begun["phase"], begun["by"], begun["emergency"]) == (1, "prepare", "local:ann", False)
    assert admin.get("/v1/rotations").json()["rotations"] == [begun]
    assert admin.post("/v1/rotations", json={"reason": " "}).json()["code"] == "bad-rotation-reason"


def test_status_names_who_is_waited_for_and_what_would_unblock_it(admin: AsgiClient, door: MemoryDoor) -> None:
    admin.post("/v1/rotations", json={"reason": "key stolen", "emergency": True})
    publishing(door)
    door.changes[0] = replace(door.changes[0], is_emergency=False)
    status = admin.get("/v1/rotation").json()
    assert (status["participants"], status["ready"]) == (2, 1)
    (waiting,) = status["waiting"]
    assert (waiting["code"], waiting["participant"], waiting["away"]) == ("root", "agent node-a", True)
    assert waiting["unblock"] == "on node-a: trustplane agent status; start or wake the agent"
    assert status["gives_up"] == []


def test_clusters_are_told_of_where_there_are_any(admin: AsgiClient, door: MemoryDoor) -> None:
    admin.post("/v1/rotations", json={"reason": "yearly"})
    publishing(door)
    assert admin.get("/v1/rotation").json()["clusters"] == []
    survey = door.surveyed.survey
    away = replace(survey.seen[0], cluster=ClusterName("east"), away_since=NOON - timedelta(minutes=5))
    door.surveyed = replace(door.surveyed, survey=replace(survey, seen=(away, survey.seen[1])))
    status = admin.get("/v1/rotation").json()
    east, rest = status["clusters"]
    assert (east["name"], east["ready"], east["participants"], east["cut_off"]) == ("east", 0, 1, True)
    assert east["since"] == "2030-01-01T11:55:00Z"
    assert 'rotate waive "cluster east"' in east["unblock"]
    assert (rest["name"], rest["ready"], rest["participants"], rest["cut_off"]) == (None, 1, 1, False)
    assert status["waiting"][0]["cluster"] == "east"
    bundle = admin.get("/v1/bundle-status").json()
    assert [(one["name"], one["ready"]) for one in bundle["clusters"]] == [("east", 0), (None, 1)]
    assert {one["participant"]: one["cluster"] for one in bundle["holders"]} == {
        "sidecar shop/web": None,
        "agent node-a": "east",
    }


def test_an_emergency_says_what_it_gives_up(admin: AsgiClient, door: MemoryDoor) -> None:
    admin.post("/v1/rotations", json={"reason": "key stolen", "emergency": True})
    publishing(door)
    status = admin.get("/v1/rotation").json()
    assert status["waiting"] == [], "who is away is not waited for"
    assert len(status["gives_up"]) == 4


def test_a_change_is_paused_resumed_and_taken_back(admin: AsgiClient, door: MemoryDoor) -> None:
    admin.post("/v1/rotations", json={"reason": "yearly"})
    assert admin.post("/v1/rotation/pause").json()["paused"]
    assert not admin.post("/v1/rotation/resume").json()["paused"]
    assert admin.post("/v1/rotation/abort").json()["phase"] == "aborted"
    assert door.acts == ["Paused by local:unnamed", "Resumed by local:unnamed", "GoneBack by local:unnamed"]
    assert admin.post("/v1/rotation/pause").json()["code"] == "rotation-over"


def waiver(**changed: str) -> dict[str, str]:
    until = (NOON + timedelta(days=3)).isoformat()
    return {"participant": "agent node-a", "reason": "sold", "owner": "ops", "until": until, **changed}


def test_a_participant_is_waived_until_an_end(admin: AsgiClient) -> None:
    admin.post("/v1/rotations", json={"reason": "yearly"})
    (waived,) = admin.post("/v1/rotation/waivers", json=waiver()).json()["waivers"]
    assert (waived["participant"], waived["owner"], waived["by"]) == ("agent node-a", "ops", "local:unnamed")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"until": "2030-01-03T12:00:00"}, "bad-instant"),
        ({"until": "soon"}, "bad-body"),
        ({"until": "2029-01-01T00:00:00Z"}, "bad-waiver-end"),
        ({"participant": "node-a"}, "bad-participant"),
        ({"owner": ""}, "bad-waiver"),
    ],
)
def test_a_waiver_that_says_too_little_is_refused(admin: AsgiClient, changed: dict[str, str], code: str) -> None:
    admin.post("/v1/rotations", json={"reason": "yearly"})
    assert admin.post("/v1/rotation/waivers", json=waiver(**changed)).json()["code"] == code


def test_the_table_of_holders_says_who_differs_who_is_silent_and_what_was_probed(
    admin: AsgiClient, door: MemoryDoor
) -> None:
    admin.post("/v1/rotations", json={"reason": "yearly"})
    publishing(door)
    silent = Seen(Participant("server server-2"), NOTHING, None, NOTHING, None)
    survey = door.surveyed.survey
    door.surveyed = Surveyed(replace(survey, seen=(*survey.seen, silent)), door.surveyed.holdings)
    status = admin.get("/v1/bundle-status").json()
    assert [(one["participant"], one["agrees"], one["proven_by_probe"]) for one in status["holders"]] == [
        ("agent node-a", False, []),
        ("sidecar shop/web", True, [str(NEW)]),
    ]
    assert (status["silent"], status["agree"]) == (["server server-2"], False)
    door.surveyed = Surveyed(replace(survey, seen=survey.seen[1:]), (HELD,))
    assert admin.get("/v1/bundle-status").json()["agree"]


def test_what_a_table_cannot_hold_is_counted_and_whoever_differs_stays_in_it(
    admin: AsgiClient, door: MemoryDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_rotation, "MAX_HOLDERS", 1)
    door.surveyed = Surveyed(door.surveyed.survey, (HELD, DIFFERS))
    status = admin.get("/v1/bundle-status").json()
    assert [one["participant"] for one in status["holders"]] == ["agent node-a"]
    assert (status["holders_left_off"], status["links_left_off"], status["agree"]) == (1, 0, False)


def test_what_services_of_other_domains_made_of_a_probe_is_told(admin: AsgiClient, door: MemoryDoor) -> None:
    api = SpiffeId.parse("spiffe://partner.example/ns/billing/sa/api")
    probe = ShownProbe(NODE, api, NEW.hex[:40], Outcome.REFUSED, "unknown ca", NOON)
    door.surveyed = replace(door.surveyed, probes=(probe,))
    (one,) = admin.get("/v1/bundle-status").json()["partner_probes"]
    assert (one["service"], one["node"], one["outcome"], one["refusal"]) == (
        str(api),
        "node-a",
        "refused",
        "unknown ca",
    )


def test_older_changes_than_asked_for_are_said_to_be_there(admin: AsgiClient) -> None:
    for reason in ("one", "two"):
        admin.post("/v1/rotations", json={"reason": reason})
    found = admin.get("/v1/rotations?limit=1").json()
    assert ([one["number"] for one in found["rotations"]], found["more"]) == ([2], True)
    assert not admin.get("/v1/rotations?limit=2").json()["more"]


def test_the_plan_is_told_without_beginning_anything(admin: AsgiClient, door: MemoryDoor) -> None:
    plan = admin.get("/v1/rotation/plan?emergency=1").json()
    assert plan["phases"] == ["prepare", "publish", "verify", "switch", "drain", "retire", "verify-again"]
    assert plan["markdown"].startswith("# Changing the root")
    assert str(JWT_AUTHORITY) in plan["markdown"]
    assert "gives up" in plan["markdown"]
    assert plan["svg"].startswith("<svg")
    assert door.changes == []


def test_readers_see_and_change_nothing(door: MemoryDoor) -> None:
    public = AsgiClient(public_application(door, CollectorRegistry(), VirtualClock(NOON)))
    assert public.post("/v1/rotations", json={"reason": "yearly"}).status_code in {401, 403, 404, 405}
    assert door.changes == []
