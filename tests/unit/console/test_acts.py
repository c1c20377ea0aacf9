from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.console import Browser, account
from tests.kit.dry_runs import SHOWN
from tests.kit.server_door import NOON, MemoryDoor, certificate
from trustplane.issuance.record import Purpose
from trustplane.people.account import Role
from trustplane.rotation.root_change import Order
from trustplane.trust.revocation import Reason
from trustplane.verdict.dry_run import End, Ended

SERIAL = f"{0xABC:032x}"
PAUSE = "/acts/pause-root-change"
RESUME = "/acts/resume-root-change"
ABORT = "/acts/abort-root-change"
REVOKE = "/acts/revoke-certificate"
STOP = "/acts/stop-dry-run"
ACTS = ((PAUSE, "1"), (ABORT, "1"), (REVOKE, SERIAL), (STOP, SHOWN.run.id))


def browser(role: Role = Role.OPERATOR) -> Browser:
    door = MemoryDoor(standing=SHOWN)
    door.certificates.append(certificate(0xABC))
    asyncio.run(door.start_rotation(Order("local:ada", "yearly")))
    found = Browser(door).knows(account(role=role)).applied()
    found.sign_in()
    return found


def confirmed(one: Browser, path: str, target: str, **fields: str) -> int:
    token = one.form_token(f"{path}?of={target}")
    return one.post(path, form_token=token, of=target, **fields).status_code


@pytest.mark.parametrize(("path", "target"), ACTS)
def test_what_will_happen_is_said_before_anything_does(path: str, target: str) -> None:
    one = browser()
    page = one.get(f"{path}?of={target}")
    assert page.status_code == 200
    assert "What will happen" in page.text
    assert "Taken back:" in page.text
    assert "console:ada" in page.text
    assert one.door.acts == ["apply by local:ada"]
    assert one.door.revoked.certificates == ()


def test_an_operator_pauses_and_resumes_a_change_of_root_by_name() -> None:
    one = browser()
    assert 'href="/acts/pause-root-change?of=1"' in one.get("/trust").text
    assert confirmed(one, PAUSE, "1") == 303
    page = one.get("/trust").text  # at once, though the page is looked up once a second
    assert "(paused)" in page
    assert 'href="/acts/resume-root-change?of=1"' in page
    assert confirmed(one, RESUME, "1") == 303
    assert "(paused)" not in one.get("/trust").text
    assert one.door.acts[1:] == ["Paused by console:ada", "Resumed by console:ada"]


def test_an_operator_goes_back_from_a_change_of_root() -> None:
    one = browser()
    assert confirmed(one, ABORT, "1") == 303
    assert one.door.acts[1:] == ["GoneBack by console:ada"]


def test_an_operator_revokes_a_leaf_with_reason_and_note() -> None:
    one = browser()
    assert f'href="{REVOKE}?of={SERIAL}"' in one.get(f"/certificates/{SERIAL}").text
    assert confirmed(one, REVOKE, SERIAL, reason="key-compromise", note="laptop lost") == 303
    [revoked] = one.door.revoked.certificates
    assert (revoked.serial, revoked.cause.by) == (0xABC, "console:ada")
    assert (revoked.cause.reason, revoked.cause.note) == (Reason.KEY_COMPROMISE, "laptop lost")
    page = one.get(f"/certificates/{SERIAL}").text
    assert "revoked" in page
    assert REVOKE not in page


def test_an_operator_stops_a_dry_run() -> None:
    one = browser()
    page = one.get("/dry-run").text
    assert "Would newly be refused" in page
    assert f'href="{STOP}?of={SHOWN.run.id}"' in page
    assert confirmed(one, STOP, SHOWN.run.id) == 303
    assert one.door.acts[1:] == ["console:ada ends the dry run"]


@pytest.mark.parametrize("role", [one for one in Role if one is not Role.OPERATOR])
@pytest.mark.parametrize(("path", "target"), ACTS)
def test_whoever_is_no_operator_is_refused_and_told_why(role: Role, path: str, target: str) -> None:
    one = browser(role)
    asked = one.get(f"{path}?of={target}")
    done = one.post(path, form_token=one.form_token("/"), of=target, reason="unspecified")
    for answer in (asked, done):
        assert answer.status_code == 403
        assert f"your role is {role.value}" in answer.text
        assert "trustplane console account role ada operator" in answer.text
    assert one.door.acts == ["apply by local:ada"]
    assert one.door.revoked.certificates == ()
    for page in ("/trust", "/dry-run", f"/certificates/{SERIAL}"):
        assert "/acts/" not in one.get(page).text


@pytest.mark.parametrize(("path", "target"), ACTS)
def test_an_act_is_taken_only_from_our_own_page_of_this_session(path: str, target: str) -> None:
    one = browser()
    token = one.form_token("/")
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {}):
        one.headers = headers
        assert one.post(path, form_token=token, of=target, reason="unspecified").status_code == 403
    one.headers = {"sec-fetch-site": "same-origin"}
    assert one.post(path, form_token="0" * 64, of=target, reason="unspecified").status_code == 403
    one.cookies.clear()
    assert one.post(path, form_token=token, of=target, reason="unspecified").status_code == 401
    assert one.door.acts == ["apply by local:ada"]


@pytest.mark.parametrize(
    ("path", "target"), [(PAUSE, "2"), (RESUME, "1"), (PAUSE, ""), (STOP, "6-none"), (REVOKE, "ff"), (REVOKE, "")]
)
def test_what_is_no_longer_there_is_not_acted_on(path: str, target: str) -> None:
    one = browser()
    answer = one.post(path, form_token=one.form_token("/"), of=target, reason="unspecified")
    assert answer.status_code in {404, 409}
    assert one.door.acts == ["apply by local:ada"]
    assert one.door.revoked.certificates == ()


def test_the_same_form_sent_twice_acts_once() -> None:
    one = browser()
    token = one.form_token(f"{REVOKE}?of={SERIAL}")
    sent = [one.post(REVOKE, form_token=token, of=SERIAL, reason="superseded", note="") for _ in range(2)]
    assert [answer.status_code for answer in sent] == [303, 409]
    assert len(one.door.revoked.certificates) == 1


@pytest.mark.parametrize(
    ("reason", "note"), [("because", ""), ("", ""), ("superseded", "x" * 501), ("superseded", "\n")]
)
def test_a_reason_that_no_crl_knows_and_a_huge_note_are_refused(reason: str, note: str) -> None:
    one = browser()
    answer = one.post(REVOKE, form_token=one.form_token("/"), of=SERIAL, reason=reason, note=note)
    assert answer.status_code == 400
    assert one.door.revoked.certificates == ()


def test_the_certificate_of_a_node_is_not_revoked_here() -> None:
    one = browser()
    one.door.certificates[0] = replace(one.door.certificates[0], purpose=Purpose.NODE)
    assert REVOKE not in one.get(f"/certificates/{SERIAL}").text
    answer = one.get(f"{REVOKE}?of={SERIAL}")
    assert answer.status_code == 400
    assert "cut off as a whole" in answer.text


def test_a_dry_run_that_is_over_and_none_at_all_are_told_apart() -> None:
    one = browser()
    one.door.standing = replace(SHOWN, ended=Ended(End.TIME, NOON, "trustplane"))
    page = one.get("/dry-run").text
    assert "its time was over" in page
    assert "/acts/" not in page
    one.door.standing = None
    one.at(NOON + timedelta(seconds=2))
    assert "None is under way" in one.get("/dry-run").text
    assert one.get("/acts/none?of=1").status_code == 404


def auditor() -> Browser:
    one = Browser(MemoryDoor(bodies=[b'{"event":"a"}', b'{"event":"b"}'])).knows(account(role=Role.AUDITOR))
    one.sign_in()
    return one


def test_an_auditor_verifies_the_log_also_against_a_checkpoint_kept_from_earlier() -> None:
    one = auditor()
    kept = one.get("/audit/checkpoint")
    assert kept.headers["content-disposition"] == 'attachment; filename="checkpoint.txt"'
    token = one.form_token("/audit/verify")
    assert "agrees with itself" in one.post("/audit/verify", form_token=token, kept="").text
    one.door.bodies.append(b'{"event":"c"}')
    page = one.post("/audit/verify", form_token=token, kept=kept.text.replace("\n", "\r\n")).text
    assert "3 entries" in page
    assert "one of them yours" in page


def test_a_log_that_was_rewritten_is_found_out_by_the_checkpoint_that_was_kept() -> None:
    one = auditor()
    kept = one.get("/audit/checkpoint").text
    one.door.bodies[0] = b'{"event":"z"}'  # consistently: what the server signs now fits
    token = one.form_token("/audit/verify")
    assert "verified" in one.post("/audit/verify", form_token=token, kept="").text
    page = one.post("/audit/verify", form_token=token, kept=kept).text
    assert "not what was signed" in page
    assert "audit-log-rewritten" in page


@pytest.mark.parametrize("kept", ["x", "acme.example\n1\nAAAA\n\n\u2014 acme.example AAAA", "\u202e" * 100])
def test_what_is_no_checkpoint_of_this_log_is_refused(kept: str) -> None:
    one = auditor()
    answer = one.post("/audit/verify", form_token=one.form_token("/audit/verify"), kept=kept)
    assert answer.status_code == 400
    assert "checkpoint" in answer.text


@pytest.mark.parametrize("path", ["/audit/verify", "/audit/checkpoint"])
def test_the_log_is_verified_by_auditors_alone(path: str) -> None:
    one = browser()
    assert one.get(path).status_code == 403
    if path == "/audit/verify":
        assert one.post(path, form_token=one.form_token("/"), kept="").status_code == 403
