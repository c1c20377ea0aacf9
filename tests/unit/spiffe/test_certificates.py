from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

import pytest
from cryptography import x509

from tests.kit.ca import TestCa, name
from trustplane.fault import Refused
from trustplane.spiffe.certificates import (
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    certificate_from_der,
    certificates_from_concatenated_der,
    certificates_from_der,
    certificates_from_pem,
    der_of,
    pem_of,
    read_whole,
)
from trustplane.spiffe.x509_svid import X509Svid

CA = TestCa.root("acme.example")
CHAIN = CA.intermediate().leaf_chain("/web")[0]
DER = tuple(der_of(certificate) for certificate in CHAIN)


def test_every_form_gives_the_same_certificates() -> None:
    assert certificates_from_der(DER) == CHAIN
    assert certificates_from_concatenated_der(b"".join(DER)) == CHAIN
    assert certificates_from_pem(pem_of(CHAIN)) == CHAIN
    assert certificates_from_pem(b"Subject: web\n" + b"text between\n".join(pem_of([each]) for each in CHAIN)) == CHAIN


@pytest.mark.parametrize(
    "blob",
    [
        b"\x00", b"\x30", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x82\xff", b"\x30\x00",
        DER[0] + b"\x00", DER[0] + DER[1][:-1], DER[0][:-1], b"\x31" + DER[0][1:], DER[0] + b"\n" + DER[1],
    ],
)  # fmt: skip
def test_concatenated_der_has_nothing_between_or_behind(blob: bytes) -> None:
    with pytest.raises(Refused) as caught:
        certificates_from_concatenated_der(blob)
    assert caught.value.code == "bad-certificate"


def test_der_has_nothing_behind() -> None:
    with pytest.raises(Refused):
        certificate_from_der(DER[0] + b"\x00")


def refused(read: Callable[[], object], code: str) -> None:
    with pytest.raises(Refused) as caught:
        read()
    assert caught.value.code == code


def test_there_is_at_least_one_and_not_too_many() -> None:
    refused(lambda: certificates_from_der(()), "bad-certificate-count")
    refused(lambda: certificates_from_pem(b""), "bad-certificate-count")
    refused(lambda: certificates_from_concatenated_der(b""), "bad-certificate-count")
    certificates_from_der(DER[:1] * MAX_CERTIFICATES)
    too_many = MAX_CERTIFICATES + 1
    refused(lambda: certificates_from_der(DER[:1] * too_many), "bad-certificate-count")
    refused(lambda: certificates_from_concatenated_der(DER[0] * too_many), "bad-certificate-count")
    refused(lambda: certificates_from_pem(pem_of(CHAIN[:1] * too_many)), "bad-certificate-count")


def test_a_certificate_is_bounded_in_every_form() -> None:
    padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x00" * MAX_CERTIFICATE_BYTES)
    bulky, _ = CA.leaf("/web", extra=[(padding, False)])
    refused(lambda: certificate_from_der(der_of(bulky)), "certificate-too-large")
    refused(lambda: certificates_from_concatenated_der(der_of(bulky)), "certificate-too-large")
    refused(lambda: X509Svid.from_pem(pem_of([bulky])), "certificate-too-large")
    endless = b" " * (3 * MAX_CERTIFICATES * MAX_CERTIFICATE_BYTES)
    refused(lambda: certificates_from_pem(endless), "certificate-too-large")


def test_an_extension_twice_is_refused() -> None:
    """The builder makes none, so one extension is renamed to another that is there."""
    der = der_of(CA.leaf("/web")[0])
    twice = der.replace(b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x23")  # subject key identifier -> authority's
    assert twice != der
    with pytest.raises(Refused) as caught:
        read_whole(certificate_from_der(twice))
    assert caught.value.code == "bad-certificate"


@pytest.mark.parametrize("warned", ["error", "ignore"])
def test_a_serial_number_below_one_is_refused_whatever_warnings_do(warned: Literal["error", "ignore"]) -> None:
    leaf, _ = CA.leaf("/web", serial=0x7A7A7A7A7A7A)
    negative = der_of(leaf).replace(b"\x7a\x7a\x7a\x7a\x7a\x7a", b"\x8a\x7a\x7a\x7a\x7a\x7a")
    with warnings.catch_warnings():
        warnings.simplefilter(warned)
        refused(lambda: read_whole(certificate_from_der(negative)), "bad-certificate")


def test_a_name_of_the_wrong_type_is_refused() -> None:
    """Found by fuzzing: the library answers a common name that is a BIT STRING with TypeError."""
    der = der_of(CA.intermediate(subject=name("\x00issuing")).certificate)
    bits = der.replace(b"\x06\x03\x55\x04\x03\x0c\x08\x00", b"\x06\x03\x55\x04\x03\x03\x08\x00")
    assert bits != der
    refused(lambda: read_whole(certificate_from_der(bits)), "bad-certificate")


def test_a_kind_of_name_the_library_does_not_know_is_refused() -> None:
    edi_party_name = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x02\xa5\x00")
    odd, _ = CA.leaf("/web", san=(edi_party_name, True))
    refused(lambda: X509Svid((odd,)), "bad-certificate")


def test_a_certificate_has_one_encoding_also_where_nothing_is_signed() -> None:
    certificate = TestCa.root("acme.example").certificate
    der = bytearray(der_of(certificate))
    unused_bits = len(der) - len(certificate.signature) - 1
    assert der[unused_bits] == 0
    # DER asks that unused bits be zero, so a signature that ends in some can claim as many.
    for bits in range(1, 8):
        der[unused_bits] = bits
        with pytest.raises(Refused):
            read_whole(certificate_from_der(bytes(der)))
