"""RFC 5280 §4.1.2.2, and more than its 20 octets: 16, of which the first is 0x40 to 0x7f, so 126 bits are random."""

from __future__ import annotations

from trustplane.issuance.lints.reading import Reading


def check(reading: Reading) -> str | None:
    serial = reading.body.serial
    if serial != reading.order.serial:
        return f"the serial is {serial:x}, not the {reading.order.serial:x} that was ordered"
    return None if serial >> 126 == 1 else f"the serial {serial:x} is not 16 octets that begin with the bits 01"
