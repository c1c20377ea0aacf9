from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.console import PASSWORD, account
from tests.kit.dry_runs import GOOD
from tests.kit.partner import PARTNER
from tests.kit.repository import repository
from tests.kit.server_door import NODE, NOON, WEB, MemoryDoor, certificate
from trustplane.fault import Broken, Finding
from trustplane.flows.approvals.revocations import id_revocation
from trustplane.people.account import Role
from trustplane.people.person import Person
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.revocation import Reason
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_api import admin_application, operations, public_application
from trustplane.wire.http_routes import MAX_BODY_BYTES, Access

FILES = {path: content.decode() for path, content in repository().items()}
CANNOT = Finding(code="no-authority", what="no issuing authority is active", why="it expired", fix="restart")


@pytest.fixture
def door() -> MemoryDoor:
    return MemoryDoor(bodies=[b"{}", b"[]"], certificates=[certificate(0xABC)])


@pytest.fixture
def admin(door: MemoryDoor) -> AsgiClient:
    return AsgiClient(admin_application(door, CollectorRegistry(), VirtualClock(NOON)))


@pytest.fixture
def public(door: MemoryDoor) -> AsgiClient:
    return AsgiClient(public_application(door, CollectorRegistry(), VirtualClock(NOON)))


def test_health_is_200_while_it_can_issue_and_503_with_reasons_when_not(admin: AsgiClient, door: MemoryDoor) -> None:
    assert admin.get("/healthz").status_code == 200
    door.reasons.append(CANNOT)
    answer = admin.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["reasons"][0]["code"] == "no-authority"


def test_metrics_are_those_of_the_registry_it_was_given(door: MemoryDoor) -> None:
    metrics = CollectorRegistry()
    Counter("orders", "orders", registry=metrics).inc(3)
    answer = AsgiClient(admin_application(door, metrics, VirtualClock())).get("/metrics")
    assert "orders_total 3.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_status_has_the_outage_budget_and_what_is_to_be_mended(admin: AsgiClient, door: MemoryDoor) -> None:
    assert admin.get("/v1/status").json()["outage_budget"] == {"first": None, "services": [], "mttr_seconds": None}
    waiver = "{waives: outlives-detection, profile: standard, reason: r, owner: shop-team, until: 2029-12-31}"
    budgets = "{trust_domain: acme.example, mttd: 1h, mttr: 10m}"
    files = repository(trustdomain=budgets, waivers__a=waiver)
    admin.post("/v1/revisions", json={"files": {path: content.decode() for path, content in files.items()}})
    status = admin.get("/v1/status").json()
    first = {
        "service": "shop/web",
        "node": "node-a",
        "serial": f"{0xABC:032x}",
        "at": "2030-01-01T13:00:00Z",
        "seconds": 3600.0,
    }
    assert status["outage_budget"] == {"first": first, "services": [first], "mttr_seconds": 600.0}
    assert [one["code"] for one in status["findings"]] == ["waiver-expired"]
    assert status["can_issue"]


def test_the_bundle_is_a_spiffe_bundle_document(public: AsgiClient) -> None:
    answer = public.get("/bundle")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["keys"] == []


def test_applying_keeps_the_name_the_operator_gave(admin: AsgiClient, door: MemoryDoor) -> None:
    answer = admin.post("/v1/revisions", json={"files": FILES}, headers={"Trustplane-Operator": "ada"})
    applied = msgspec.json.decode(answer.content, type=shapes.AppliedShape)
    assert applied.revision.number == 1
    assert applied.revision.applied_by == "local:ada"
    assert door.acts == ["apply by local:ada"]


def test_an_operators_name_cannot_carry_control_characters_or_fill_the_log(admin: AsgiClient, door: MemoryDoor) -> None:
    admin.post("/v1/revisions", json={"files": FILES}, headers={"Trustplane-Operator": b"a\x1b[31m" + b"b" * 500})
    assert door.acts[0].isprintable()
    assert len(door.acts[0]) < 100


def test_a_plan_answers_the_difference_and_changes_nothing(admin: AsgiClient, door: MemoryDoor) -> None:
    answer = admin.post("/v1/plan", json={"files": FILES})
    found = msgspec.json.decode(answer.content, type=shapes.PlanShape)
    assert not found.unchanged
    assert {item.move for item in found.items} == {"added"}
    assert door.kept == []


def test_a_wrong_repository_is_refused_with_every_finding_and_its_place(admin: AsgiClient) -> None:
    broken = {
        **FILES,
        "trustdomain.yaml": "trust_domain: ACME\n",
        "services/shop/web/service.yaml": "selectors: nope\n",
    }
    answer = admin.post("/v1/plan", json={"files": broken})
    error = msgspec.json.decode(answer.content, type=shapes.ErrorShape)
    assert answer.status_code == 400
    assert {(one.place or "").partition(":")[0] for one in error.findings} == {
        "trustdomain.yaml",
        "services/shop/web/service.yaml",
    }


def test_an_earlier_revision_is_shown_with_its_files_and_restored(admin: AsgiClient) -> None:
    admin.post("/v1/revisions", json={"files": FILES})
    assert admin.get("/v1/revisions/1").json()["files"] == FILES
    assert admin.get("/v1/revisions/current").json()["number"] == 1
    assert admin.post("/v1/revisions/1/restore").json()["revision"]["restored_from"] == 1


def test_a_list_says_that_there_is_more_and_goes_on_from_there(admin: AsgiClient, door: MemoryDoor) -> None:
    door.held += [
        Holding(NODE, "agent node-a", thing, "aa", held, "", NOON) for thing, held in [("bundle", "aa"), ("view", "b")]
    ]
    first = admin.get("/v1/holdings?limit=1").json()
    assert ([one["thing"] for one in first["holdings"]], first["left_off"]) == (["bundle"], 1)
    last = admin.get("/v1/holdings", params={"limit": 1, "after": first["next"]}).json()
    assert ([one["thing"] for one in last["holdings"]], last["left_off"], last["next"]) == (["view"], 0, None)
    assert [one["thing"] for one in admin.get("/v1/holdings?differing=1").json()["holdings"]] == ["view"]
    assert admin.get("/v1/holdings?after=nowhere").json()["code"] == "bad-query"
    assert (admin.get("/v1/status").json()["not_held_left_off"]) == 0


def test_older_ones_than_were_asked_for_are_said_to_be_there(admin: AsgiClient, door: MemoryDoor) -> None:
    door.certificates.append(certificate(0xDEF))
    found = admin.get("/v1/certificates", params={"id": str(WEB), "limit": 1}).json()
    assert ([one["serial"][-3:] for one in found["certificates"]], found["more"]) == (["def"], True)
    assert not admin.get("/v1/certificates", params={"id": str(WEB)}).json()["more"]
    admin.post("/v1/revisions", json={"files": FILES})
    (first,) = door.kept
    door.kept.append((replace(first[0], number=2), first[1]))
    newest = admin.get("/v1/revisions?limit=1").json()
    assert ([one["number"] for one in newest["revisions"]], newest["more"]) == ([2], True)
    older = admin.get("/v1/revisions?limit=1&before=2").json()
    assert ([one["number"] for one in older["revisions"]], older["more"]) == ([1], False)


@pytest.mark.parametrize("number", ["7", "current", "-1", "1e3", "99999999999999999999", "%00"])
def test_a_revision_that_is_not_there_is_404(admin: AsgiClient, number: str) -> None:
    answer = admin.get(f"/v1/revisions/{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-revision")


def test_a_token_is_given_once_and_never_shown_by_repr(admin: AsgiClient) -> None:
    answer = admin.post("/v1/join-tokens", json={"node": "node-b", "ttl_seconds": 60})
    token = msgspec.json.decode(answer.content, type=shapes.TokenShape)
    assert token.token == "tpj_" + "secret"
    assert token.expires_at == NOON + timedelta(seconds=60)
    assert "tpj_secret" not in repr(token)


def test_an_unknown_node_cannot_be_banned_and_a_known_one_is(admin: AsgiClient, door: MemoryDoor) -> None:
    assert admin.post("/v1/agents/node-z/ban").status_code == 404
    assert admin.post("/v1/agents/node-a/ban").json()["banned"] is True
    assert door.acts == ["ban node-a by local:unnamed"]


def test_certificates_are_found_by_id_and_by_serial_in_any_spelling(admin: AsgiClient) -> None:
    by_id = admin.get("/v1/certificates", params={"id": str(WEB)}).json()["certificates"]
    for spelling in ("abc", "0xABC", "0a:bc", "ABC"):
        assert admin.get("/v1/certificates", params={"serial": spelling}).json()["certificates"] == by_id
    assert by_id[0]["serial"] == f"{0xABC:032x}"


def test_audit_entries_travel_byte_for_byte_with_their_hashes(admin: AsgiClient, door: MemoryDoor) -> None:
    found = msgspec.json.decode(admin.get("/v1/audit/entries").content, type=shapes.AuditEntriesShape)
    assert [one.body for one in found.entries] == door.bodies
    later = msgspec.json.decode(admin.get("/v1/audit/entries?start=1").content, type=shapes.AuditEntriesShape)
    assert [one.index for one in later.entries] == [1]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad-body"),
        (b'{"files": {}, "file": 1}', "application/json", 400, "bad-body"),
        (b'{"files": {"a": 1}}', "application/json", 400, "bad-body"),
        (b'{"files": {"a": "\xff"}}', "application/json", 400, "bad-body"),
        (b"[" * 100_000, "application/json", 400, "bad-body"),
        (b'{"files": {}}', "text/plain", 415, "bad-content-type"),
        (b'{"files": {"a": "' + b"x" * MAX_BODY_BYTES + b'"}}', "application/json", 413, "body-too-large"),
    ],
    ids=["cut off", "unknown field", "wrong type", "not UTF-8", "deep", "not declared as JSON", "too large"],
)
def test_a_bad_body_is_refused_before_any_door_is_touched(  # noqa: PLR0917 - one column of the table each
    admin: AsgiClient, door: MemoryDoor, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = admin.post("/v1/revisions", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert door.acts == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "limitt=1", "limit=٣"]
)
def test_a_query_out_of_bounds_unknown_or_doubled_is_refused(admin: AsgiClient, query: str) -> None:
    answer = admin.get(f"/v1/revisions?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-query")


def test_unknown_paths_and_methods_are_answered_in_the_same_shape(admin: AsgiClient) -> None:
    for answer, status in (
        (admin.get("/v2/status"), 404),
        (admin.get("/v1/status/"), 404),
        (admin.request("PUT", "/v1/plan"), 405),
    ):
        error = msgspec.json.decode(answer.content, type=shapes.ErrorShape)
        assert answer.status_code == status
        assert error.fix


def test_a_fault_of_ours_tells_a_reference_and_nothing_else() -> None:
    class Cracked(MemoryDoor):
        async def audit_head(self) -> tuple[int, tuple[bytes, ...]]:
            raise Broken(code="crack", what="secret path /etc/x", why="inner", fix="none")

    client = AsgiClient(admin_application(Cracked(), CollectorRegistry(), VirtualClock()))
    answer = client.get("/v1/audit/head")
    assert answer.status_code == 500
    assert answer.json()["code"] == "crack"
    assert len(answer.json()["reference"]) == 16
    assert "secret path" not in answer.text


def test_every_answer_forbids_caching_and_sniffing(admin: AsgiClient) -> None:
    for path in ("/healthz", "/v1/status", "/nowhere"):
        headers = admin.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]


def test_nothing_that_changes_anything_exists_over_https(public: AsgiClient, door: MemoryDoor) -> None:
    changing = [one for one in operations(door, CollectorRegistry(), VirtualClock()) if one.access is Access.CHANGE]
    revoking = {"revoke_certificate", "revoke_id", "revoke_issuer", "lift_id"}
    rotating = {f"{word}_rotation" for word in ("start", "pause", "resume", "abort")} | {"waive_participant"}
    federating = {"refresh_peer", "forget_peer"}
    trying = {"start_dry_run", "stop_dry_run", "promote_dry_run"}
    others = {"plan", "apply", "restore", "create_token", "ban_agent"}
    admitting = {"accounts", "add_account", "give_role", "give_password", "remove_account"}
    admitting |= {"deploy_tokens", "create_deploy_token", "revoke_deploy_token"}
    admitting |= {"proposals", "proposal", "approve", "refuse", "withdraw"}
    assert {one.name for one in changing} == others | revoking | rotating | federating | trying | admitting
    for one in changing:
        path = _example(one.path)
        assert public.request(one.method, path, json={"files": {}}).status_code in {401, 404, 405}
    assert door.acts == []


def _example(path: str) -> str:
    which = {"/v1/proposals/{number}/refuse": "2", "/v1/proposals/{number}/withdraw": "3"}.get(path, "1")
    found = path.replace("{number}", which).replace("{node}", "node-a").replace("{trust_domain}", "partner.example")
    return found.replace("{name}", "ada")


def _bodies() -> dict[str, object]:
    """What each operation that takes a body is sent, by its path."""
    bodies: dict[str, object] = {"/v1/plan": {"files": FILES}, "/v1/revisions": {"files": FILES}}
    bodies |= {"/v1/dry-runs": {"files": FILES}, "/v1/dry-run/promote": {}}
    bodies["/v1/accounts"] = {"name": "ada", "role": "viewer", "password": PASSWORD}
    bodies |= {"/v1/accounts/{name}/role": {"role": "auditor"}, "/v1/accounts/{name}/password": {"password": PASSWORD}}
    bodies["/v1/deploy-tokens"] = {"name": "ada", "seconds": 3600}
    bodies["/v1/join-tokens"] = {"node": "node-b"}
    bodies["/v1/rotations"] = {"reason": "yearly"}
    waiver = {"participant": "agent node-a", "reason": "sold", "owner": "ops", "until": "2030-01-03T00:00:00Z"}
    bodies["/v1/rotation/waivers"] = waiver
    for kind, what in (
        ("certificates", {"serial": "7"}),
        ("ids", {"spiffe_id": str(WEB)}),
        ("issuers", {"authority": "ab"}),
    ):
        bodies[f"/v1/revocations/{kind}"] = {"reason": "superseded", **what}
    bodies["/v1/revocations/ids/lift"] = {"spiffe_id": str(WEB)}
    return bodies


def _proposed(admin: AsgiClient, door: MemoryDoor) -> dict[str, object]:
    """One proposal for each decision, and an approver."""
    gone = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/gone")
    act = id_revocation(gone, Reason.SUPERSEDED, "")
    for _ in range(3):
        admin.run(door.proposals().propose(act, Person("local:unnamed"), "gone"))
    admin.run(door.persons.add_account(account("grace", Role.APPROVER)))
    approval = {"account": "grace", "password": PASSWORD, "digest": door.proposed.kept[1].digest, "word": "seen"}
    one = "/v1/proposals/{number}"
    return {f"{one}/approve": approval, f"{one}/refuse": {"word": "no"}}


def test_the_openapi_page_has_every_route_and_each_answers_as_it_declares(admin: AsgiClient, door: MemoryDoor) -> None:
    admin.post("/v1/revisions", json={"files": FILES})
    page: dict[str, Any] = admin.get("/openapi.json").json()
    queries = {"/v1/explain": {"query": str(WEB)}, "/v1/certificates": {"id": str(WEB)}}
    bodies = _bodies() | _proposed(admin, door)
    door.certificates.append(certificate(7))
    door.stated[PARTNER] = b"signed"
    door.standing = GOOD
    for one in operations(door, CollectorRegistry(), VirtualClock()):
        declared = page["paths"][one.path][one.method.lower()]
        answer = admin.request(
            one.method,
            _example(one.path),
            params=queries.get(one.path),
            json=bodies.get(one.path) if one.body else None,
        )
        assert answer.status_code == 200, (one.path, answer.text)
        [kind] = declared["responses"]["200"]["content"]
        assert answer.headers["content-type"].partition(";")[0] == kind.partition(";")[0]
        if not isinstance(one.answer, str):
            msgspec.json.decode(answer.content, type=one.answer)
            assert answer.json().keys() <= page["components"]["schemas"][one.answer.__name__]["properties"].keys()
        assert {name["name"] for name in declared.get("parameters", []) if name["in"] == "query"} == {
            query.name for query in one.query
        }
    listed = {(path, method.upper()) for path, methods in page["paths"].items() for method in methods}
    served = {(one.path, one.method) for one in operations(door, CollectorRegistry(), VirtualClock())}
    assert listed == served
