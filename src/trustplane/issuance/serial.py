"""Serial numbers: 16 octets, 126 of their bits random, positive without a padding octet."""

from __future__ import annotations

ENTROPY_BYTES = 16


def serial_from(entropy: bytes) -> int:
    """The serial that these random bytes stand for: the first two bits become 01, so all serials have one length."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(len(entropy))
    return int.from_bytes(entropy, "big") & ((1 << 126) - 1) | 1 << 126
