"""Signed, then looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from tests.kit.issuing_ports import NODE, NOON, WEB, MemoryAuthority, authority_keys, leaf_key, profile
from trustplane.fault import Broken
from trustplane.issuance.admit import Right, admit
from trustplane.issuance.ask import Ask
from trustplane.issuance.confirm import chain_of, confirm, confirm_authority, confirm_whole
from trustplane.issuance.csr import Csr
from trustplane.issuance.shape import Order, shape
from trustplane.trust.authority import Authority

AUTHORITY = MemoryAuthority.at(NOON)
ADMITTED = admit(Ask(NODE, WEB, Csr.parse(leaf_key().csr())), Right(NODE, WEB, profile()))


def an_order(authority: Authority = AUTHORITY.issuing) -> Order:
    return shape(ADMITTED, authority, (1 << 126) + 7, NOON)


def test_what_was_ordered_is_confirmed_whole() -> None:
    order = an_order()
    der = AUTHORITY.leaf(order)
    svid = confirm_whole(order, der)
    assert (svid.spiffe_id, svid.serial) == (WEB, order.serial)
    assert svid.der() == chain_of(order, der)


def test_other_bytes_than_were_ordered_are_not_confirmed() -> None:
    order, other = an_order(), shape(ADMITTED, AUTHORITY.issuing, (1 << 126) + 8, NOON).redeem()
    with pytest.raises(Broken, match="bytes that were ordered"):
        confirm(order, other, AUTHORITY.key.sign(other))


def test_a_signature_by_another_key_is_found() -> None:
    order = an_order()
    body = order.redeem()
    der = confirm(order, body, authority_keys().make()[0].sign(body))
    with pytest.raises(Broken, match="does not verify"):
        confirm_whole(order, der)


def test_an_authority_whose_certificate_is_of_another_key_is_found() -> None:
    mixed_up = replace(AUTHORITY.issuing, public_key=AUTHORITY.root.public_key)
    order = an_order(mixed_up)
    with pytest.raises(Broken, match="not of the authority's key"):
        confirm_whole(order, AUTHORITY.leaf(order))


def test_a_new_authority_is_confirmed_under_its_issuer() -> None:
    certificate = AUTHORITY.issuing.certificate
    assert certificate is not None
    body, signature = certificate.tbs_certificate_bytes, certificate.signature
    assert confirm_authority(body, signature, issuer=AUTHORITY.root.certificate) == certificate
    with pytest.raises(Broken, match="authority-not-confirmed"):
        confirm_authority(body, signature, issuer=None)


def test_authorities_carry_what_x509_svid_asks_of_signers() -> None:
    root, issuing = AUTHORITY.root.certificate, AUTHORITY.issuing.certificate
    assert root is not None
    assert issuing is not None
    limits = [each.extensions.get_extension_for_class(x509.BasicConstraints) for each in (root, issuing)]
    assert [(each.critical, each.value.ca, each.value.path_length) for each in limits] == [
        (True, True, None),
        (True, True, 0),
    ]
    for certificate in (root, issuing):
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign
        assert not usage.value.digital_signature
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [name.value for name in names] == ["spiffe://acme.example"]
    assert issuing.not_valid_after_utc <= root.not_valid_after_utc
