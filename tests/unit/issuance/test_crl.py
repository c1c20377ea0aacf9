from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from tests.kit.issuing_ports import NOON, MemoryAuthority
from trustplane.fault import Broken
from trustplane.issuance.crl import BACKDATE, confirm_crl, crl_body
from trustplane.trust.revocation import Listed, Reason

PAIR = MemoryAuthority.at(NOON)
LIFE = timedelta(hours=2)
LINES = (Listed(5, NOON, Reason.KEY_COMPROMISE), Listed((1 << 127) + 1, NOON, Reason.UNSPECIFIED))


def crl(number: int = 3) -> x509.CertificateRevocationList:
    body = crl_body(PAIR.issuing, LINES, number, NOON, LIFE)
    return x509.load_der_x509_crl(confirm_crl(PAIR.issuing, body, PAIR.key.sign(body), LINES).der)


def test_a_crl_names_its_key_its_number_and_its_times() -> None:
    made = crl()
    key = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key == bytes.fromhex(PAIR.issuing.id.hex)[:20]
    assert made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert (made.last_update_utc, made.next_update_utc) == (NOON - BACKDATE, NOON + LIFE)
    assert PAIR.issuing.certificate is not None
    assert made.issuer == PAIR.issuing.certificate.subject


def test_a_reason_is_said_and_unspecified_is_left_out() -> None:
    first, second = crl()
    assert first.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert list(second.extensions) == []


def test_the_signature_must_be_the_authoritys() -> None:
    body = crl_body(PAIR.issuing, LINES, 1, NOON, LIFE)
    other = MemoryAuthority.at(NOON).key
    with pytest.raises(Broken) as broken:
        confirm_crl(PAIR.issuing, body, other.sign(body), LINES)
    assert broken.value.code == "crl-not-confirmed"


def test_the_list_must_be_the_one_that_was_meant() -> None:
    body = crl_body(PAIR.issuing, LINES, 1, NOON, LIFE)
    with pytest.raises(Broken, match="what it was to list"):
        confirm_crl(PAIR.issuing, body, PAIR.key.sign(body), LINES[:1])
