"""Rules a certificate keeps before it is signed: one file a rule, named after its clause.

A lint that finds something is our mistake, not the caller's: what was shaped is not what was meant. Nothing is signed.
"""

from __future__ import annotations

from collections.abc import Callable

from trustplane.fault import Broken
from trustplane.issuance.lints import (
    rfc5280_4_1_2_2_serial,
    rfc5280_4_1_2_5_validity,
    rfc5280_4_2_1_1_issuer,
    rfc5280_4_2_1_2_key,
    rfc5280_4_2_extensions,
    spiffe_x509_2_one_uri,
    spiffe_x509_4_1_not_a_ca,
    spiffe_x509_4_3_key_usage,
    spiffe_x509_4_4_both_sides,
)
from trustplane.issuance.lints.reading import Reading
from trustplane.issuance.shape import Order

LINTS: dict[str, Callable[[Reading], str | None]] = {
    module.__name__.rpartition(".")[2]: module.check
    for module in (
        rfc5280_4_1_2_2_serial,
        rfc5280_4_1_2_5_validity,
        rfc5280_4_2_1_1_issuer,
        rfc5280_4_2_1_2_key,
        rfc5280_4_2_extensions,
        spiffe_x509_2_one_uri,
        spiffe_x509_4_1_not_a_ca,
        spiffe_x509_4_3_key_usage,
        spiffe_x509_4_4_both_sides,
    )
}


def lint(order: Order) -> None:
    """Broken, with everything found, unless the order keeps every rule."""
    try:
        reading = Reading.of(order)
    except ValueError as error:
        raise _broken(order, f"it cannot be read back: {error}") from error
    found = [f"{name}: {wrong}" for name, check in LINTS.items() if (wrong := check(reading)) is not None]
    if found:
        raise _broken(order, "; ".join(found))


def _broken(order: Order, why: str) -> Broken:
    return Broken(
        code="lint-failed",
        what=f"the certificate for {order.admitted.spiffe_id} was not signed",
        why=why,
        fix="report this with the profile and the SPIFFE ID; no certificate was made",
    )
