"""A proof shows possession of one key, for one purpose, now."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tests.kit.ca import p256, p384, rsa2048
from trustplane.fault import Refused
from trustplane.wire import proof

NONCE = bytes(range(proof.NONCE_BYTES))


@pytest.mark.parametrize("key", [p256(), p384(), rsa2048()], ids=["p256", "p384", "rsa2048"])
def test_the_holder_of_the_key_proves_itself(key: PrivateKeyTypes) -> None:
    signature = proof.sign(key, proof.GREETING, NONCE)
    proof.check(key.public_key(), proof.GREETING, NONCE, signature)
    assert NONCE not in signature


@pytest.mark.parametrize("key", [p256(), rsa2048()], ids=["p256", "rsa2048"])
def test_a_proof_is_worth_nothing_for_another_purpose_nonce_or_key(key: PrivateKeyTypes) -> None:
    signature = proof.sign(key, proof.GREETING, NONCE)
    for public, purpose, nonce in (
        (key.public_key(), proof.NODE_CERTIFICATE, NONCE),
        (key.public_key(), proof.GREETING, secrets.token_bytes(proof.NONCE_BYTES)),
        (p256().public_key(), proof.GREETING, NONCE),
        (rsa2048().public_key(), proof.GREETING, NONCE),
    ):
        with pytest.raises(Refused) as caught:
            proof.check(public, purpose, nonce, signature)
        assert caught.value.code == "possession-not-proved"


def test_no_purpose_begins_as_another_does_so_that_no_nonce_can_finish_it() -> None:
    assert not proof.GREETING.startswith(proof.NODE_CERTIFICATE)
    assert not proof.NODE_CERTIFICATE.startswith(proof.GREETING)
    assert proof.GREETING.endswith(b"\0")
    assert proof.NODE_CERTIFICATE.endswith(b"\0")


@pytest.mark.parametrize("signature", [b"", b"\x30", bytes(64), bytes(10_000)])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(Refused):
        proof.check(p256().public_key(), proof.GREETING, NONCE, signature)


def test_keys_of_other_kinds_prove_nothing() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(Refused):
        proof.sign(key, proof.GREETING, NONCE)
    with pytest.raises(Refused):
        proof.check(key.public_key(), proof.GREETING, NONCE, key.sign(proof.GREETING + NONCE))
