"""The checkpoint key stays the same over restarts and opens only under its sealing key."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from trustplane.fault import Refused
from trustplane.keys.audit import AuditKey
from trustplane.keys.sealing import Kek


def a_kek(byte: int) -> Kek:
    return Kek(bytes((byte,)) * 32, stretched=False, told_as="a test's key")


def test_a_restart_finds_the_same_key(tmp_path: Path) -> None:
    first = AuditKey.from_file(tmp_path / "audit.key", a_kek(1))
    again = AuditKey.from_file(tmp_path / "audit.key", a_kek(1))
    Ed25519PublicKey.from_public_bytes(first.public).verify(again.sign(b"note"), b"note")
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    assert first.public.hex() not in repr(first)


def test_another_sealing_key_does_not_open_it(tmp_path: Path) -> None:
    AuditKey.from_file(tmp_path / "audit.key", a_kek(1))
    with pytest.raises(Refused, match="seal-does-not-open"):
        AuditKey.from_file(tmp_path / "audit.key", a_kek(2))
