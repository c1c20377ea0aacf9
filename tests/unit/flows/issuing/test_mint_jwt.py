"""Tokens: for who has the right, for the audience asked, written down before and after, never outliving their key."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.kit.issuing_ports import ACME, NODE, NOON, WEB, MemoryAuthority, MemoryRecords, RightsTable, authority_keys
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.issuing.mint_jwt import LIFETIME, MintJwt
from trustplane.flows.issuing.signer import Signer
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.jwt_svid import verify_jwt
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import AuthorityKind
from trustplane.trust.bundles import bundle_of

KEY, _ = authority_keys().make()
AUTHORITY = replace(
    MemoryAuthority.at(NOON).issuing,
    id=KEY.id,
    kind=AuthorityKind.JWT,
    public_key=KEY.public_key,
    certificate=None,
    not_before=NOON,
    not_after=NOON + timedelta(days=30),
)
BUNDLES = BundleSet.of(bundle_of([AUTHORITY], ACME, 1))
LEDGER = "spiffe://acme.example/ns/shop/sa/ledger"


def mint(
    records: MemoryRecords,
    audience: Sequence[str] = (LEDGER,),
    *,
    node: NodeName = NODE,
    spiffe_id: SpiffeId = WEB,
    at: datetime = NOON,
) -> str:
    minter = MintJwt(records, lambda: Signer(AUTHORITY, KEY), RightsTable.of(WEB))
    return asyncio.run(minter.mint(node, spiffe_id, audience, at))


def test_a_token_is_vouched_for_by_the_bundle_to_its_audiences_and_to_no_other() -> None:
    token = mint(MemoryRecords(), (LEDGER, "reporting"))
    for audience in (LEDGER, "reporting"):
        svid = verify_jwt(token, audience, BUNDLES, NOON)
        assert (svid.spiffe_id, svid.expires_at) == (WEB, NOON + LIFETIME)
    with pytest.raises(Refused):
        verify_jwt(token, "somebody", BUNDLES, NOON)


def test_intent_and_outcome_are_written_and_the_token_is_not() -> None:
    records = MemoryRecords()
    token = mint(records)
    intent, outcome = (json.loads(body) for body in records.bodies)
    assert (intent["event"], intent["id"], intent["audience"]) == ("jwt-intent", str(WEB), [LEDGER])
    assert (outcome["event"], outcome["token_sha256"]) == (
        "jwt-outcome",
        hashlib.sha256(token.encode()).hexdigest(),
    )
    assert not any(token.rpartition(".")[2].encode() in body for body in records.bodies)


def test_a_token_never_outlives_its_key() -> None:
    at = AUTHORITY.not_after - timedelta(minutes=1)
    assert verify_jwt(mint(MemoryRecords(), at=at), LEDGER, BUNDLES, at).expires_at == AUTHORITY.not_after


@pytest.mark.parametrize(
    "at", [NOON - timedelta(seconds=1), AUTHORITY.not_after - timedelta(seconds=19), NOON + timedelta(days=900)]
)
def test_outside_its_keys_life_there_is_no_token(at: datetime) -> None:
    records = MemoryRecords()
    with pytest.raises(Unavailable, match="jwt-authority-out-of-time"):
        mint(records, at=at)
    assert records.bodies == []


@pytest.mark.parametrize(
    ("node", "spiffe_id"),
    [
        (NodeName("node-b"), WEB),
        (NODE, SpiffeId.parse(LEDGER)),
        (NODE, SpiffeId(ACME, ("trustplane", "agent", "node-a"))),
    ],
)
def test_without_the_right_there_is_no_token(node: NodeName, spiffe_id: SpiffeId) -> None:
    records = MemoryRecords()
    with pytest.raises(Refused, match="not-entitled"):
        mint(records, node=node, spiffe_id=spiffe_id)
    assert records.bodies == []


@pytest.mark.parametrize("audience", [(), ("",), ("a" * 256,), ("line\nbreak",), ("a",) * 21])
def test_an_audience_that_names_nobody_or_too_many_is_refused(audience: Sequence[str]) -> None:
    records = MemoryRecords()
    with pytest.raises(Refused, match="bad-audience"):
        mint(records, audience)
    assert records.bodies == []


def test_no_token_without_a_durable_intent() -> None:
    with pytest.raises(Fault, match="store-down"):
        mint(MemoryRecords(down=True))
