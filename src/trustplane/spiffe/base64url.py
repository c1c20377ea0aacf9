"""Base64url as JOSE writes it: exactly one spelling of each content, no padding, no stray bits (RFC 7515 §2)."""

from __future__ import annotations

import base64
import binascii


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError for anything that `encode` would not write."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64url") from error
    if encode(raw) != text:
        raise ValueError("base64url in another than the one allowed spelling")
    return raw
