"""Events have one spelling each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.kit.issuing_ports import ACME, NODE, NOON, WEB
from trustplane.audit import events
from trustplane.fault import Broken

SIGNING = events.Signing(0x4ABC, WEB, bytes(32))

EVERY_EVENT = [
    events.x509_intent(NODE, "workload", "ab12", [SIGNING], NOON),
    events.x509_issued(NODE, [0x4ABC], {0x4ABD: "confirm-failed"}, NOON),
    events.x509_refused(NODE, [("spiffe://acme.example/x", "not-entitled")], NOON),
    events.jwt_intent(NODE, WEB, ["ledger"], "ab12", NOON),
    events.jwt_minted(WEB, "ab12", NOON, bytes(32), NOON),
    events.authority_intent("made", "ab12", "root", None, NOON),
    events.authority_step("activated", "ab12", NOON),
    events.authority_outcome("activated", "ab12", NOON, done=False),
    events.token_created(NODE, NOON, "root on host", NOON),
    events.node_admitted(NODE, "join-token", "10.0.0.1", NOON),
    events.agent_banned(NODE, "root on host", NOON),
    events.revision_intent(3, "ab12", "root", NOON, {"digest": "cd34", "count": 0, "services": {}}),
    events.revision_applied(3, "ab12", "root", None, NOON),
]


@pytest.mark.parametrize("body", EVERY_EVENT, ids=lambda body: str(json.loads(body)["event"]))
def test_a_body_is_its_own_canonical_form(body: bytes) -> None:
    assert json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode() == body
    assert json.loads(body)["at"] == "2030-01-01T12:00:00.000000Z"


def test_an_intent_commits_to_every_byte_about_to_be_signed() -> None:
    said = json.loads(events.x509_intent(NODE, "workload", "ab12", [SIGNING], NOON))
    assert said["orders"] == [{"serial": "4abc", "id": str(WEB), "tbs_sha256": "00" * 32}]


def test_one_instant_has_one_spelling_whatever_zone_it_is_told_in() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert events.agent_banned(NODE, "x", elsewhere) == events.agent_banned(NODE, "x", NOON)
    early = datetime(2030, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert b"12:00:00.000005Z" in events.agent_banned(NODE, "x", early)


def test_what_people_type_is_bounded_and_cannot_break_a_line() -> None:
    body = events.token_created(NODE, NOON, "x\n" * 5000, NOON)
    assert len(body) < 10_000
    assert b"\n" not in body


def test_a_float_or_an_object_is_not_an_event() -> None:
    with pytest.raises(Broken, match="event-not-plain"):
        events.canonical("x", NOON, {"domain": ACME})  # type: ignore[dict-item]  # what the test is about
    with pytest.raises(Broken, match="event-not-plain"):
        events.canonical("x", NOON, {"share": 0.5})  # type: ignore[dict-item]  # what the test is about
