"""Failed handshakes as nodes report them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.kit.policies import CHECKOUT, PAYMENTS
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.reported import Held, Reported
from trustplane.spiffe.names import ServiceName

AT: Final = datetime(2030, 1, 1, 12, 10, 0, 123456, tzinfo=UTC)
CALLER: Final = ServiceName("shop", "checkout")
PAYMENTS_ID: Final = "spiffe://shop.example/ns/shop/sa/payments"
HELD: Final = Held("b" * 64, "c" * 64, 18, "root-3")
_VERIFYING: Final = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_"
EXPIRED: Final = (
    f"{_VERIFYING}X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end"
)
UNKNOWN_ISSUER: Final = (
    f"{_VERIFYING}X509_verify_cert:_certificate_verification_error_at_depth_1:"
    "_unable_to_get_local_issuer_certificate:TLS_error_end"
)
PLAINTEXT: Final = "TLS_error:|268435612:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"


def refused(at: datetime = AT, port: int = 40_001, text: str = EXPIRED, **fields: Any) -> Reported:  # noqa: ANN401 - a failure's
    """As the callee's listener has it."""
    failure = Failure(
        text=text,
        implementation=Implementation.ENVOY,
        side=Side.SERVER,
        build=(1, 38, 3),
        tls=Tls.V1_3,
        at=at,
        local="10.0.0.2:20203",
        peer=f"10.0.0.1:{port}",
        theirs=Claims(str(CHECKOUT), "0a" * 16, "", at - timedelta(hours=1), "d" * 40),
        ours=Claims(PAYMENTS_ID, "0b" * 16, "", at + timedelta(hours=1), "e" * 40),
    )
    return Reported(PAYMENTS, replace(failure, **fields), HELD)


def hidden(at: datetime = AT, port: int = 40_001, service: ServiceName | None = None, **fields: Any) -> Reported:  # noqa: ANN401 - a failure's
    """As the caller's sidecar has the same, under TLS 1.3: nothing but an end."""
    failure = Failure(
        text="",
        implementation=Implementation.ENVOY,
        side=Side.CLIENT,
        build=(1, 38, 3),
        tls=Tls.V1_3,
        at=at,
        flags="UC",
        details="upstream_reset_before_response_started{connection_termination}",
        local=f"10.0.0.1:{port}",
        peer="10.0.0.2:20203",
        theirs=Claims(PAYMENTS_ID, "", "", at + timedelta(hours=1), "e" * 40),
        ours=Claims(str(CHECKOUT), "0a" * 16, "", at - timedelta(hours=1), "d" * 40),
    )
    return Reported(service or CALLER, replace(failure, **fields), HELD)
