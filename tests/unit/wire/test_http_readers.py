from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.repository import repository
from tests.kit.server_door import ACME, NOON, MemoryDoor
from trustplane.spiffe.bundle import Bundle, JwtAuthority
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import JwtClaims, compact
from trustplane.wire.http_api import public_application

PAYMENTS = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/payments")
WEB = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGE_KEY = ec.generate_private_key(ec.SECP256R1())
FILES = repository(trustdomain=f"trust_domain: acme.example\nreaders: ['{PAYMENTS}']\n")


def token(
    who: SpiffeId = PAYMENTS, audience: str = "trustplane-api", key: ec.EllipticCurvePrivateKey = KEY, age: int = 0
) -> str:
    issued = NOON - timedelta(seconds=age)
    claims = JwtClaims(who, (audience,), issued, issued + timedelta(minutes=5))
    return compact(claims, "k1", JwtAlgorithm.ES256, lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())))


@pytest.fixture
def door() -> MemoryDoor:
    return MemoryDoor(trust_bundle=Bundle(ACME, (), (JwtAuthority("k1", KEY.public_key()),)))


@pytest.fixture
def client(door: MemoryDoor) -> AsgiClient:
    asyncio.run(door.apply(FILES, "test"))
    return AsgiClient(public_application(door, CollectorRegistry(), VirtualClock(NOON)))


def test_a_listed_reader_reads(client: AsgiClient) -> None:
    answer = client.get("/v1/status", headers={"Authorization": f"Bearer {token()}"})
    assert answer.status_code == 200
    assert answer.json()["trust_domain"] == "acme.example"


def test_an_identity_that_is_not_listed_is_403_and_told_how_to_become_one(client: AsgiClient) -> None:
    answer = client.get("/v1/status", headers={"Authorization": f"Bearer {token(WEB)}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-a-reader")
    assert "readers" in answer.json()["fix"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer ",
        "Basic YTpi",
        "Bearer not.a.token",
        "Bearer " + "x" * 20_000,
        f"Bearer {token(audience='payments')}",
        f"Bearer {token(key=STRANGE_KEY)}",
        f"Bearer {token(age=3600)}",
    ],
    ids=["none", "empty", "basic", "no token", "huge", "other audience", "other key", "expired"],
)
def test_whatever_is_no_valid_token_for_this_api_is_401(client: AsgiClient, header: str | None) -> None:
    answer = client.get("/v1/status", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "no-bearer-token")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_reader_who_leaves_the_list_reads_no_more(client: AsgiClient, door: MemoryDoor) -> None:
    door.kept.clear()
    assert client.get("/v1/status", headers={"Authorization": f"Bearer {token()}"}).status_code == 403


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/bundle", "/openapi.json"])
def test_what_scrapers_and_peers_need_takes_no_token(client: AsgiClient, path: str) -> None:
    assert client.get(path).status_code == 200
