"""Bundle documents, rule by rule (Trust Domain and Bundle, X509-SVID §6, JWT-SVID §6)."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.kit.ca import NOON, TestCa, p256, p384, pkcs8, rsa2048
from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.bundle_document import MAX_DOCUMENT_BYTES, decode, decode_map, encode, encode_map, jwks
from trustplane.spiffe.certificates import der_of
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import X509Svid

ACME = TrustDomain("acme.example")
OTHER = TrustDomain("other.example")
CA = TestCa.root(ACME)
FIRST, SECOND = CA.certificate, TestCa.root(ACME, key=rsa2048()).certificate
KEY = JwtAuthority("k1", p256().public_key())
BUNDLE = Bundle(ACME, (FIRST, SECOND), (KEY, JwtAuthority("k2", rsa2048().public_key())), 7, timedelta(minutes=5))

Json = dict[str, Any]


def fields(bundle: Bundle = BUNDLE) -> Json:
    loaded: Json = json.loads(encode(bundle))
    return loaded


def read(document: Json) -> Bundle:
    return decode(json.dumps(document).encode(), ACME)


def refused(document: Json | bytes, code: str = "bad-bundle-document") -> None:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(Refused) as caught:
        decode(raw, ACME)
    assert caught.value.code == code


def with_key(number: int, **changes: object) -> Json:
    """The document with members of one key replaced, or left out where the change is None."""
    document = fields()
    element = {**document["keys"][number], **changes}
    document["keys"][number] = {name: each for name, each in element.items() if each is not None}
    return document


def test_what_is_encoded_is_decoded() -> None:
    assert read(fields()) == BUNDLE
    assert encode(BUNDLE) == encode(read(fields()))


def test_x5_10_an_x509_entry_has_use_key_and_one_certificate_and_no_kid() -> None:
    entry, rsa_entry = fields()["keys"][:2]
    assert set(entry) == {"kty", "crv", "x", "y", "use", "x5c"}
    assert set(rsa_entry) == {"kty", "n", "e", "use", "x5c"}
    assert (entry["use"], len(entry["x5c"])) == ("x509-svid", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"x5c": "text"}, {"x5c": [5]}, {"x5c": [["nested"]]}, {"x5c": ["not base64!"]}, {"x5c": {"0": "AA=="}},
    ],
)  # fmt: skip
def test_x5_10_an_entry_whose_certificate_is_damaged_refuses_the_document(change: Json) -> None:
    refused(with_key(0, **change))


def test_x5_10_the_certificate_is_base64_without_breaks() -> None:
    (good,) = fields()["keys"][0]["x5c"]
    for spelled in (f"{good[:64]}\n{good[64:]}", f" {good}", good.rstrip("=") + "*="):
        refused(with_key(0, x5c=[spelled]))
    assert read(with_key(0, x5c=[good])) == BUNDLE


def test_x5_10_the_certificate_is_a_ca_certificate_and_the_key_is_its_own() -> None:
    refused(with_key(0, x5c=["AAAA"]), "bad-certificate")
    leaf = fields(BUNDLE)["keys"]
    other = fields(Bundle(ACME, (TestCa.root(ACME).certificate,)))["keys"][0]
    refused(with_key(0, x5c=other["x5c"]))
    refused(with_key(0, x=other["x"], y=other["y"]))
    refused(with_key(0, x=None), "bad-jwk")
    assert read({"keys": leaf}).x509_authorities == (FIRST, SECOND)


def test_x5_10_a_leaf_certificate_is_no_authority() -> None:
    key = p256()
    certificate, _ = CA.leaf("/web", key=key)
    document = with_key(0, x5c=[_base64(certificate)], **_numbers(JwtAuthority("k", key.public_key())))
    refused(document, "bad-bundle")


def test_x5_11_an_entry_without_certificate_is_passed_over() -> None:
    assert read(with_key(0, x5c=None)).x509_authorities == (SECOND,)
    assert read(with_key(0, x5c=[])).x509_authorities == (SECOND,)


def test_x5_11_of_several_certificates_the_first_counts() -> None:
    document = with_key(0, x5c=[*fields()["keys"][0]["x5c"], "AAAA"])
    assert read(document).x509_authorities == (FIRST, SECOND)


def test_x5_11_without_x509_entries_no_x509_svid_is_believed() -> None:
    bundle = read({"keys": fields()["keys"][2:]})
    with pytest.raises(Refused) as caught:
        verify_x509(X509Svid(CA.leaf_chain("/web")[0]), BundleSet.of(bundle), NOON)
    assert caught.value.code == "no-x509-authorities"


def test_jw_10_a_jwt_entry_has_use_and_kid() -> None:
    entry = fields()["keys"][2]
    assert set(entry) == {"kty", "crv", "x", "y", "use", "kid"}
    assert (entry["use"], entry["kid"]) == ("jwt-svid", "k1")
    refused(with_key(2, kid=None))
    refused(with_key(2, kid=5))
    refused(with_key(2, kid=""), "bad-bundle")
    refused(with_key(2, kid="k2"), "bad-bundle")


def test_jw_11_only_jwt_entries_are_jwt_authorities() -> None:
    assert [each.kid for each in read(fields()).jwt_authorities] == ["k1", "k2"]
    assert [each.kid for each in read(with_key(2, use="x509-svid")).jwt_authorities] == ["k2"]
    assert [each.kid for each in read(with_key(2, use="wit-svid")).jwt_authorities] == ["k2"]


def test_bu_1_other_members_are_allowed_and_none_is_needed() -> None:
    assert read({**fields(), "vendor": {"a": [1]}}) == BUNDLE
    assert read({"keys": fields()["keys"]}).x509_authorities == BUNDLE.x509_authorities


@pytest.mark.parametrize("sequence", ["7", 7.0, True, None, [7], -1, 2**64])
def test_bu_2_the_sequence_is_an_integer_of_64_bits(sequence: object) -> None:
    for good in (0, 2**53 + 1, 2**63, 2**64 - 1):
        assert read({**fields(), "spiffe_sequence": good}).sequence == good
    with pytest.raises(Refused):
        read({**fields(), "spiffe_sequence": sequence})


@pytest.mark.parametrize("hint", ["300", 300.0, True, None, -1, 2**63, 10**400])
def test_bu_3_the_refresh_hint_is_an_integer_of_seconds(hint: object) -> None:
    assert read({**fields(), "spiffe_refresh_hint": 300}).refresh_hint == timedelta(minutes=5)
    assert read({**fields(), "spiffe_refresh_hint": 0}).refresh_hint is None
    with pytest.raises(Refused):
        read({**fields(), "spiffe_refresh_hint": hint})


def test_bu_4_keys_are_there_and_an_empty_array_revokes() -> None:
    assert read({"keys": []}).vouches_for_nothing
    assert encode(Bundle(ACME, ())) == b'{"keys":[]}'
    for keys in ("null", "{}", '""', "0", "[1]", "[null]", "[[]]"):
        refused(b'{"keys":' + keys.encode() + b"}")
    refused({"spiffe_sequence": 1})


def test_bu_4_nothing_usable_is_as_good_as_empty() -> None:
    assert read({"keys": [{"kty": "OKP", "use": "jwt-svid"}, {"kty": "EC", "use": "enc"}]}).vouches_for_nothing


def test_bu_5_nothing_beyond_the_standard_is_written() -> None:
    assert set(fields()) == {"keys", "spiffe_sequence", "spiffe_refresh_hint"}
    assert set(fields(Bundle(ACME, (FIRST,)))) == {"keys"}


@pytest.mark.parametrize(
    "change",
    [{"kty": "OKP"}, {"kty": "ec"}, {"kty": None}, {"kty": ["EC"]}, {"kty": 5}, {"crv": "secp256k1"}, {"crv": []}],
)
def test_bu_6_an_element_of_unknown_type_is_passed_over(change: Json) -> None:
    assert read(with_key(0, **change)).x509_authorities == (SECOND,)
    assert [each.kid for each in read(with_key(2, **change)).jwt_authorities] == ["k2"]


@pytest.mark.parametrize("use", [None, "X509-SVID", "JWT-SVID", "sig", "", 5, ["jwt-svid"], {}])
def test_bu_7_an_element_of_unknown_use_is_passed_over(use: object) -> None:
    assert read(with_key(0, use=use)).x509_authorities == (SECOND,)
    assert [each.kid for each in read(with_key(2, use=use)).jwt_authorities] == ["k2"]


def test_bu_8_a_bundle_map_names_its_domains() -> None:
    bundles = BundleSet.of(BUNDLE, Bundle(OTHER, ()))
    read_back = decode_map(encode_map(bundles))
    assert {name: each.digest for name, each in read_back.items()} == {
        name: each.digest for name, each in bundles.items()
    }
    assert read_back[ACME].sequence == 7
    assert len(decode_map(b'{"trust_domains":{}}')) == 0


def test_bu_8_a_map_carries_no_refresh_hints_and_heeds_none() -> None:
    assert b"refresh_hint" not in encode_map(BundleSet.of(BUNDLE))
    for hint in (b"5", b'"nonsense"'):
        document = b'{"trust_domains":{"acme.example":{"keys":[],"spiffe_refresh_hint":' + hint + b"}}}"
        assert decode_map(document)[ACME].refresh_hint is None


@pytest.mark.parametrize(
    "document",
    [
        b'{"trust_domains":{"a":{"keys":[]},"a":{"keys":[]}}}',
        b'{"trust_domains":{"a":{"keys":[]},"\\u0061":{"keys":[]}}}',
        b'{"trust_domains":{},"trust_domains":{}}',
        b'{"trust_domains":{"spiffe://a":{"keys":[]}}}',
        b'{"trust_domains":{"A":{"keys":[]}}}',
        b'{"trust_domains":[]}',
        b'{"trust_domains":{"a":[]}}',
        b'{"trust_domains":{"a":{}}}',
        b"{}",
        b"[]",
    ],
)
def test_bu_8_a_map_with_a_name_twice_or_a_wrong_one_is_refused(document: bytes) -> None:
    with pytest.raises(Refused):
        decode_map(document)


def test_bu_8_the_number_of_bundles_is_bounded() -> None:
    document = json.dumps({"trust_domains": {f"d{each}": {"keys": []} for each in range(1001)}}).encode()
    with pytest.raises(Refused):
        decode_map(document)


def test_bu_9_no_hint_stays_no_hint_for_the_poller_to_choose_five_minutes() -> None:
    assert read({"keys": []}).refresh_hint is None
    assert b"refresh_hint" not in encode(Bundle(ACME, ()))


def test_a_name_twice_is_refused_at_any_depth() -> None:
    refused(b'{"keys":[],"keys":[]}', "bad-json")
    refused(b'{"keys":[{"kty":"EC","kty":"RSA"}]}', "bad-json")


def test_a_private_key_in_a_bundle_does_not_enter_it() -> None:
    key = p384()
    document = {"keys": [{**_numbers(JwtAuthority("k", key.public_key())), "use": "jwt-svid", "kid": "k", "d": "AAAA"}]}
    bundle = read(document)
    assert bundle.jwt_authorities == (JwtAuthority("k", key.public_key()),)
    assert pkcs8(key) not in encode(bundle)


def test_a_certificate_listed_twice_counts_once() -> None:
    document = fields()
    document["keys"].append(document["keys"][0])
    assert read(document) == BUNDLE


def test_documents_are_bounded() -> None:
    padding = b" " * (MAX_DOCUMENT_BYTES - len(b'{"keys":[]}'))
    assert decode(b'{"keys":[]}' + padding, ACME).vouches_for_nothing
    refused(b'{"keys":[]}' + padding + b" ", "bad-json")
    many = {"keys": [{**fields()["keys"][2], "kid": str(each)} for each in range(101)]}
    refused(many, "bad-bundle")


def test_a_jwk_set_holds_the_jwt_keys_without_use() -> None:
    keys = json.loads(jwks(BUNDLE))["keys"]
    assert [each["kid"] for each in keys] == ["k1", "k2"]
    assert all("use" not in each and "x5c" not in each for each in keys)
    assert jwks(Bundle(ACME, (FIRST,))) == b'{"keys":[]}'


def test_the_order_of_authorities_is_kept() -> None:
    turned = Bundle(ACME, (SECOND, FIRST), BUNDLE.jwt_authorities[::-1])
    assert read(fields(turned)) == turned
    assert encode(turned) != encode(Bundle(ACME, (FIRST, SECOND), BUNDLE.jwt_authorities))


def _numbers(authority: JwtAuthority) -> Json:
    numbers: Json = json.loads(jwks(Bundle(ACME, (), (authority,))))["keys"][0]
    return {name: each for name, each in numbers.items() if name != "kid"}


def _base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(der_of(certificate)).decode()
