"""SPIFFE Workload API, rule by rule: WA-10 to WA-15 of the conformance list, and our own client."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from tests.kit.workload import ACME, MY_UID, PARTNER, Issuing, entry
from tests.kit.workload_talk import API, META, WEB, Talk, answered_with, ids, talk
from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.workload_client import WorkloadClient

pytestmark = pytest.mark.network


def test_wa_10_without_an_id_tokens_come_for_all_identities(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        response = await one.jwt("ledger")
        assert [(svid.spiffe_id, svid.hint) for svid in response.svids] == [(WEB, "x"), (API, "")]
        (only,) = (await one.jwt("ledger", "audit", spiffe_id=API)).svids
        assert only.spiffe_id == API
        assert one.endpoint.issuing.minted[-1] == (SpiffeId.parse(API), ("ledger", "audit"))

    talk(socket_dir, [entry("web", hint="x"), entry("api", hint="x")], scenario)


def test_wa_10_an_identity_of_another_is_denied(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        with answered_with(grpc.StatusCode.PERMISSION_DENIED):
            await one.jwt("ledger", spiffe_id=API)
        assert one.endpoint.issuing.minted == []

    talk(socket_dir, [entry("web"), entry("api", "unix:uid:4242424")], scenario)


def test_wa_11_jwt_bundles_are_plain_jwk_sets_of_jwt_keys_only(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        bundles = (await anext(one.jwt_bundles())).bundles
        (key,) = json.loads(bundles[str(ACME.id)])["keys"]
        assert key["kid"] == "acme-jwt-1"
        assert "x5c" not in key
        assert key.get("use") in (None, "jwt-svid")

    talk(socket_dir, [entry("web")], scenario)


def test_wa_12_a_valid_token_is_answered_with_its_claims(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        (svid,) = (await one.jwt("ledger")).svids
        validated = await one.validate(svid.svid, "ledger")
        assert validated.spiffe_id == WEB
        claims = json_format.MessageToDict(validated.claims)
        assert claims["sub"] == WEB
        assert claims["aud"] in ("ledger", ["ledger"])
        assert claims["exp"] > claims["iat"]

    talk(socket_dir, [entry("web")], scenario)


@pytest.mark.parametrize("broken", ["not a token", "a.b.c", "e30.e30.e30"])
def test_wa_12_an_invalid_token_is_invalid(socket_dir: Path, broken: str) -> None:
    async def scenario(one: Talk) -> None:
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.validate(broken, "ledger")

    talk(socket_dir, [entry("web")], scenario)


def test_wa_13_a_token_of_a_domain_without_bundle_is_not_trusted(socket_dir: Path) -> None:
    stranger = Issuing(TrustDomain("stranger.example"))
    token = stranger.token(SpiffeId.parse("spiffe://stranger.example/x"), ["ledger"])

    async def scenario(one: Talk) -> None:
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.validate(token, "ledger")

    talk(socket_dir, [entry("web")], scenario)


def test_wa_13_a_token_is_checked_with_its_own_domains_keys(socket_dir: Path) -> None:
    partner = Issuing(PARTNER)
    forged = partner.token(SpiffeId.parse(WEB), ["ledger"])  # the partner's key, our subject
    genuine = partner.token(SpiffeId.parse("spiffe://partner.example/pay"), ["ledger"])

    async def scenario(one: Talk) -> None:
        one.publish(entry("web"), others=[partner.bundle()])
        assert (await one.validate(genuine, "ledger")).spiffe_id == "spiffe://partner.example/pay"
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.validate(forged, "ledger")

    talk(socket_dir, [entry("web")], scenario)


def test_wa_14_every_wit_method_is_unimplemented(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        with answered_with(grpc.StatusCode.UNIMPLEMENTED):
            await anext(aiter(one.stub.FetchWITSVID(pb.WITSVIDRequest(), metadata=META)))
        with answered_with(grpc.StatusCode.UNIMPLEMENTED):
            await anext(aiter(one.stub.FetchWITBundles(pb.WITBundlesRequest(), metadata=META)))

    talk(socket_dir, [entry("web")], scenario)


def test_wa_15_the_first_svid_is_the_default_and_stays_first(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        stream = one.x509()
        assert ids(await anext(stream)) == [API, WEB]
        one.publish(entry("api"), entry("web"))
        assert ids(await anext(stream)) == [API, WEB]

    talk(socket_dir, [entry("api", MY_UID), entry("web")], scenario)


def test_wa_15_a_hint_over_1024_bytes_is_not_sent(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        response = await anext(one.x509())
        assert [len(svid.hint.encode()) for svid in response.svids] == [1024, 0]

    talk(socket_dir, [entry("a", hint="é" * 512), entry("b", hint="é" * 513)], scenario)


def test_our_own_client_fetches_watches_and_mints(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        async with WorkloadClient(one.endpoint.address) as client:
            fetched = await client.fetch_x509()
            assert [str(keyed.svid.spiffe_id) for keyed, _ in fetched.identities] == [WEB]
            assert set(fetched.bundles) == {ACME}
            watching = client.watch_x509()
            assert (await anext(watching)).identities == fetched.identities
            one.publish(entry("api"))
            assert [str(keyed.svid.spiffe_id) for keyed, _ in (await anext(watching)).identities] == [API]
            (token,) = await client.fetch_jwt(["ledger"])
            assert str(token.spiffe_id) == API
            one.publish(entry("api", "unix:uid:4242424"))
            with pytest.raises(Refused) as refusal:
                await anext(watching)
            assert refusal.value.code == "no-identity"

    talk(socket_dir, [entry("web")], scenario)
