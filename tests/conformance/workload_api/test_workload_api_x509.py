"""SPIFFE Workload API, rule by rule: WA-1 to WA-9 of the conformance list."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import grpc
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.kit.workload import ACME, PARTNER, Issuing, entry
from tests.kit.workload_talk import API, WEB, Talk, answered_with, ids, talk
from trustplane.fault import Refused
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.certificates import certificates_from_concatenated_der
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.gen.workload.service_pb2_grpc import SpiffeWorkloadAPIServicer
from trustplane.wire.workload_client import _fetched_x509

pytestmark = pytest.mark.network


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


def test_it_is_served_on_uvloop_as_well(socket_dir: Path) -> None:
    async def scenario(one: Talk) -> None:
        stream = one.x509()
        assert ids(await anext(stream)) == [WEB]
        one.publish(entry("api"))
        assert ids(await anext(stream)) == [API]

    talk(socket_dir, [entry("web")], scenario, loop_factory=uvloop.new_event_loop)
