"""What our client makes of answers: values, or a refusal, whatever an endpoint sends."""

from __future__ import annotations

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.workload import ACME, PARTNER, Issuing, entry
from trustplane.fault import Refused
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.workload_client import _fetched_x509, endpoint_target

ISSUING = Issuing()
WEB, API = entry("web"), entry("api")


def svid(name: str, hint: str = "") -> pb.X509SVID:
    one = entry(name)
    keyed = ISSUING.keyed(one)
    return pb.X509SVID(
        spiffe_id=str(one.spiffe_id),
        x509_svid=b"".join(keyed.svid.der()),
        x509_svid_key=keyed.key_pkcs8,
        bundle=ISSUING.bundle().x509_der(),
        hint=hint,
    )


def test_an_answer_becomes_identities_in_order_and_bundles_by_domain() -> None:
    partner = Issuing(PARTNER).bundle()
    answer = pb.X509SVIDResponse(
        svids=[svid("web", "internal"), svid("api")], federated_bundles={str(PARTNER.id): partner.x509_der()}
    )
    found = _fetched_x509(answer)
    assert [(str(one.svid.spiffe_id), hint) for one, hint in found.identities] == [
        (str(WEB.spiffe_id), "internal"),
        (str(API.spiffe_id), ""),
    ]
    assert {name: bundle.x509_der() for name, bundle in found.bundles.items()} == {
        ACME: ISSUING.bundle().x509_der(),
        PARTNER: partner.x509_der(),
    }


def test_of_two_svids_with_one_hint_the_first_counts() -> None:
    found = _fetched_x509(pb.X509SVIDResponse(svids=[svid("web", "x"), svid("api", "x")]))
    assert [str(one.svid.spiffe_id) for one, _ in found.identities] == [str(WEB.spiffe_id)]


def test_an_answer_without_svids_is_refused() -> None:
    with pytest.raises(Refused):
        _fetched_x509(pb.X509SVIDResponse())


def test_an_svid_under_anothers_name_is_refused() -> None:
    swapped = svid("web")
    swapped.spiffe_id = str(API.spiffe_id)
    with pytest.raises(Refused):
        _fetched_x509(pb.X509SVIDResponse(svids=[swapped]))


def test_a_key_of_another_svid_is_refused() -> None:
    swapped = svid("web")
    swapped.x509_svid_key = svid("api").x509_svid_key
    with pytest.raises(Refused):
        _fetched_x509(pb.X509SVIDResponse(svids=[swapped]))


@pytest.mark.parametrize("name", ["partner.example", "spiffe://partner.example/path", "spiffe://PARTNER.example", ""])
def test_a_bundle_under_a_name_that_is_no_trust_domains_is_refused(name: str) -> None:
    der = Issuing(PARTNER).bundle().x509_der()
    with pytest.raises(Refused):
        _fetched_x509(pb.X509SVIDResponse(svids=[svid("web")], federated_bundles={name: der}))


GOOD = pb.X509SVIDResponse(svids=[svid("web")]).SerializeToString()


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_an_answer_with_bytes_changed_is_read_or_refused(place: int, changed: bytes) -> None:
    with contextlib.suppress(Refused, DecodeError):
        found = _fetched_x509(pb.X509SVIDResponse.FromString(GOOD[:place] + changed + GOOD[place + len(changed) :]))
        assert {keyed.svid.spiffe_id.trust_domain for keyed, _ in found.identities} <= set(found.bundles)


@given(st.text(max_size=60) | st.text("unix:/tcp0123456789[]?#@.", max_size=40))
def test_any_address_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        assert endpoint_target(text).startswith(("unix:/", "ipv4:", "ipv6:["))
