"""What a record says of the refusal itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.handshakes import EXPIRED, PLAINTEXT, UNKNOWN_ISSUER, hidden, refused
from trustplane.handshake.failure import Side
from trustplane.handshake.recognise import recognise
from trustplane.handshake.refusal import Refusal, refusal_of

_REVOKED = EXPIRED.replace(
    "certificate_has_expired",
    "certificate_revocation_check_against_provided_CRLs_failed:_certificate_revoked",
)
_ALERT = "TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end"
_NAMES = EXPIRED.partition("X509_verify")[0] + "SAN_matcher,_certificate_SANs_are_[spiffe://x/y]:TLS_error_end"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (EXPIRED, Refusal(Side.SERVER, "certificate has expired", 0)),
        (UNKNOWN_ISSUER, Refusal(Side.SERVER, "unable to get local issuer certificate", 1)),
        (_REVOKED, Refusal(Side.SERVER, "certificate revoked", 0)),
        (_NAMES, Refusal(Side.SERVER, "san matcher", None)),
        (_ALERT, Refusal(Side.CLIENT, "", None, "unknown ca")),
        (PLAINTEXT, Refusal(Side.SERVER)),
        ("TLS_error:|1:something_new:TLS_error_end", Refusal()),
    ],
)
def test_who_refused_why_and_where(text: str, found: Refusal) -> None:
    assert refusal_of(recognise(refused(text=text).failure)) == found


def test_a_hidden_refusal_is_the_other_sides() -> None:
    assert refusal_of(recognise(hidden().failure)) == Refusal(Side.SERVER)
    assert refusal_of(recognise(replace(hidden().failure, side=None))).rejecter is None
