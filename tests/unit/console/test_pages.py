from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

import pytest

from tests.kit.compared_fleet import NODES, failure
from tests.kit.console import Browser, account
from tests.kit.handshakes import hidden, refused
from tests.kit.policies import PAYMENTS
from tests.kit.server_door import NODE, NOON, MemoryDoor, certificate
from trustplane.console import spreadsheet
from trustplane.console.failure_trend import failure_trend
from trustplane.console.overview import Bar, Timeline
from trustplane.fault import Broken, Finding
from trustplane.handshake.failure import Claims, Side
from trustplane.issuance.outage_budget import OutageBudget
from trustplane.people.account import Role
from trustplane.registry.parcels import Losses
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import Order
from trustplane.spiffe.names import NodeName

SERIAL = f"{0xABC:032x}"
PATHS = (
    *("/", "/trust", "/services", "/services/shop/web", "/nodes", "/failures", "/runbooks", "/runbooks/clocks"),
    *("/search?q=web", f"/certificates/{SERIAL}", "/audit", "/pictures/expiry.svg", "/pictures/calls/shop/web.svg"),
)
HOSTILE = "<script>alert(1)</script>\u202egnp.exe\x1b[2J\x00'\"&"


def browser(role: Role = Role.AUDITOR) -> Browser:
    door = MemoryDoor(bodies=[b'{"event":"x509-intent","at":"noon","node":"node-a"}', b"\xff no event"])
    door.certificates.append(certificate(0xABC))
    found = Browser(door).knows(account(role=role)).applied()
    found.sign_in()
    return found


@pytest.fixture(scope="module")
def signed_in() -> Browser:
    """For tests that change nothing."""
    return browser()


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_made(signed_in: Browser, path: str) -> None:
    answer = signed_in.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.text.count("<h1>") == (0 if path.endswith(".svg") else 1)


@pytest.mark.parametrize("path", [*PATHS, "/live"])
def test_nothing_is_shown_to_who_is_not_signed_in(path: str) -> None:
    answer = Browser().get(path)
    assert answer.status_code == (401 if path == "/live" else 303)
    assert "node-a" not in answer.text


def test_a_calm_fleet_says_so_and_a_server_that_cannot_issue_comes_first() -> None:
    one = browser()
    assert "Nothing known is wrong" in one.get("/").text
    one.at(NOON + timedelta(seconds=2))
    one.door.reasons.append(
        Finding(code="no-authority", what="no authority is active", why="it expired", fix="restart")
    )
    page = one.get("/").text
    assert "Nothing known is wrong" not in page
    assert "act now" in page
    assert "no authority is active" in page


def test_text_from_outside_is_only_text() -> None:
    one = browser()
    one.door.held.append(Holding(NODE, f"sidecar {HOSTILE}", "listener", "aa", "", HOSTILE * 100, NOON))
    one.door.bodies.append(b'{"event":"sign-in-failed","at":"noon","account":"<img src=x onerror=alert(1)>"}')
    claims = Claims(f"spiffe://acme.example/{HOSTILE}", HOSTILE)
    one.door.failed.told(NODE, refused(NOON - timedelta(minutes=1), text=HOSTILE, theirs=claims, peer=HOSTILE))
    for path in ("/failures", "/audit", "/", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE"):
        page = one.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert not [each for each in page if not each.isprintable() and each != "\n"]
    assert "more characters)" in one.get("/failures").text


def test_failed_handshakes_are_joined_and_explained() -> None:
    one = browser()
    assert "No sidecar told of a failed handshake" in one.get("/failures").text
    for port in (1, 2, 3):
        one.door.failed.told(NODE, refused(NOON - timedelta(minutes=port), port))
        one.door.failed.told(NodeName("node-b"), hidden(NOON - timedelta(minutes=port), port))
    one.door.failed.counts = {(NODE, PAYMENTS, Side.SERVER): 40}
    one.door.failed.lost = {NODE: Losses(dropped=7)}
    page = one.get("/failures").text
    assert "It is leaf-expired: the leaf certificate is past its end" in page
    assert "shop/payments on node-a, shop/checkout on node-b" in page
    assert "callees counted 40 handshakes" in page
    assert "7 failures have no record" in page
    assert "/runbooks/expired-certificate" in page


def test_what_failures_have_in_common_is_one_line_with_its_figures() -> None:
    one = browser()
    assert "have in common" not in one.get("/failures").text, "nothing failed"
    one.at(NOON + timedelta(minutes=1))
    one.door.fleet.records += [failure(client, NODES[3], 1) for client in NODES]
    page = one.get("/failures").text
    assert "What failed handshakes have in common" in page
    assert "10 of 100 links failed" in page
    assert "All 10 failures are sidecar shop/pay on east-3 (expected by chance 1; p &lt; 1e-" in page
    assert "10 of 10 that fail, 10 of all (10.0%); 10.0 times as many as by chance" in page
    assert "server node east-3" in page


def test_no_page_has_script_or_style_of_its_own(signed_in: Browser) -> None:
    for path in PATHS:
        page = signed_in.get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), path
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", page))


@pytest.mark.parametrize(("path", "count"), [("/", 2), ("/services/shop/web", 1)])
def test_every_picture_of_a_page_can_be_saved(signed_in: Browser, path: str, count: int) -> None:
    page = signed_in.get(path).text
    saved = re.findall(r'href="(/pictures/[^"]+)" download', page)
    assert (page.count("<svg"), len(saved)) == (count, 3 * count)
    for vector, pixels, figures in zip(saved[::3], saved[1::3], saved[2::3], strict=True):
        assert vector == pixels  # a browser draws them from it
        answer = signed_in.get(vector)
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert answer.text in page
        answer = signed_in.get(figures)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment;")


def test_failed_handshakes_are_drawn_by_the_hour() -> None:
    hours = [(NOON - timedelta(hours=23 - number), 1000 if number == 20 else 0) for number in range(24)]
    drawn = failure_trend(hours)
    assert 'aria-label="Failed handshakes of the last 24 hours: 1,000 in all, at most 1,000 in an hour"' in drawn
    assert drawn.count('class="bad"') == 1
    assert "1,000 from 2030-01-01 09:00:00 UTC" in drawn
    assert 'class="bad"' not in failure_trend([(hour, 0) for hour, _ in hours])
    assert spreadsheet.failures(hours).splitlines()[21] == "2030-01-01T09:00:00Z,1000"


def test_the_figures_behind_a_picture_are_those_of_the_server(signed_in: Browser) -> None:
    heads, first, *_ = signed_in.get("/pictures/expiry.csv").text.splitlines()
    assert heads == "service,node,serial,ends,seconds_left,lifetime_seconds"
    bar = asyncio.run(signed_in.door.outage_budget()).first
    assert bar is not None
    assert first.split(",")[:3] == [str(bar.service), bar.node.name, f"{bar.serial:032x}"]
    calls = signed_in.get("/pictures/calls/shop/web.csv").text.splitlines()
    assert calls[0] == "caller,callee"
    assert all("shop/web" in line.split(",") for line in calls[1:])
    assert len(calls) > 1


@pytest.mark.parametrize("said", ["=1+1", "+1", "-1", "@x", "\tx", "a\u202eb", 'a"b,c'])
def test_a_cell_is_never_a_formula(said: str) -> None:
    bar = Bar(said, "node-a", 1, NOON, timedelta(seconds=5), None)
    [cell, *rest] = list(csv.reader(spreadsheet.expiries(Timeline((bar,), 0, None)).splitlines()))[1]
    assert rest == ["node-a", f"{1:032x}", "2030-01-01T12:00:00Z", "5", ""]
    assert not cell.startswith(("=", "+", "-", "@", "\t"))
    assert cell.isprintable()


def test_a_change_of_root_is_a_board_with_who_is_waited_for() -> None:
    one = browser()
    assert "Change of root" not in one.get("/trust").text
    one.at(NOON + timedelta(seconds=2))
    one.client.run(one.door.start_rotation(Order("local:ada", "yearly <b>")))
    page = one.get("/trust").text
    assert "Change of root 1" in page
    assert "yearly &lt;b&gt;" in page
    assert 'aria-current="step">prepare' in page
    assert "trustplane rotate pause" in page


def test_the_audit_log_is_for_auditors() -> None:
    assert "x509-intent" in browser().get("/audit").text
    answer = browser(Role.APPROVER).get("/audit")
    assert answer.status_code == 403
    assert "trustplane console account role ada auditor" in answer.text
    assert "x509-intent" not in answer.text


def test_the_audit_log_is_filtered_by_event_and_words(signed_in: Browser) -> None:
    assert "1 entry of the 2 looked through" in signed_in.get("/audit?event=x509&words=NODE-A").text
    assert "0 entries of the 2 looked through" in signed_in.get("/audit?event=jwt").text


def test_a_search_finds_services_serials_runbooks_and_causes(signed_in: Browser) -> None:
    assert 'href="/services/shop/web"' in signed_in.get("/search?q=sa/web").text
    assert f'href="/certificates/{SERIAL}"' in signed_in.get("/search?q=0A:BC").text
    assert 'href="/runbooks/clocks"' in signed_in.get("/search?q=clock+wrong").text
    assert 'href="/runbooks/expired-certificate"' in signed_in.get("/search?q=leaf-expired").text
    assert "0 places" in signed_in.get("/search?q=zzzzz").text


@pytest.mark.parametrize(
    "path",
    ["/services/shop/none", "/runbooks/none", "/certificates/zz", "/certificates/" + "f" * 41, "/none", "/trust/"],
)
def test_what_is_not_there_is_said_to_be_so(signed_in: Browser, path: str) -> None:
    answer = signed_in.get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text


class Failing(MemoryDoor):
    async def cannot_issue(self) -> Sequence[Finding]:
        raise Broken(code="inside", what="the secret is sesame", why="x", fix="y")


class Counting(MemoryDoor):
    looks: ClassVar[int] = 0

    async def outage_budget(self) -> OutageBudget:
        Counting.looks += 1
        return await super().outage_budget()


def test_what_we_got_wrong_is_told_by_a_reference_alone() -> None:
    one = Browser(Failing()).knows()
    one.sign_in()
    answer = one.get("/")
    assert answer.status_code == 500
    assert "sesame" not in answer.text
    assert "report what it says" in answer.text


def test_many_pages_at_once_look_at_the_server_once() -> None:
    one = Browser(Counting()).knows()
    one.sign_in()
    for _ in range(5):
        one.get("/")
    assert Counting.looks == 1
