from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.kit.ca import TestCa, p256, p384, rsa2048
from trustplane.fault import Refused
from trustplane.spiffe.bundle import MAX_AUTHORITIES, MAX_REFRESH_HINT, MAX_SEQUENCE, Bundle, JwtAuthority
from trustplane.spiffe.certificates import (
    certificate_from_der,
    certificates_from_concatenated_der,
    certificates_from_pem,
    der_of,
)
from trustplane.spiffe.ids import TrustDomain

ACME = TrustDomain("acme.example")
ROOTS = tuple(TestCa.root(ACME).certificate for _ in range(3))
KEYS = (JwtAuthority("one", p256().public_key()), JwtAuthority("two", rsa2048().public_key()))
BUNDLE = Bundle(ACME, ROOTS, KEYS, 4, timedelta(minutes=5))


def refused(code: str = "bad-bundle", **changes: object) -> None:
    with pytest.raises(Refused) as caught:
        replace(BUNDLE, **changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.code == code


def test_no_authorities_is_a_value_of_its_own() -> None:
    assert Bundle(ACME, ()).vouches_for_nothing
    assert not Bundle(ACME, ROOTS).vouches_for_nothing
    assert not Bundle(ACME, (), KEYS).vouches_for_nothing


def test_the_digest_is_that_of_the_trust_alone() -> None:
    digest = BUNDLE.digest
    assert len(digest) == 64
    assert replace(BUNDLE, sequence=9, refresh_hint=None).digest == digest
    assert replace(BUNDLE, x509_authorities=ROOTS[::-1], jwt_authorities=KEYS[::-1]).digest == digest


@pytest.mark.parametrize(
    "other",
    [
        replace(BUNDLE, trust_domain=TrustDomain("other.example")),
        replace(BUNDLE, x509_authorities=ROOTS[:2]),
        replace(BUNDLE, jwt_authorities=KEYS[:1]),
        replace(BUNDLE, jwt_authorities=(KEYS[0], JwtAuthority("three", KEYS[1].public_key))),
        replace(BUNDLE, jwt_authorities=(KEYS[0], JwtAuthority("two", p256().public_key()))),
        replace(BUNDLE, x509_authorities=(*ROOTS[:2], TestCa.root(ACME).certificate)),
    ],
)
def test_the_digest_changes_with_the_trust(other: Bundle) -> None:
    assert other.digest != BUNDLE.digest


def test_authorities_leave_as_pem_and_der() -> None:
    assert certificates_from_pem(BUNDLE.x509_pem()) == ROOTS
    assert certificates_from_concatenated_der(BUNDLE.x509_der()) == ROOTS


def test_an_authority_is_a_certificate_authority() -> None:
    for constraints in (None, (x509.BasicConstraints(ca=False, path_length=None), True)):
        refused(x509_authorities=(TestCa.root(ACME, basic_constraints=constraints).certificate,))
    refused(x509_authorities=(TestCa.root(ACME).leaf("/web")[0],))


def test_an_authority_can_be_read_to_its_end() -> None:
    """The library reads extensions on demand; a certificate that fails then is refused now."""
    der = der_of(ROOTS[0])
    twice = der.replace(b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x23")  # its key identifier -> its authority's
    refused("bad-certificate", x509_authorities=(certificate_from_der(twice),))


def test_an_authority_has_a_key_of_a_kind_we_use() -> None:
    refused(
        "unsupported-key", x509_authorities=(TestCa.root(ACME, key=ed25519.Ed25519PrivateKey.generate()).certificate,)
    )
    with pytest.raises(Refused) as caught:
        JwtAuthority("one", ec.generate_private_key(ec.SECP256K1()).public_key())
    assert caught.value.code == "unsupported-key"


@pytest.mark.parametrize("kid", ["", "a" * 257, "a\nb", "a\x00", "\ud800"])
def test_a_key_id_is_short_printable_text(kid: str) -> None:
    with pytest.raises(Refused) as caught:
        JwtAuthority(kid, p384().public_key())
    assert caught.value.code == "bad-bundle"


def test_nothing_is_listed_twice() -> None:
    refused(x509_authorities=(ROOTS[0], ROOTS[0]))
    refused(jwt_authorities=(KEYS[0], JwtAuthority("one", p256().public_key())))


def test_the_number_of_authorities_is_bounded() -> None:
    key = p256().public_key()
    most = tuple(JwtAuthority(str(number), key) for number in range(MAX_AUTHORITIES))
    Bundle(ACME, (), most)
    refused(jwt_authorities=most)


def test_sequence_and_hint_are_in_range() -> None:
    replace(BUNDLE, sequence=MAX_SEQUENCE, refresh_hint=MAX_REFRESH_HINT)
    replace(BUNDLE, sequence=0, refresh_hint=timedelta(seconds=1))
    refused(sequence=-1)
    refused(sequence=MAX_SEQUENCE + 1)
    refused(refresh_hint=timedelta(0))
    refused(refresh_hint=timedelta(seconds=-1))
    refused(refresh_hint=timedelta(seconds=1.5))
    refused(refresh_hint=MAX_REFRESH_HINT + timedelta(seconds=1))


def test_bundles_are_compared_and_hashed_by_value() -> None:
    same = Bundle(ACME, ROOTS, tuple(JwtAuthority(each.kid, each.public_key) for each in KEYS), 4, timedelta(minutes=5))
    assert same == BUNDLE
    assert len({same, BUNDLE}) == 1
