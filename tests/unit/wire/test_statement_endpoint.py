"""Statements over real TLS: how ours is shown, and what an endpoint that shows something else comes to."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.asgi import AsgiClient
from tests.kit.bundle_endpoint import ENDPOINT_ID, US, Behaviour, Endpoint, answering, endpoint, relation, saying
from tests.kit.ca import TestCa
from tests.kit.clock import START
from tests.kit.partner import PARTNER, Partner, Speaker
from tests.kit.server_door import MemoryDoor
from trustplane.fault import Fault
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.trust.statement import MAX_STATEMENT_BYTES, Statement, check_newer, check_ours, sign, verified
from trustplane.wire.bundle_endpoint import BundleEndpoints
from trustplane.wire.http_federation import endpoint_application

pytestmark = pytest.mark.network

ACME = TrustDomain("acme.example")
OURS = Bundle(ACME, (TestCa.root(ACME).certificate,), sequence=7)
THEM = Speaker(US)
SAID = THEM.statement(OURS)
SHOWN = THEM.shows(OURS)
MINUTE = timedelta(minutes=1)
BEFORE = THEM.statement(OURS, at=START - MINUTE)


def shows(document: bytes) -> Behaviour:
    return answering("200 OK", document, "Content-Type: application/jose")


def asked(one: Endpoint, seconds: float = 20.0) -> Statement:
    """As `flows.federation.ask_partners` does it, with what it said a minute ago in mind."""
    endpoints = BundleEndpoints(seconds=seconds)
    document = asyncio.run(endpoints.statement(relation(one.url()), US.bundle(), ACME))
    statement = verified(document, THEM.bundle(), ACME, START)
    check_newer(BEFORE, statement)
    check_ours(statement, OURS)
    return statement


def refusal(one: Endpoint, seconds: float = 20.0) -> str:
    with pytest.raises(Fault) as fault:
        asked(one, seconds)
    return fault.value.code


def test_it_is_asked_for_beside_the_bundle_without_any_credentials(tmp_path: Path) -> None:
    with endpoint(tmp_path, shows(SHOWN)) as one:
        assert asked(one) == SAID
        assert one.requests[0].startswith(b"GET /uptake/acme.example HTTP/1.1\r\n")
        assert (one.client_certificates, b"authorization" in one.requests[0].lower()) == ([None], False)


def unsigned() -> bytes:
    header, claims, _ = SHOWN.split(b".")
    return b".".join((header, claims, b""))


HOSTILE = {
    "wrong domain": (
        shows(Speaker(Partner.named("other.example"), THEM.kid, THEM.key).shows(OURS)),
        "statement-of-another-domain",
    ),
    "about another": (
        shows(sign(replace(SAID, about=TrustDomain("other.example")), THEM.kid, THEM.sign)),
        "statement-about-another-domain",
    ),
    "old sequence": (shows(THEM.shows(replace(OURS, sequence=6))), "statement-sequence-went-back"),
    "unpublished sequence": (shows(THEM.shows(replace(OURS, sequence=8))), "statement-of-unpublished-bundle"),
    "expired": (shows(THEM.shows(OURS, at=START - timedelta(hours=1))), "statement-not-fresh"),
    "of tomorrow": (shows(THEM.shows(OURS, at=START + timedelta(days=1))), "statement-not-fresh"),
    "replayed": (shows(THEM.shows(OURS, at=START - 2 * MINUTE)), "statement-went-back"),
    "huge": (shows(SHOWN + b"A" * MAX_STATEMENT_BYTES), "statement-too-large"),
    "unsigned": (shows(unsigned()), "bad-statement"),
    "signed by a foreign key": (shows(Speaker(US).shows(OURS)), "statement-not-vouched-for"),
    "signed by a key nobody knows": (shows(sign(SAID, "another", THEM.sign)), "statement-not-vouched-for"),
    "a bundle": (shows(US.document()), "bad-statement"),
    "packed": (answering("200 OK", SHOWN, "Content-Encoding: gzip"), "bundle-encoded"),
    "not there": (answering("404 Not Found"), "endpoint-without-statement"),
    "out of order": (answering("503 Service Unavailable"), "endpoint-without-bundle"),
    "cut short": (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nx"), "endpoint-not-http"),
    "not HTTP": (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "endpoint-not-http"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(tmp_path: Path, name: str) -> None:
    behave, code = HOSTILE[name]
    with endpoint(tmp_path, behave) as one:
        assert refusal(one) == code


def test_an_endless_one_is_read_up_to_the_bound_and_a_dripping_one_left(tmp_path: Path) -> None:
    let_go = threading.Event()

    def endless(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"A" * 0x10000 + b"\r\n")

    def drips(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not let_go.wait(0.02):
            connection.sendall(b"A")

    with endpoint(tmp_path, endless) as one:
        assert refusal(one) == "statement-too-large"
        one.behave = drips
        assert refusal(one, seconds=1.0) == "endpoint-too-slow"
        let_go.set()


def test_an_endpoint_of_another_identity_is_not_even_asked(tmp_path: Path) -> None:
    stranger = SpiffeId(PARTNER, ("somebody", "else"))
    assert stranger != ENDPOINT_ID
    with endpoint(tmp_path, shows(SHOWN), spiffe_id=stranger) as one:
        assert refusal(one) == "endpoint-not-verified"
        assert one.requests == []


def test_ours_is_shown_to_anyone_who_asks_about_a_partner_and_nothing_is_said_of_others() -> None:
    client = AsgiClient(endpoint_application(MemoryDoor(stated={PARTNER: SHOWN})))
    answer = client.get(f"/uptake/{PARTNER}")
    assert (answer.status_code, answer.content) == (200, SHOWN)
    assert answer.headers["content-type"] == "application/jose"
    assert answer.headers["cache-control"] == "no-store"
    stranger = client.get("/uptake/stranger.example")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "nothing-stated")
    for path, status in (("/uptake/", 404), ("/uptake/NOT-ONE", 400), (f"/uptake/{PARTNER}/x", 404)):
        assert client.get(path).status_code == status
    assert client.post(f"/uptake/{PARTNER}").status_code == 405
    assert json.loads(client.get("/bundle").content)["spiffe_sequence"] == 1
