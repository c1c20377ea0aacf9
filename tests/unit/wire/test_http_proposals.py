from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.console import PASSWORD, account
from tests.kit.server_door import NOON, WEB, MemoryDoor
from trustplane.people.account import Role
from trustplane.people.proposed_act import ActKind
from trustplane.wire.http_api import admin_application, public_application

BOB = {"Trustplane-Operator": "bob"}
REVOKE = {"spiffe_id": str(WEB), "reason": "superseded", "note": "INC-7"}
IDS = "/v1/revocations/ids"


def door(required: frozenset[ActKind] = frozenset(ActKind)) -> MemoryDoor:
    found = MemoryDoor(required=required)
    for name, role in (("grace", Role.APPROVER), ("ada", Role.OPERATOR), ("bob", Role.APPROVER)):
        asyncio.run(found.persons.add_account(account(name, role)))
    return found


def socket(of: MemoryDoor) -> AsgiClient:
    return AsgiClient(admin_application(of, CollectorRegistry(), VirtualClock(NOON)))


def approval(of: MemoryDoor, name: str = "grace", **other: str) -> dict[str, str]:
    said = {"account": name, "password": PASSWORD, "digest": of.proposed.kept[1].digest, "word": "seen"}
    return {**said, **other}


def test_where_it_is_required_an_act_is_proposed_and_done_when_approved() -> None:
    of = door()
    client = socket(of)
    answer = client.post(IDS, json=REVOKE, headers=BOB)
    assert answer.status_code == 202
    assert (answer.json()["phase"], answer.json()["by"], answer.json()["why"]) == ("proposed", "local:bob", "INC-7")
    assert client.get("/v1/revocations").json()["revocations"] == []
    listed = client.get("/v1/proposals").json()
    assert [one["number"] for one in listed["proposals"]] == [1]
    assert "revoke-id" in listed["required"]
    ended = client.post("/v1/proposals/1/approve", json=approval(of)).json()
    assert ended["phase"] == "carried out"
    [revoked] = of.revoked.ids
    assert revoked.cause.by == "local:bob, approved by account:grace (proposal 1)"
    assert client.post("/v1/proposals/1/approve", json=approval(of)).json()["code"] == "proposal-over"
    assert len(of.revoked.ids) == 1


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/rotations", {"reason": "yearly", "emergency": False}, ActKind.START_ROOT_CHANGE),
        (IDS, REVOKE, ActKind.REVOKE_ID),
    ],
)
def test_where_it_is_not_required_it_is_done_at_once(path: str, body: dict[str, object], kind: ActKind) -> None:
    of = door(required=frozenset(ActKind) - {kind})
    assert socket(of).post(path, json=body, headers=BOB).status_code == 200
    assert of.proposed.kept == {}
    assert len(of.revoked.ids) + len(of.changes) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"account": "ada"}, "not-an-approver"),
        ({"account": "bob"}, "own-proposal"),
        ({"password": "another one"}, "sign-in-failed"),
        ({"digest": "0" * 64}, "proposal-altered"),
        ({"word": " "}, "no-word-of-why"),
    ],
)
def test_nobody_else_approves_and_nothing_else_is_approved(changed: dict[str, str], code: str) -> None:
    of = door()
    client = socket(of)
    client.post(IDS, json=REVOKE, headers=BOB)
    assert client.post("/v1/proposals/1/approve", json=approval(of, **changed)).json()["code"] == code
    assert of.revoked.ids == ()


def test_the_glass_is_broken_with_a_reason_that_is_kept() -> None:
    of = door()
    answer = socket(of).post(
        IDS, json=REVOKE, headers={**BOB, "Trustplane-Break-Glass": "INC-7%2C%20nobody%20is%20awake"}
    )
    assert answer.status_code == 200
    [one] = of.proposed.kept.values()
    assert (one.is_glass_broken, one.why, one.phase.value) == (True, "INC-7, nobody is awake", "carried out")
    assert b"glass-broken" in of.proposed.bodies[0]
    assert of.revoked.ids[0].cause.by == "local:bob"


def test_it_is_refused_withdrawn_and_looked_up() -> None:
    of = door()
    client = socket(of)
    for _ in range(2):
        client.post(IDS, json=REVOKE, headers=BOB)
    assert client.post("/v1/proposals/1/refuse", json={"word": "no"}, headers=BOB).json()["phase"] == "refused"
    assert client.post("/v1/proposals/2/withdraw", headers=BOB).json()["phase"] == "withdrawn"
    assert client.get("/v1/proposals/2").json()["words"]
    assert client.get("/v1/proposals/3").status_code == 404
    assert client.get("/v1/proposals/first").status_code == 404


def test_a_remote_reader_learns_nothing_of_proposals() -> None:
    shown = AsgiClient(public_application(door(), CollectorRegistry(), VirtualClock(NOON)))
    assert shown.get("/v1/proposals").status_code == 404
    assert shown.post("/v1/proposals/1/approve", json={}).status_code == 404
