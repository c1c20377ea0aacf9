"""SPIFFE Workload API, rule by rule: WA-1 to WA-15 of the conformance list."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from google.protobuf import json_format

from tests.kit.workload import ACME, MY_UID, PARTNER, Endpoint, Issuing, entry, workload_endpoint
from trustplane.fault import Refused
from trustplane.flows.serve_identities import HeldIdentities
from trustplane.registry.view import Entry
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.certificates import certificates_from_concatenated_der
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.gen.workload.service_pb2_grpc import SpiffeWorkloadAPIServicer, SpiffeWorkloadAPIStub
from trustplane.wire.workload_api import HEADER
from trustplane.wire.workload_client import WorkloadClient, _fetched_x509

pytestmark = pytest.mark.network

META = (HEADER,)
WEB = "spiffe://acme.example/ns/shop/sa/web"
API = "spiffe://acme.example/ns/shop/sa/api"
SECONDS = 30


@dataclass(frozen=True)
class Talk:
    endpoint: Endpoint
    stub: SpiffeWorkloadAPIStub

    def x509(self) -> AsyncIterator[pb.X509SVIDResponse]:
        return aiter(self.stub.FetchX509SVID(pb.X509SVIDRequest(), metadata=META, timeout=SECONDS))

    def x509_bundles(self) -> AsyncIterator[pb.X509BundlesResponse]:
        return aiter(self.stub.FetchX509Bundles(pb.X509BundlesRequest(), metadata=META, timeout=SECONDS))

    def jwt_bundles(self) -> AsyncIterator[pb.JWTBundlesResponse]:
        return aiter(self.stub.FetchJWTBundles(pb.JWTBundlesRequest(), metadata=META, timeout=SECONDS))

    async def jwt(self, *audience: str, spiffe_id: str = "") -> pb.JWTSVIDResponse:
        request = pb.JWTSVIDRequest(audience=audience, spiffe_id=spiffe_id)
        return await self.stub.FetchJWTSVID(request, metadata=META, timeout=SECONDS)

    async def validate(self, svid: str, audience: str) -> pb.ValidateJWTSVIDResponse:
        request = pb.ValidateJWTSVIDRequest(svid=svid, audience=audience)
        return await self.stub.ValidateJWTSVID(request, metadata=META, timeout=SECONDS)

    def publish(self, *entries: Entry, others: Sequence[Bundle] = ()) -> None:
        self.endpoint.identities.publish(self.endpoint.issuing.held(entries, *others))


def talk(
    folder: Path,
    held: Sequence[Entry] | HeldIdentities,
    scenario: Callable[[Talk], Awaitable[None]],
    issuing: Issuing | None = None,
) -> None:
    async def play() -> None:
        async with (
            workload_endpoint(folder, held, issuing=issuing) as endpoint,
            grpc.aio.insecure_channel(endpoint.address) as channel,
        ):
            await scenario(Talk(endpoint, SpiffeWorkloadAPIStub(channel)))

    asyncio.run(play())


@contextlib.contextmanager
def answered_with(code: grpc.StatusCode) -> Iterator[None]:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        yield
    assert refusal.value.code() is code


def ids(response: pb.X509SVIDResponse) -> list[str]:
    return [one.spiffe_id for one in response.svids]


def test_wa_1_both_profiles_are_offered(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        assert ids(await anext(one.x509())) == [WEB]
        assert (await anext(one.x509_bundles())).bundles
        assert (await one.jwt("ledger")).svids
        assert (await anext(one.jwt_bundles())).bundles

    talk(socket_dir, [entry("web")], scenario)


def test_wa_2_the_api_has_the_standards_methods_and_no_more() -> None:
    methods = {name for name in vars(SpiffeWorkloadAPIServicer) if not name.startswith("_")}
    assert methods == {
        "FetchX509SVID",
        "FetchX509Bundles",
        "FetchJWTSVID",
        "FetchJWTBundles",
        "ValidateJWTSVID",
        "FetchWITSVID",
        "FetchWITBundles",
    }


def test_wa_3_a_stream_stays_open_until_the_client_ends_it(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        stream = one.x509()
        await anext(stream)
        for name in ("a", "b", "c"):
            one.publish(entry("web"), entry(name))
            assert ids(await anext(stream)) == [WEB, WEB.replace("web", name)]

    talk(socket_dir, [entry("web")], scenario)


def test_wa_4_every_message_is_the_whole_state_and_only_changes_are_sent(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        stream = one.x509()
        first = await anext(stream)
        one.endpoint.identities.publish(one.endpoint.identities.value)  # nothing new
        unrelated = one.endpoint.identities.value
        other = entry("other", "unix:uid:4242424")
        added = (*unrelated.held, (other, one.endpoint.issuing.keyed(other)))
        one.endpoint.identities.publish(HeldIdentities(added, unrelated.bundles))  # nothing new for this caller
        both = (*unrelated.held, (entry("api"), one.endpoint.issuing.keyed(entry("api"))))
        one.endpoint.identities.publish(HeldIdentities(both, unrelated.bundles))
        second = await anext(stream)
        assert ids(second) == [WEB, API]
        assert second.svids[0] == first.svids[0]

    talk(socket_dir, [entry("web")], scenario)


def test_wa_4_bundle_streams_do_not_repeat_themselves(socket_dir: Path) -> None:
    partner = Issuing(PARTNER).bundle()

    async def scenario(one: Talk) -> None:
        x509_stream, jwt_stream = one.x509_bundles(), one.jwt_bundles()
        await anext(x509_stream)
        await anext(jwt_stream)
        one.publish(entry("web"))  # a new leaf, the same bundles
        one.publish(entry("web"), others=[partner])
        assert set((await anext(x509_stream)).bundles) == {str(ACME.id), str(PARTNER.id)}
        assert set((await anext(jwt_stream)).bundles) == {str(ACME.id), str(PARTNER.id)}

    talk(socket_dir, [entry("web")], scenario)


def test_wa_5_what_is_withdrawn_is_absent_from_the_next_message(socket_dir: Path) -> None:
    partner = Issuing(PARTNER).bundle()

    async def scenario(one: Talk) -> None:
        one.publish(entry("web", hint="internal"), entry("api"), others=[partner])
        stream = one.x509()
        first = await anext(stream)
        assert ids(first) == [WEB, API]
        assert set(first.federated_bundles) == {str(PARTNER.id)}
        one.publish(entry("web"))
        second = await anext(stream)
        assert ids(second) == [WEB]
        assert not second.federated_bundles
        assert second.svids[0].hint == ""

    talk(socket_dir, [entry("web")], scenario)


def test_wa_6_a_mandatory_field_left_out_is_invalid(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.jwt()
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.jwt("")
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.validate("", "ledger")
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.validate("a.b.c", "")
        with answered_with(grpc.StatusCode.INVALID_ARGUMENT):
            await one.jwt("ledger", spiffe_id="spiffe://acme.example/../web")

    talk(socket_dir, [entry("web")], scenario)


@pytest.mark.parametrize("emptied", ["spiffe_id", "x509_svid", "x509_svid_key", "bundle"])
def test_wa_6_our_client_drops_a_message_with_a_mandatory_field_missing(
    emptied: Literal["spiffe_id", "x509_svid", "x509_svid_key", "bundle"],
) -> None:
    issuing = Issuing()
    keyed = issuing.keyed(entry("web"))
    good = pb.X509SVID(
        spiffe_id=WEB,
        x509_svid=b"".join(keyed.svid.der()),
        x509_svid_key=keyed.key_pkcs8,
        bundle=issuing.bundle().x509_der(),
    )
    assert _fetched_x509(pb.X509SVIDResponse(svids=[good])).identities[0][0].svid == keyed.svid
    good.ClearField(emptied)
    with pytest.raises(Refused):
        _fetched_x509(pb.X509SVIDResponse(svids=[good]))


def test_wa_7_bundles_come_under_their_own_trust_domain(socket_dir: Path) -> None:
    partner = Issuing(PARTNER)

    async def scenario(one: Talk) -> None:
        one.publish(entry("web"), others=[partner.bundle()])
        bundles = (await anext(one.x509_bundles())).bundles
        assert bundles[str(ACME.id)] == one.endpoint.issuing.bundle().x509_der()
        assert bundles[str(PARTNER.id)] == partner.bundle().x509_der()

    talk(socket_dir, [entry("web")], scenario)


def test_wa_8_an_svid_has_every_mandatory_field(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        (svid,) = (await anext(one.x509())).svids
        parsed = X509Svid.from_concatenated_der(svid.x509_svid)
        assert str(parsed.spiffe_id) == svid.spiffe_id == WEB
        assert parsed.chain[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
        assert load_der_private_key(svid.x509_svid_key, None).public_key() == parsed.leaf.public_key()
        assert certificates_from_concatenated_der(svid.bundle) == (one.endpoint.issuing.root.certificate,)

    talk(socket_dir, [entry("web")], scenario)


def test_wa_8_hints_are_unique_in_a_message(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        response = await anext(one.x509())
        assert [svid.hint for svid in response.svids] == ["internal", "", "external"]

    entries = [entry("a", hint="internal"), entry("b", hint="internal"), entry("c", hint="external")]
    talk(socket_dir, entries, scenario)


def test_wa_8_nothing_left_is_permission_denied(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        stream = one.x509()
        await anext(stream)
        one.publish(entry("web", "unix:uid:4242424"))
        with answered_with(grpc.StatusCode.PERMISSION_DENIED):
            await anext(stream)

    talk(socket_dir, [entry("web")], scenario)


def test_wa_8_an_entry_whose_svid_is_not_issued_yet_is_unavailable_and_not_sent_empty(socket_dir: Path) -> None:
    issuing = Issuing()
    waiting = HeldIdentities(((entry("web"), None),), BundleSet.of(issuing.bundle()))

    async def scenario(one: Talk) -> None:
        with answered_with(grpc.StatusCode.UNAVAILABLE):
            await anext(one.x509())
        one.publish(entry("web"))
        assert ids(await anext(one.x509())) == [WEB]

    talk(socket_dir, waiting, scenario, issuing)


def test_wa_9_bundles_hold_the_own_domain(socket_dir: Path) -> None:
    issuing = Issuing()

    async def scenario(one: Talk) -> None:
        assert str(ACME.id) in (await anext(one.x509_bundles())).bundles
        keyed = ((entry("web"), issuing.keyed(entry("web"))),)
        one.endpoint.identities.publish(HeldIdentities(keyed, BundleSet.of(Issuing(PARTNER).bundle())))
        with answered_with(grpc.StatusCode.UNAVAILABLE):
            await anext(one.x509_bundles())

    talk(socket_dir, issuing.held([entry("web")]), scenario, issuing)


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
