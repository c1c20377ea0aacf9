"""Serial numbers have one length, are positive, and keep 126 bits of what they are made from."""

from __future__ import annotations

import pytest

from trustplane.issuance.serial import serial_from


@pytest.mark.parametrize("entropy", [bytes(16), b"\xff" * 16, bytes(range(16))])
def test_whatever_the_bytes_a_serial_has_sixteen_octets_beginning_01(entropy: bytes) -> None:
    serial = serial_from(entropy)
    assert serial.to_bytes(16, "big")[0] & 0xC0 == 0x40
    assert serial & ((1 << 126) - 1) == int.from_bytes(entropy, "big") & ((1 << 126) - 1)


def test_fewer_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="15"):
        serial_from(bytes(15))
