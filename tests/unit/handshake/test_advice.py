"""What to type about a diagnosis: filled in from records, and only with what no shell reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trustplane.handshake.advice import command_for
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.join import Pair

AT = datetime(2026, 11, 27, 18, 14, 32, tzinfo=UTC)
REVOKED = (
    "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:"
    "_certificate_verification_error_at_depth_0:_certificate_revocation_check_against_provided_CRLs_failed:"
    "_certificate_revoked:TLS_error_end"
)
ALERT = "TLS_error:|268436500:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_REVOKED:TLS_error_end"
PAY = "spiffe://acme.example/pay"


def client(theirs: str = "") -> Failure:
    whose = Claims("spiffe://acme.example/web"), Claims(theirs)
    return Failure(REVOKED, Implementation.ENVOY, Side.CLIENT, (1, 40), Tls.V1_3, AT, ours=whose[0], theirs=whose[1])


def server() -> Failure:
    return Failure(ALERT, Implementation.ENVOY, Side.SERVER, (1, 40), Tls.V1_3, AT, ours=Claims(PAY))


def test_who_was_refused_is_told_by_its_own_record_where_the_verifier_does_not_know() -> None:
    found = diagnose(Pair(client(), server()))
    assert (found.cause, command_for("revoked", found)) == ("revoked", f"trustplane explain {PAY}")


def test_alone_the_verifier_leaves_the_name_to_the_reader() -> None:
    assert command_for("revoked", diagnose(Pair(client(), None))) == "trustplane explain <ID>"


@pytest.mark.parametrize("claimed", ["spiffe://acme.example/$(reboot)", "x; reboot", "spiffe://acme.example/a b"])
def test_what_a_shell_would_read_is_in_no_command(claimed: str) -> None:
    assert command_for("revoked", diagnose(Pair(client(claimed), None))) == "trustplane explain <ID>"
